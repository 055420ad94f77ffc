"""Looks, as tests have a scheduler make them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.support.fake_plex import row
from tests.support.household import Household, make_plex_client
from tests.support.processes import wait_until
from wishlist_service.sync.looks import Looks

ALPHA, BETA, GAMMA = row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma")
FILMS = [row(f"{n:x}", f"Film {n:02}") for n in range(16, 28)]
LIST = "/library/sections/watchlist/all"
INTERVAL = 0.2


@contextmanager
def looking(household: Household, **settings: Any) -> Iterator[threading.Event]:
    """The looks of a scheduler, every INTERVAL seconds, for the length of the block; yields what stops them."""
    stop = threading.Event()
    config = replace(household.config, **{"look_minutes": INTERVAL / 60} | settings)
    plex = make_plex_client(config, stop=stop, patient=True)
    thread = Looks(config, lambda: plex, household.cipher, stop=stop).start()
    assert thread
    try:
        yield stop
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def asked(household: Household, name: str = "Ann") -> int:
    return len(household.plex.requests_for(f"token-of-{name.lower()}-0123456789"))


def looked_at(household: Household, times: int, name: str = "Ann") -> None:
    """Wait until the person was looked at so many times more, and what the last look found is stored."""
    before = asked(household, name)
    wait_until(lambda: asked(household, name) >= before + times + 1)


def runs(household: Household) -> list[tuple[Any, ...]]:
    found = household.conn.execute("SELECT trigger, status, user_id FROM sync_runs ORDER BY id").fetchall()
    return [tuple(run.values()) for run in found]


def log_position(household: Household) -> str:
    found = household.conn.execute("SELECT pg_current_wal_insert_lsn()::text AS position").fetchone()
    assert found
    return found["position"]
