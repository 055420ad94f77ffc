"""The doctor's look at the household's media server, if one is named."""

import threading
from dataclasses import replace
from typing import Final

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.doctor.findings import Finding, Kind
from wishlist_service.errors import MediaServerError
from wishlist_service.plex.media_server import MediaServer
from wishlist_service.queries import sync_users

_SECONDS: Final = 5  # for each of three tries


def check_media_server(config: Config) -> list[Finding]:
    """Whether it answers, accepts the token, and shows libraries."""
    server = MediaServer(
        replace(config, plex_timeout_seconds=min(_SECONDS, config.plex_timeout_seconds)),
        client_identifier=db.ask(config.database_url, sync_users.get_client_identifier),
        stop=threading.Event(),
        retry_seconds=0.1,
    )
    try:
        titles = [section.title for section in server.sections()]
    except MediaServerError as error:
        return [Finding("server", str(error), fault=Kind.MEDIA_SERVER)]
    return [Finding("server", f"The media server shows {len(titles)} libraries: {', '.join(titles)}.")]
