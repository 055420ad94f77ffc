"""What came to the media server is told once, and only to those who waited for it."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.backups import dump_of, restore
from tests.support.fake_media_server import OWNER
from tests.support.fake_plex import row
from tests.support.libraries import Arrivals
from wishlist_service.write_back.worker import WriteBack

MATRIX = row("a1", "The Matrix", year=1999)
SEVERANCE = row("b2", "Severance", year=2022, media_type="show")
TOLD = "In the library now: The Matrix (1999). Ann has wanted it since 3 May."
MANY = [row(f"{number:x}", f"Film {number}", year=2000) for number in range(1, 23)]


def test_title_that_comes_is_told_once(home: Arrivals) -> None:
    home.want(Ann=[MATRIX], Ben=[MATRIX], Cleo=[])
    before = home.look()
    home.come(MATRIX)

    told = [home.look() for _ in range(3)]

    assert before == []
    assert told == [[f"{TOLD} Ben wants it too."], [], []]
    assert home.webhook.messages[-1]["title"] == "In the library now: The Matrix (1999)"


@pytest.mark.slow
def test_title_that_is_wanted_and_comes_between_two_looks_is_told(home: Arrivals) -> None:
    home.want(Ann=[row("c3", "Other")])
    home.look()
    home.want(Ben=[MATRIX])
    home.come(MATRIX)

    assert home.look() == ["In the library now: The Matrix (1999). Ben has wanted it since 3 May."]


@pytest.mark.slow
@pytest.mark.parametrize("looked_between", [True, False])
def test_what_was_there_before_it_was_wanted_is_not_told(home: Arrivals, looked_between: bool) -> None:
    home.want(Ann=[row("c3", "Other")])
    home.come(MATRIX)
    home.look()
    home.want(Ben=[MATRIX])
    told = home.look() if looked_between else []

    assert told + home.look() == []


def test_only_those_who_waited_are_told(home: Arrivals) -> None:
    home.want(Ann=[MATRIX])
    home.look()
    home.come(MATRIX, addedAt=1_700_000_000)
    home.household.add("Ben", [MATRIX])
    home.household.sync()

    told = home.look()

    wishers = home.household.conn.execute("SELECT user_id FROM arrival_wishers").fetchall()
    assert told == [f"{TOLD} Ben wants it too."]
    assert [wisher["user_id"] for wisher in wishers] == [home.household.user("Ann")["id"]]


def test_first_look_and_a_library_that_is_added_later_are_not_told(home: Arrivals) -> None:
    other = row("c3", "Other")
    home.want(Ann=[MATRIX, other])
    home.come(MATRIX)
    first = home.look()
    home.come(other, library=home.server.library("movie", "More films"))
    added = home.look()

    assert (first, added, home.look()) == ([], [], [])


@pytest.mark.slow
def test_library_with_the_key_of_another_one_is_a_new_library(home: Arrivals) -> None:
    home.want(Ann=[MATRIX])
    home.look()
    home.household.conn.execute("UPDATE library_sections SET id = 'of another server ' || id")
    home.come(MATRIX)

    assert home.look() == []


@pytest.mark.slow
@pytest.mark.parametrize("moved", [False, True])
def test_titles_that_a_scan_loses_or_that_move_are_not_told_again(home: Arrivals, moved: bool) -> None:
    more = home.server.library("movie", "More films")
    home.want(Ann=[MATRIX])
    home.look()
    home.come(MATRIX)
    first = home.look()
    home.leave(MATRIX)
    lost = home.look()
    home.come(MATRIX, library=more if moved else None)

    assert (first, lost, home.look()) == ([TOLD], [], [])


@pytest.mark.slow
def test_title_that_moves_between_two_looks_is_not_told_again(home: Arrivals) -> None:
    more = home.server.library("movie", "More films")
    home.want(Ann=[MATRIX])
    home.look()
    home.come(MATRIX)
    home.look()
    home.leave(MATRIX)
    home.come(MATRIX, library=more)

    assert home.look() == []


@pytest.mark.slow
def test_title_that_returns_after_30_days_is_told_again(home: Arrivals) -> None:
    home.want(Ann=[MATRIX])
    home.look()
    home.come(MATRIX)
    home.look()
    home.leave(MATRIX)
    home.look()
    home.months_pass()
    home.come(MATRIX)

    assert home.look() == [TOLD]


@pytest.mark.slow
def test_title_that_was_wanted_long_ago_and_is_there_now_is_not_told(home: Arrivals) -> None:
    other = row("c3", "Other")
    home.want(Ann=[MATRIX, other])
    home.look()
    ann = home.household.plex.people["token-of-ann-0123456789"]
    ann.rows = [other]
    home.household.sync()
    home.come(MATRIX)
    unwanted = home.look()
    ann.rows = [MATRIX, other]
    home.household.sync()

    assert (unwanted, home.look()) == ([], [])


@pytest.mark.slow
def test_title_that_gets_ids_later_is_found_and_not_told_if_it_was_there(home: Arrivals) -> None:
    bare = row("d4", "Bare", Guid=[])
    home.want(Ann=[bare])
    home.server.add_title(home.films, "local://1", "tmdb://77")
    home.look()
    home.household.conn.execute("UPDATE wishlist_records SET external_ids = '{tmdb://77}'")
    told = home.look()

    available = home.household.conn.execute("SELECT available FROM wishlist_items").fetchone()
    assert told == []
    assert available == {"available": True}


@pytest.mark.slow
def test_show_is_told_with_its_seasons_and_each_new_season_once(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE])
    home.look()
    home.come(SEVERANCE, childCount=2)
    came = home.look()
    home.grow(SEVERANCE, 3)
    grown = home.look()
    home.grow(SEVERANCE, 1)
    lost = home.look()
    home.grow(SEVERANCE, 3)
    found = home.look()
    home.grow(SEVERANCE, 5)

    assert came == ["In the library now: Severance (2022), 2 seasons. Ann has wanted it since 3 May."]
    season = "In the library now: a new season of Severance (2022), 3 seasons in all. Ann has wanted it since 3 May."
    assert grown == [season]
    assert (lost, found) == ([], [])
    assert home.look() == [
        "In the library now: 2 new seasons of Severance (2022), 5 seasons in all. Ann has wanted it since 3 May."
    ]


@pytest.mark.slow
def test_seasons_that_were_there_before_are_not_told(home: Arrivals) -> None:
    home.want(Ann=[SEVERANCE])
    home.come(SEVERANCE, childCount=2)
    first = home.look()
    home.grow(SEVERANCE, 3)

    assert first == []
    assert len(home.look()) == 1


@pytest.mark.slow
def test_several_titles_are_one_message(home: Arrivals) -> None:
    home.want(Ann=MANY)
    home.look()
    for film in MANY[:2]:
        home.come(film)
    two = home.look()
    for film in MANY[2:]:
        home.come(film)
    twenty = home.look()

    assert [len(message.splitlines()) for message in two] == [2]
    assert [len(message.splitlines()) for message in twenty] == [20]


@pytest.mark.slow
def test_more_than_20_titles_are_one_line_with_the_number_and_a_link(home: Arrivals) -> None:
    home.want(Ann=MANY)
    home.look()
    for film in MANY:
        home.come(film)

    [message] = home.look()

    assert message.startswith(
        "22 titles that the household wanted are in the library now: http://localhost:8000/arrived?since="
    )
    assert len(message.splitlines()) == 1


@pytest.mark.slow
def test_first_look_after_a_restore_is_not_told_nor_what_waited_before(home: Arrivals, tmp_path: Path) -> None:
    other = row("c3", "Other")
    home.want(Ann=[MATRIX, other])
    home.look()
    home.come(other)
    home.webhook.statuses.append(500)
    assert home.look() == []
    url = home.household.config.database_url
    dump = dump_of(url, tmp_path)
    home.come(MATRIX)
    home.teller.retry()
    told = home.look()

    restored, output = restore(url, dump, "--replace")
    home.teller.retry()
    after = home.look()
    home.leave(MATRIX)
    home.look()
    home.months_pass()
    home.come(MATRIX)

    assert (restored, told, after) == (0, [TOLD], []), output
    assert home.look() == [TOLD]


@pytest.mark.slow
def test_nobody_is_told_of_dismissed_titles_or_while_paused(home: Arrivals) -> None:
    other = row("c3", "Other")
    home.want(Ann=[MATRIX], Ben=[other])
    home.look()
    home.household.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE title = 'The Matrix'")
    home.household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Ben'")
    home.come(MATRIX)
    home.come(other)

    assert home.look() == []


@pytest.mark.slow
def test_message_waits_for_an_address_and_is_told_once_although_the_wish_has_ended(home: Arrivals) -> None:
    home.want(Ann=[MATRIX], Ben=[])
    home.look()
    home.come(MATRIX)
    home.webhook.statuses.append(500)
    refused = home.look()
    home.household.plex.people["token-of-ann-0123456789"].rows = [row("c3", "Other")]
    home.household.sync()
    home.teller.retry()
    home.teller.retry()

    assert refused == []
    assert [body for body in home.webhook.bodies if "library" in body] == [TOLD]


@pytest.mark.slow
def test_title_that_comes_during_a_look_that_fails_is_told_by_the_next(home: Arrivals) -> None:
    home.want(Ann=[MATRIX])
    home.look()
    home.come(MATRIX)
    failed = home.look(plex_server_token="wrong")

    assert failed == []
    assert home.look(plex_server_token=OWNER) == [TOLD]


@pytest.mark.slow
def test_wish_that_began_between_two_looks_of_one_scheduler_is_judged_by_the_last(home: Arrivals) -> None:
    config = replace(home.household.config, plex_server_url=home.server.url, plex_server_token=OWNER)
    worker = WriteBack(config, home.household.cipher, stop=threading.Event(), retry_seconds=0.01)
    home.household.add("Ann", [MATRIX])
    home.household.sync()
    for _ in range(2):
        home.household.conn.execute("UPDATE sync_state SET library_due_at = now()")
        worker._look_at = 0
        worker.turn()
    home.come(MATRIX, addedAt=1_700_000_000)
    home.household.conn.execute("UPDATE sync_state SET library_due_at = now()")
    worker._look_at = 0
    worker.turn()

    assert home.household.conn.execute("SELECT count(*) AS arrivals FROM library_arrivals").fetchone() == {
        "arrivals": 1
    }
