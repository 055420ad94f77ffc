"""What the views work with, made once by create_app and found through the running app."""

import threading
from dataclasses import dataclass

from flask import current_app

from wishlist_service.config import Config
from wishlist_service.db import Pool
from wishlist_service.plex import PlexClient
from wishlist_service.tokens import TokenCipher


@dataclass(frozen=True)
class Parts:
    """The parts of one web process; `pool` is closed until the process has forked."""

    config: Config
    pool: Pool
    plex: PlexClient
    cipher: TokenCipher
    stop: threading.Event


def parts() -> Parts:
    """The parts of the app that handles this request."""
    return current_app.extensions["wishlist"]
