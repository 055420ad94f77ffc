"""Plex: single titles."""

import threading
from datetime import datetime
from typing import Any, Final

from wishlist_service.config import Config
from wishlist_service.errors import PlexChanged
from wishlist_service.models import TitleDetails
from wishlist_service.plex.http import PlexHttp, Reply
from wishlist_service.plex.rows import parse_details, parse_watchlisted_at

PATH: Final = "/library/metadata/"


class PlexTitles:
    """One for each process, with its own cooldown: a limit on title requests must not delay a sync."""

    def __init__(self, config: Config, *, client_identifier: str, stop: threading.Event) -> None:
        self._url = f"{config.plex_discover_url}{PATH}"
        self._http = PlexHttp(config, client_identifier=client_identifier, stop=stop)

    def details(self, token: str, uid: str) -> TitleDetails | None:
        """Return what the page of a title says; None if Plex does not know the title. Raises a PlexError.

        The page may be that of another record: Plex has renewed the one that was asked for.
        """
        key = uid.rpartition("/")[2]
        reply = self._http.get(f"{self._url}{key}", token, query={"includeGuids": "1"}, tries=1)
        if reply.status == 404:
            return None
        match _container(reply):
            case {"Metadata": [dict() as raw, *_]} if (found := parse_details(raw)).uid:
                return found
            case _:
                raise PlexChanged("Plex described a title in a way that this version does not understand.")

    def watchlisted_at(self, token: str, uid: str) -> datetime | None:
        """Return when the owner of the token put the title on their watchlist; None if unknown. Raises a PlexError."""
        reply = self._http.get(f"{self._url}{uid.rpartition('/')[2]}/userState", token, tries=1)
        return parse_watchlisted_at(_container(reply).get("UserState"))


def _container(reply: Reply) -> dict[str, Any]:
    body = reply.decoded() if reply.status == 200 else None
    container = body.get("MediaContainer") if isinstance(body, dict) else None
    if not isinstance(container, dict):
        raise PlexChanged(f"Plex answered HTTP {reply.status} instead of sending a title.")
    return container
