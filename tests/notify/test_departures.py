"""Titles and seasons that leave the media server, return or change their ids are told neither twice nor never."""

import threading
import time
from dataclasses import replace

import pytest

from tests.support.fake_media_server import OWNER
from tests.support.fake_plex import Row, row
from tests.support.household import token_of
from tests.support.libraries import Arrivals
from wishlist_service.write_back.worker import WriteBack

MATRIX = row("a1", "The Matrix", year=1999)
SEVERANCE = row("b2", "Severance", year=2022, media_type="show")
OTHER = row("c3", "Other")
OTHER_SHOW = row("c4", "Other show", media_type="show")
TOLD = "In the library now: The Matrix (1999). Ann has wanted it since 3 May."


def change(home: Arrivals, name: str, *rows: Row) -> None:
    """A person has another watchlist now."""
    home.household.plex.people[token_of(name)].rows = list(rows)
    home.household.sync()


def wishers(home: Arrivals) -> list[str]:
    """Who is told of arrivals."""
    found = home.household.conn.execute("""
        SELECT person.name
          FROM arrival_wishers
          JOIN plex_users AS person ON person.id = user_id
      ORDER BY arrival_id, person.id
        """)
    return [wisher["name"] for wisher in found.fetchall()]


@pytest.mark.slow
def test_title_that_left_while_nobody_wanted_it_is_told_when_it_returns_after_a_year(home: Arrivals) -> None:
    home.want(Ann=[MATRIX, OTHER], Ben=[OTHER])
    home.look()
    home.come(MATRIX)
    first = home.look()
    change(home, "Ann", OTHER)
    home.look()
    home.leave(MATRIX)
    home.look()
    home.months_pass()
    change(home, "Ben", OTHER, MATRIX)
    wanted = home.look()
    home.come(MATRIX)

    assert (first, wanted) == ([TOLD], [])
    assert len(home.look()) == 1
    assert wishers(home) == ["Ann", "Ben"]


@pytest.mark.slow
def test_title_that_a_scan_loses_while_nobody_wants_it_for_a_moment_is_not_told_again(home: Arrivals) -> None:
    home.want(Ann=[MATRIX, OTHER])
    home.look()
    home.come(MATRIX)
    first = home.look()
    home.leave(MATRIX)
    change(home, "Ann", OTHER)
    home.look()
    change(home, "Ann", OTHER, MATRIX)
    home.look()
    home.come(MATRIX)

    assert (first, home.look()) == ([TOLD], [])


def test_season_that_comes_while_a_scan_has_lost_its_show_is_told(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE])
    home.come(SEVERANCE, childCount=2)
    home.look()
    home.leave(SEVERANCE)
    lost = home.look()
    home.come(SEVERANCE, childCount=3)

    assert lost == []
    assert home.look() == [
        "In the library now: a new season of Severance (2022), 3 seasons in all. Ann has wanted it since 3 May."
    ]


@pytest.mark.slow
def test_season_of_a_show_that_gets_new_ids_before_the_look_is_told(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE])
    home.come(SEVERANCE, childCount=2)
    home.look()
    home.grow(SEVERANCE, 3)
    home.household.conn.execute("UPDATE wishlist_records SET external_ids = '{tvdb://77}'")
    grown = home.look()

    assert len(grown) == 1
    assert home.look() == []


@pytest.mark.slow
def test_copy_that_only_new_ids_find_brings_no_new_seasons(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE])
    home.come(SEVERANCE, childCount=2)
    home.server.add_title(home.shows, "local://9", "tvdb://77", childCount=5)
    home.look()
    home.household.conn.execute("UPDATE wishlist_records SET external_ids = '{tvdb://77}'")
    home.household.conn.execute("UPDATE wishlist_records SET uid = 'plex://show/' || right(uid, 24)")

    assert home.look() == []


@pytest.mark.slow
def test_show_that_returns_smaller_after_30_days_is_told_as_it_grows(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE, OTHER_SHOW])
    home.come(SEVERANCE, childCount=4)
    home.look()
    home.leave(SEVERANCE)
    home.look()
    home.months_pass()
    home.come(SEVERANCE, childCount=1)
    returned = home.look()
    home.grow(SEVERANCE, 2)
    grown = home.look()

    assert (len(returned), len(grown)) == (1, 1)
    assert "a new season of Severance (2022), 2 seasons in all" in grown[0]


@pytest.mark.slow
def test_title_whose_records_join_while_a_scan_has_lost_it_is_not_told_again(home: Arrivals) -> None:
    bare = row("1b", "Lantern", year=2001, Guid=[])
    known = row("2a", "Lantern", year=2001, Guid=[{"id": "tmdb://101"}])
    home.want(Ben=[bare])
    home.want(Ann=[known])
    home.look()
    home.come(known)
    first = home.look()
    home.leave(known)
    home.look()
    change(home, "Ben", row("1b", "Lantern", year=2001, Guid=[{"id": "tmdb://101"}]))
    home.household.conn.execute("UPDATE wishlist_records SET external_ids = '{tmdb://101}'")
    home.household.sync()
    joined = home.look()
    home.come(known)

    assert home.household.conn.execute("SELECT FROM wishlist_items").rowcount == 1
    assert (len(first), joined, home.look()) == (1, [], [])


@pytest.mark.slow
@pytest.mark.parametrize("is_show", [True, False])
def test_who_wants_it_after_the_last_look_is_not_told_what_has_no_time(home: Arrivals, is_show: bool) -> None:
    title = SEVERANCE if is_show else MATRIX
    home.want(Ann=[title])
    if is_show:
        home.come(title, childCount=2)
    home.look()
    if is_show:
        home.grow(title, 3)
    else:
        home.come(title, addedAt=None)
    home.household.add("Ben", [title])
    home.household.sync()

    home.look()

    assert wishers(home) == ["Ann"]


@pytest.mark.slow
def test_after_a_restart_the_last_look_at_libraries_of_the_same_kind_counts(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE], Ben=[])
    home.come(SEVERANCE, childCount=2)
    home.look()
    home.household.conn.execute(
        "UPDATE library_sections SET read_at = read_at - interval '1 hour' WHERE id = 'uuid-of-1'"
    )
    change(home, "Ben", SEVERANCE)
    home.household.conn.execute("UPDATE library_sections SET read_at = now() WHERE id = 'uuid-of-2'")
    home.grow(SEVERANCE, 3)

    home.look()

    assert wishers(home) == ["Ann", "Ben"]


@pytest.mark.slow
def test_who_wants_it_after_it_came_is_not_told_although_the_server_did_not_tell_the_change(home: Arrivals) -> None:
    home.want(Ann=[MATRIX])
    config = replace(home.household.config, plex_server_url=home.server.url, plex_server_token=OWNER)
    worker = WriteBack(config, home.household.cipher, stop=threading.Event(), retry_seconds=0.01)

    def look() -> None:
        home.household.conn.execute("UPDATE sync_state SET library_due_at = now()")
        worker._look_at = 0
        worker.turn()

    look()
    # the times of the server are whole seconds, so what follows happens an hour after that look
    home.household.conn.execute("UPDATE library_sections SET read_at = read_at - interval '1 hour'")
    unchanged = home.films.changed_at()
    home.come(MATRIX, addedAt=int(time.time()) - 1800)
    home.films.changed_at = lambda: unchanged  # type: ignore[method-assign]
    home.household.add("Ben", [MATRIX])
    home.household.sync()
    look()
    home.household.conn.execute("UPDATE sync_state SET library_whole_at = library_whole_at - interval '25 hours'")
    look()

    assert wishers(home) == ["Ann"]
