"""The household and its media server, as tests of the latter see them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_plex import row
from tests.support.household import Household
from wishlist_service.write_back.worker import WriteBack

PLAIN = row("1", "Plain")
BY_IMDB = row("2", "By imdb", Guid=[{"id": "imdb://tt0000222"}])
BY_TMDB = row("3", "By tmdb", Guid=[{"id": "tmdb://333"}])
SHOW = row("4", "Show", media_type="show", Guid=[{"id": "tvdb://444"}])
OLD_SHOW = row("5", "Old show", media_type="show", Guid=[{"id": "tvdb://555"}])
OLD_FILM = row("6", "Old film", Guid=[{"id": "imdb://tt0000666"}])
ABSENT = row("7", "Absent", Guid=[{"id": "tmdb://444"}, {"id": "tvdb://444"}])
WANTED = [PLAIN, BY_IMDB, BY_TMDB, SHOW, OLD_SHOW, OLD_FILM, ABSENT]
EVERYTHING_BUT = {film["title"]: film is not ABSENT for film in WANTED}
ELSEWHERE = "plex://movie/ffffffffffffffffffffffff"


@contextmanager
def running() -> Iterator[FakeMediaServer]:
    """A media server without libraries."""
    server = FakeMediaServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def fill(server: FakeMediaServer) -> None:
    """Two libraries that have all but one of WANTED, each known there in another way, beside others."""
    films, shows = server.library("movie", "Films"), server.library("show", "Shows")
    server.library("artist", "Music")
    server.library("movie", "Empty")
    for number in range(120):
        server.add_title(films, f"plex://movie/{number:024x}"[:-1] + "f", f"tmdb://{90_000 + number}")
    server.add_title(films, PLAIN["guid"])
    server.add_title(films, ELSEWHERE, "imdb://tt0000222", "tmdb://1")
    server.add_title(films, ELSEWHERE, "tmdb://333")
    server.add_title(films, "com.plexapp.agents.imdb://tt0000666?lang=en")
    server.add_title(films, "local://17")
    server.add_title(shows, "plex://show/ffffffffffffffffffffffff", "tvdb://444")
    server.add_title(shows, "com.plexapp.agents.thetvdb://555?lang=de")


def look(household: Household, server: FakeMediaServer, **settings: Any) -> None:
    """A turn of a scheduler, an hour after the last one."""
    household.conn.execute("UPDATE sync_state SET library_due_at = now()")
    look_again(household, server, **settings)


def look_again(household: Household, server: FakeMediaServer, **settings: Any) -> None:
    """A turn of a scheduler that has just started."""
    defaults: dict[str, Any] = {"plex_server_url": server.url, "plex_server_token": OWNER}
    config = replace(household.config, **defaults | settings)
    WriteBack(config, household.cipher, stop=threading.Event(), retry_seconds=0.01).turn()


def days_pass(household: Household) -> None:
    """What is there, and what is wanted, is so for days."""
    household.conn.execute("UPDATE wishlist_items SET available_since = '2026-01-01' WHERE available")
    household.conn.execute("UPDATE wishlist_item_sources SET first_added_at = '2026-01-01'")


def available(household: Household) -> dict[str, bool | None]:
    """Whether each title is in a library."""
    rows = household.conn.execute("SELECT title, available FROM wishlist_items ORDER BY title").fetchall()
    return {row["title"]: row["available"] for row in rows}
