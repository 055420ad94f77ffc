"""Plex: signing in with a PIN. Its wire words stop here.

A person opens an address of Plex's, signs in there and agrees; from then on Plex tells the token to whoever
made the PIN, until the PIN expires.
"""

import threading
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from wishlist_service.config import Config
from wishlist_service.errors import PinExpired, PlexChanged
from wishlist_service.models import PlexPin
from wishlist_service.plex.http import PRODUCT, PlexHttp
from wishlist_service.plex.rows import clean_text

SIGN_IN_PAGE: Final = "https://app.plex.tv/auth"
LONGEST: Final = timedelta(hours=1)  # Plex gives a strong PIN half an hour
_NOT_FOUND_OR_EXPIRED: Final = 1020


class PlexPins:
    """One per process, with a cooldown of its own: asking too often about a PIN must hold up no sync."""

    def __init__(self, config: Config, *, stop: threading.Event) -> None:
        self._url = f"{config.plex_tv_url}/api/v2/pins"
        self._http = PlexHttp(
            timeout_seconds=config.plex_timeout_seconds,
            client_identifier=_new_client_identifier(),  # replaced by each PIN's own
            stop=stop,
            language=config.plex_language,
        )

    def make(self) -> PlexPin:
        """A new PIN. Raises a PlexError.

        It has a client identifier of its own: for one that it knows, Plex may hand out a token it gave before.
        """
        client_identifier = _new_client_identifier()
        reply = self._http.ask(
            "POST", self._url, headers=_headers(client_identifier), query={"strong": "true"}, tries=1
        )
        body = reply.decoded() if reply.status in (200, 201) else None
        match body:
            case {"id": int(number), "code": str(text), "expiresIn": int(seconds)} if seconds > 0:
                code = clean_text(text, longest=100)
            case _:
                raise PlexChanged(f"Plex answered HTTP {reply.status} instead of a PIN.")
        if code is None:
            raise PlexChanged("Plex made a PIN without a code.")
        expires_in = min(timedelta(seconds=min(seconds, 1_000_000)), LONGEST)
        return PlexPin(id=number, code=code, client_identifier=client_identifier, expires_in=expires_in)

    def token(self, pin_id: int, client_identifier: str) -> str | None:
        """The token, once the person has agreed. Raises PinExpired or a PlexError."""
        reply = self._http.ask("GET", f"{self._url}/{pin_id}", headers=_headers(client_identifier), tries=1)
        body = reply.decoded() if reply.status in (200, 404) else None
        if reply.status == 404 and _error_code(body) == _NOT_FOUND_OR_EXPIRED:
            raise PinExpired
        if reply.status != 200 or not isinstance(body, dict):
            raise PlexChanged(f"Plex answered HTTP {reply.status} instead of how a PIN stands.")
        token = body.get("authToken") or None
        if token is None:
            return None
        # it will travel in a header
        if not (isinstance(token, str) and len(token) <= 2000 and token.isascii() and token.isprintable()):
            raise PlexChanged("Plex gave a token that cannot be one.")
        return token


def sign_in_url(code: str, client_identifier: str) -> str:
    """Where the person agrees."""
    query = {"clientID": client_identifier, "code": code, "context[device][product]": PRODUCT}
    return f"{SIGN_IN_PAGE}#?{urlencode(query, quote_via=quote)}"


def _new_client_identifier() -> str:
    return str(uuid4())


def _headers(client_identifier: str) -> dict[str, str]:
    return {"X-Plex-Client-Identifier": client_identifier}


def _error_code(body: Any) -> Any:
    match body:
        case {"errors": [{"code": code}, *_]}:
            return code
        case _:
            return None
