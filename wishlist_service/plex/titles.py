"""Plex: single titles. Its wire words stop here."""

import threading
from datetime import datetime
from typing import Any, Final

from wishlist_service.config import Config
from wishlist_service.errors import PlexChanged
from wishlist_service.models import TitleDetails
from wishlist_service.plex.http import PlexHttp, Reply
from wishlist_service.plex.rows import parse_details, parse_watchlisted_at, rating_key

PATH: Final = "/library/metadata/"


class PlexTitles:
    """One per process, with a cooldown of its own: asking too often about titles must hold up no sync."""

    def __init__(self, config: Config, *, client_identifier: str, stop: threading.Event) -> None:
        self._url = f"{config.plex_discover_url}{PATH}"
        self._http = PlexHttp(
            timeout_seconds=config.plex_timeout_seconds,
            client_identifier=client_identifier,
            stop=stop,
            language=config.plex_language,
        )

    def details(self, token: str, uid: str) -> TitleDetails | None:
        """What a list does not tell of a title; None if Plex has no record of it. Raises a PlexError."""
        key = uid.rpartition("/")[2]
        reply = self._http.get(f"{self._url}{key}", token, query={"includeGuids": "1"}, tries=1)
        if reply.status == 404:
            return None
        match _container(reply):
            case {"Metadata": [dict() as raw, *_]} if rating_key(raw) == key:
                return parse_details(raw)
            case _:
                raise PlexChanged("Plex described a title in a way this version does not understand.")

    def watchlisted_at(self, token: str, uid: str) -> datetime | None:
        """When the token's owner put the title on their list, if Plex tells. Raises a PlexError."""
        reply = self._http.get(f"{self._url}{uid.rpartition('/')[2]}/userState", token, tries=1)
        return parse_watchlisted_at(_container(reply).get("UserState"))


def _container(reply: Reply) -> dict[str, Any]:
    body = reply.decoded() if reply.status == 200 else None
    container = body.get("MediaContainer") if isinstance(body, dict) else None
    if not isinstance(container, dict):
        raise PlexChanged(f"Plex answered HTTP {reply.status} to a question about a title.")
    return container
