"""How the client waits: between pages, between tries, after being asked to slow down."""

import threading
from dataclasses import replace

import pytest

from tests.support.fake_plex import FakePlex, row
from tests.support.household import make_plex_client
from tests.support.plex_faults import status
from wishlist_service.config import Config
from wishlist_service.errors import Unreachable

TOKEN = "token-of-the-test-0123456789"


class Recorder(threading.Event):
    """An event that notes how long it was waited for and waits not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return self.is_set()


def test_pause_between_pages_is_kept_but_none_after_the_last(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN, rows=[row(f"{n:x}", f"Film {n}") for n in range(1, 251)])
    stop = Recorder()

    make_plex_client(replace(config, page_pause_seconds=1.5), stop=stop).watchlist(TOKEN)

    assert stop.waits == [1.5, 1.5]


def test_waits_between_tries_grow_and_vary(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN).always = status(503)
    first: set[float] = set()
    for _ in range(8):
        stop = Recorder()
        with pytest.raises(Unreachable):
            make_plex_client(config, stop=stop, retry_seconds=1).watchlist(TOKEN)

        assert len(stop.waits) == 2
        assert 0.5 <= stop.waits[0] <= 1.5
        assert 1 <= stop.waits[1] <= 3
        first.add(stop.waits[0])
    assert len(first) > 1


def test_no_further_try_once_told_to_stop(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN).always = status(503)
    stop = Recorder()
    stop.set()

    with pytest.raises(Unreachable):
        make_plex_client(config, stop=stop).watchlist(TOKEN)

    assert len(plex.asked) == 1


def test_being_told_to_come_back_at_once_is_no_leave_to_hammer(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN).list_faults.extend([status(429, Retry_After="0")])
    stop = Recorder()

    make_plex_client(config, stop=stop, retry_seconds=2).watchlist(TOKEN)

    assert len(stop.waits) == 1
    assert 1.5 < stop.waits[0] <= 2


def test_identifier_is_sent_with_every_request(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN)
    client = make_plex_client(config, client_identifier="the-one")

    client.watchlist(TOKEN)
    client.account(TOKEN)

    assert [asked.headers["X-Plex-Client-Identifier"] for asked in plex.asked] == ["the-one", "the-one"]
