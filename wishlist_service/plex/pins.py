"""Plex: signing in with a PIN.

A person opens an address at Plex and signs in. From then on Plex gives the token to the maker of the PIN, until the
PIN expires.
"""

import logging
import threading
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from wishlist_service.config import Config
from wishlist_service.errors import PinExpired, PlexChanged
from wishlist_service.models import PlexPin
from wishlist_service.plex.http import PRODUCT, PlexHttp
from wishlist_service.plex.rows import clean_text

# At DEBUG urllib3 logs each address, and one of them has the number of a PIN.
logging.getLogger("urllib3.connectionpool").addFilter(lambda record: "/api/v2/pins/" not in record.getMessage())

LONGEST: Final = timedelta(hours=1)  # Plex gives a strong PIN half an hour


class PlexPins:
    """One for each process, with its own cooldown: a limit on PIN requests must not delay a sync."""

    def __init__(self, config: Config, *, stop: threading.Event) -> None:
        self._url = f"{config.plex_tv_url}/api/v2/pins"
        self._sign_out_url = f"{config.plex_tv_url}/api/v2/users/signout"
        self._sign_in_url = config.plex_auth_url
        self._http = PlexHttp(config, client_identifier="", stop=stop)  # each PIN has its own identifier
        self._sign_out_http = PlexHttp(config, client_identifier="", stop=stop)  # a cooldown of PINs must not delay it

    def make(self, client_identifier: str = "") -> PlexPin:
        """Return a new PIN. Raises a PlexError.

        Each PIN has its own client identifier, at random if none is given: for a known one, Plex may return an earlier
        token.
        """
        client_identifier = client_identifier or str(uuid4())
        headers = {"X-Plex-Client-Identifier": client_identifier}
        reply = self._http.ask("POST", self._url, headers=headers, query={"strong": "true"}, tries=1)
        body = reply.decoded() if reply.status in (200, 201) else None
        match body:
            # a bool is an int, too; the number is stored as a bigint
            case {"id": int(number), "code": str(text), "expiresIn": int(seconds)} if (
                not isinstance(number, bool) and 0 < number < 2**63 and not isinstance(seconds, bool) and seconds > 0
            ):
                code = clean_text(text, longest=100)
            case _:
                raise PlexChanged(f"Plex answered HTTP {reply.status} instead of a PIN.")
        if code is None:
            raise PlexChanged("Plex sent a PIN without a code.")
        expires_in = min(timedelta(seconds=min(seconds, 1_000_000)), LONGEST)
        return PlexPin(id=number, code=code, client_identifier=client_identifier, expires_in=expires_in)

    def token(self, pin_id: int, client_identifier: str) -> str | None:
        """Return the token; None before the person has signed in. Raises PinExpired or a PlexError."""
        headers = {"X-Plex-Client-Identifier": client_identifier}
        reply = self._http.ask("GET", f"{self._url}/{pin_id}", headers=headers, tries=1)
        body = reply.decoded() if reply.status in (200, 404) else None
        match reply.status, body:
            case 404, {"errors": [{"code": 1020}, *_]}:  # not found or expired
                raise PinExpired
            case 200, dict():
                token = body.get("authToken") or None
            case _:
                raise PlexChanged(f"Plex answered HTTP {reply.status} instead of the state of a PIN.")
        if token is None:
            return None
        return valid_token(token)

    def sign_out(self, token: str, client_identifier: str) -> None:
        """Make Plex forget the token, in several tries. Raises a PlexError."""
        headers = {"X-Plex-Token": token, "X-Plex-Client-Identifier": client_identifier}
        reply = self._sign_out_http.ask("DELETE", self._sign_out_url, headers=headers)
        if reply.status >= 300 and reply.status != 401:  # 401: it has forgotten it already
            raise PlexChanged(f"Plex answered HTTP {reply.status} instead of forgetting a token.")

    def sign_in_url(self, code: str, client_identifier: str, *, forward_url: str = "") -> str:
        """Return the address where the person signs in. Plex then leads their browser to `forward_url`."""
        query = {"clientID": client_identifier, "code": code, "context[device][product]": PRODUCT}
        if forward_url:
            query["forwardUrl"] = forward_url
        return f"{self._sign_in_url}#?{urlencode(query, quote_via=quote)}"


def valid_token(token: object) -> str:
    """Return the token if it can be sent in a header. Raises PlexChanged."""
    if not (isinstance(token, str) and 0 < len(token) <= 2000 and token.isascii() and token.isprintable()):
        raise PlexChanged("Plex sent a token that is not valid.")
    return token
