"""When people added their wishes: asked for each new wish."""

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.fake_titles import Titles
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.questions import look
from tests.support.slow import slow

ANN, BEN = "token-of-ann-0123456789", "token-of-ben-0123456789"

ALPHA, BETA, GAMMA = (row(key, title, Guid=[]) for key, title in (("a", "Alpha"), ("b", "Beta"), ("c", "Gamma")))


KNOWN_ALPHA, KNOWN_BETA, KNOWN_GAMMA = (
    row(key, title) for key, title in (("a", "Alpha"), ("b", "Beta"), ("c", "Gamma"))
)


def times(household: Household) -> dict[str, datetime | None]:
    """When each title was put on a list, as stored."""
    rows = household.conn.execute(
        "SELECT title, watchlisted_at FROM wishlist_items JOIN wishlist_item_sources ON item_id = id"
    )
    return {found["title"]: found["watchlisted_at"] for found in rows}


@pytest.mark.parametrize(("told", "as_list"), [(1786900000, False), *slow(("1786900000", True))])
def test_time_of_a_new_wish_is_stored(
    household: Household, titles: Titles, api: FlaskClient, told: Any, as_list: bool
) -> None:
    household.add("Ann", [KNOWN_ALPHA])
    titles.added(ANN, KNOWN_ALPHA, told, as_list=as_list)
    household.sync()

    look(household, times=2)

    assert times(household) == {"Alpha": datetime(2026, 8, 16, 17, 6, 40, tzinfo=UTC)}
    assert api.get("/api/wishlist").json["items"][0]["wanted_by"][0]["watchlisted_at"] == "2026-08-16T17:06:40Z"
    assert titles.asked("/userState") == [(ANN, KNOWN_ALPHA["ratingKey"])]


@pytest.mark.parametrize("told", [None, 0, *slow(-5, "soon", 10**15, True, 1.5, {})])
def test_time_that_makes_no_sense_stays_unknown(household: Household, titles: Titles, told: Any) -> None:
    household.add("Ann", [KNOWN_ALPHA])
    titles.added(ANN, KNOWN_ALPHA, told)
    household.sync()

    look(household, times=2)

    assert times(household) == {"Alpha": None}
    assert len(titles.asked("/userState")) == 1


def test_failures_are_ignored_and_the_next_wish_is_asked_about(household: Household, titles: Titles) -> None:
    household.add("Ann", [KNOWN_ALPHA, KNOWN_BETA, KNOWN_GAMMA])
    titles.added(ANN, KNOWN_GAMMA, 1786900000)
    titles.faults[KNOWN_BETA["ratingKey"]] = status(500)
    household.sync()

    look(household)

    assert [key for _, key in titles.asked("/userState")] == [
        each["ratingKey"] for each in (KNOWN_ALPHA, KNOWN_BETA, KNOWN_GAMMA)
    ]
    assert [title for title, time in times(household).items() if time] == ["Gamma"]


def test_429_ends_the_questions_about_a_run(household: Household, titles: Titles) -> None:
    household.add("Ann", [KNOWN_ALPHA, KNOWN_BETA])
    titles.next_faults.append(status(429, Retry_After="0"))
    household.sync()

    look(household)
    look(household)

    assert len(titles.asked("/userState")) == 1


@pytest.mark.slow
def test_newest_20_of_a_run_are_asked_about(household: Household, titles: Titles) -> None:
    rows = [row(f"{number:x}", f"Film {number}") for number in range(1, 31)]
    ann = household.add("Ann", rows)
    household.sync()
    look(household)
    new = row("ff", "New")
    ann.rows = [new, *rows]
    household.sync()

    look(household)

    keys = [key for _, key in titles.asked("/userState")]
    assert keys == [each["ratingKey"] for each in [*rows[:20], new]]


def test_each_person_is_asked_about_with_their_own_token(household: Household, titles: Titles) -> None:
    household.add("Ann", [KNOWN_ALPHA])
    household.add("Ben", [KNOWN_ALPHA])
    household.sync()

    look(household)

    assert sorted(titles.asked("/userState")) == [(ANN, KNOWN_ALPHA["ratingKey"]), (BEN, KNOWN_ALPHA["ratingKey"])]


@pytest.mark.slow
def test_wish_that_came_back_has_another_time(household: Household, titles: Titles) -> None:
    ann = household.add("Ann", [KNOWN_ALPHA])
    titles.added(ANN, KNOWN_ALPHA, 1786900000)
    household.sync()
    look(household)
    ann.rows = []
    household.sync()
    ann.rows = [KNOWN_ALPHA]
    household.sync()
    before = times(household)
    titles.added(ANN, KNOWN_ALPHA, 1786900001)

    look(household)

    assert before == {"Alpha": None}
    assert times(household) == {"Alpha": datetime(2026, 8, 16, 17, 6, 41, tzinfo=UTC)}


def test_what_was_cut_short_is_asked_at_the_next_look(household: Household, titles: Titles) -> None:
    household.add("Ann", [KNOWN_ALPHA, KNOWN_BETA])
    for each in (KNOWN_ALPHA, KNOWN_BETA):
        titles.added(ANN, each, 1786900000)
    household.sync()
    titles.before_answer = lambda _handler: household.conn.execute("UPDATE plex_users SET next_sync_at = now()")
    look(household)
    titles.before_answer = lambda _handler: None
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '1 hour'")

    look(household)

    assert len(titles.asked("/userState")) == 2
    assert all(times(household).values())
