"""What the views work with, made once by create_app and found through the running app."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from flask import current_app, g
from psycopg import Connection

from wishlist_service import db
from wishlist_service.api.wrong_keys import WrongKeys
from wishlist_service.config import Config
from wishlist_service.plex import PlexClient
from wishlist_service.tokens import TokenCipher

Params = ParamSpec("Params")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parts:
    """The parts of one web process; `pool` is closed until the process has forked."""

    config: Config
    pool: db.Pool
    plex: PlexClient
    cipher: TokenCipher
    stop: threading.Event
    wrong_keys: WrongKeys


def parts() -> Parts:
    """The parts of the app that handles this request."""
    return current_app.extensions["wishlist"]


def read(
    query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **kwargs: Params.kwargs
) -> Result:
    """Run a reading query; people's names are hidden in what it gives if the one who asks may not see them."""
    if g.names_shown:
        return db.read(parts().pool, query, *args, **kwargs)

    def read_without_names(conn: Connection) -> Result:
        with conn.transaction():
            db.hide_names(conn)
            return query(conn, *args, **kwargs)

    return db.read(parts().pool, read_without_names)
