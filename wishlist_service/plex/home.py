"""Plex: the people around an account at plex.tv, and tokens that act as a member of its Plex Home."""

import logging
import threading
from collections import Counter
from typing import Final
from urllib.parse import quote

from wishlist_service.config import Config
from wishlist_service.errors import PinRejected, PlexChanged, Refused
from wishlist_service.models import Contact
from wishlist_service.plex.contacts import parse_members, parse_others
from wishlist_service.plex.http import PlexHttp
from wishlist_service.plex.pins import valid_token

_PIN_REQUIRED: Final = "1041"


def _without_query(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(each.partition("?")[0] if isinstance(each, str) else each for each in record.args)
    return True


# At DEBUG urllib3 logs each address, and one of them has the PIN of a person in its query.
logging.getLogger("urllib3.connectionpool").addFilter(_without_query)


class PlexHome:
    """One for each process, with its own cooldown: a limit on switches must not delay the reading of watchlists."""

    def __init__(self, config: Config, *, client_identifier: str, stop: threading.Event) -> None:
        self._members_url = f"{config.plex_tv_url}/api/v2/home/users"
        self._others_url = f"{config.plex_tv_url}/api/users"
        self._http = PlexHttp(config, client_identifier=client_identifier, stop=stop)

    def members(self, token: str, *, admin_uuid: str) -> list[Contact]:
        """Return the members of the Plex Home whose admin owns the token; none if it has no Home or is not its admin.

        Raises a PlexError.
        """
        reply = self._http.get(self._members_url, token, tries=1)
        if reply.status in (401, 403, 404):  # the caller has seen that the token is valid
            return []
        if reply.status != 200:
            raise PlexChanged(f"Plex answered HTTP {reply.status} instead of sending the members of the Plex Home.")
        return parse_members(reply.decoded(), admin_uuid=admin_uuid)

    def others(self, token: str) -> list[Contact]:
        """Return the people with access to the servers of the token's owner. Raises a PlexError."""
        reply = self._http.get(self._others_url, token, tries=1)
        if reply.status != 200:
            raise PlexChanged(f"Plex answered HTTP {reply.status} instead of sending who has access to the servers.")
        return parse_others(reply.decoded())

    def switch(self, token: str, uuid: str, *, pin: str | None) -> str:
        """Return a token that acts as this member. `token` is that of the admin.

        Which account it is of must be asked before it is used. Raises PinRejected, Refused or another PlexError.
        """
        reply = self._http.ask(
            "POST",
            f"{self._members_url}/{quote(uuid, safe='')}/switch",
            headers={"X-Plex-Token": token},
            query={"pin": pin} if pin else None,
            tries=1,
        )
        if reply.status == 403:
            match reply.decoded():
                case {"errors": [{"code": code}, *_]} if str(code) == _PIN_REQUIRED:
                    raise PinRejected("Plex does not accept this PIN." if pin else "Plex wants a PIN for this member.")
                case _:
                    pass
        if reply.status in (400, 401, 403, 404, 422):
            raise Refused(f"Plex refused to switch to this member of the Plex Home (HTTP {reply.status}).")
        body = reply.decoded() if reply.status in (200, 201) else None
        if not isinstance(body, dict):
            raise PlexChanged(f"Plex answered HTTP {reply.status} instead of switching to a member of the Plex Home.")
        return valid_token(body.get("authToken"))

    def request_counts(self) -> Counter[str]:
        """Return how many requests ended in each way so far."""
        return self._http.counts()
