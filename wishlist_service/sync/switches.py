"""Switches to members of a Plex Home: one at a time in all processes, and at least a second apart.

Plex answers 429 to several in a row, and does not say how long to wait.
"""

import time
from datetime import timedelta
from typing import Final

from wishlist_service import db
from wishlist_service.errors import RateLimited, Unreachable
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import imports, locks

PAUSE: Final = timedelta(seconds=1)
_WAITED_OUT_SECONDS: Final = 10
_TURN_SECONDS: Final = 30


def switch(database_url: str, plex: PlexClient, token: str, uuid: str, *, pin: str | None) -> str:
    """Return a token that acts as this member of the Plex Home whose admin owns `token`, once Plex has named it.

    Raises RateLimited without a request while Plex wants no switch, and what PlexClient.switch() raises.
    """
    with db.connect(database_url, role="switch") as conn, locks.giving_back_locks(conn):
        until = time.monotonic() + _TURN_SECONDS
        while not locks.try_turn(conn, locks.SWITCH_LOCK):
            if time.monotonic() > until:
                raise Unreachable("Other members of the Plex Home are being asked for. Nothing was changed.")
            time.sleep(0.1)
        seconds = imports.get_seconds_to_switch(conn)
        if seconds > _WAITED_OUT_SECONDS:
            raise RateLimited(
                "Plex asks to slow down with members of a Plex Home (HTTP 429). Nothing was changed; "
                "try again in a minute.",
                wait=timedelta(seconds=seconds),
                told=False,
                asked=False,
            )
        time.sleep(max(0.0, seconds))
        pause = PAUSE
        imports.put_off_switches(conn, wait=pause)  # also if this process is killed now
        try:
            return plex.switch(token, uuid, pin=pin)
        except RateLimited as error:
            pause = error.wait  # a minute, since Plex does not say how long
            raise
        finally:
            imports.put_off_switches(conn, wait=pause)
