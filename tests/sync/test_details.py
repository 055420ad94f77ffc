"""What lists do not tell, facts and times of wishes: asked of Plex once, between the syncs."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_plex import Handler, row
from tests.support.fake_titles import Titles
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.questions import look
from tests.support.slow import slow
from wishlist_service.plex.rows import parse_details, parse_watchlisted_at
from wishlist_service.process.retries import retry_in
from wishlist_service.sync import details

ANN, BEN = "token-of-ann-0123456789", "token-of-ben-0123456789"

ALPHA, BETA, GAMMA = (row(key, title, Guid=[]) for key, title in (("a", "Alpha"), ("b", "Beta"), ("c", "Gamma")))


def item(household: Household, title: str) -> dict[str, Any]:
    found = household.conn.execute("SELECT * FROM wishlist_items WHERE title = %s", [title]).fetchone()
    assert found is not None
    return found


def due_in(household: Household, title: str) -> timedelta:
    return item(household, title)["details_due_at"] - datetime.now(UTC)


def test_summary_genres_and_missing_ids_are_told(household: Household, titles: Titles, api: FlaskClient) -> None:
    household.add("Ann", [ALPHA | {"Guid": [{"id": "imdb://tt1"}]}])
    titles.tell(
        ALPHA,
        summary="Two\nlines.",
        genres=("Drama", "Science Fiction", "drama"),
        Guid=[{"id": "imdb://tt2"}, {"id": "tmdb://22"}, {"id": "tvdb://222"}],
    )
    household.sync()

    look(household)

    found = api.get(f"/api/wishlist/{item(household, 'Alpha')['uid']}").json
    told = {name: found[name] for name in ("summary", "genres", "imdb_id", "tmdb_id", "tvdb_id")}
    assert told == {
        "summary": "Two lines.",
        "genres": ["Drama", "Science Fiction"],
        "imdb_id": "tt2",
        "tmdb_id": 22,
        "tvdb_id": 222,
    }
    assert api.get("/api/wishlist?genre=science%20fiction").json["total"] == 1


def test_title_is_asked_about_once_and_what_a_list_says_wins(household: Household, titles: Titles) -> None:
    ann = household.add("Ann", [ALPHA])
    titles.tell(ALPHA, summary="Told.", Guid=[{"id": "tmdb://22"}])
    household.sync()
    look(household, times=3)
    ann.rows = [ALPHA | {"Guid": [{"id": "tmdb://23"}]}, BETA]
    household.sync()

    look(household, times=3)

    assert titles.asked().count((ANN, ALPHA["ratingKey"])) == 1
    assert item(household, "Alpha")["tmdb_id"] == 23
    assert item(household, "Alpha")["summary"] == "Told."


def test_long_texts_and_many_genres_are_cut(household: Household, titles: Titles) -> None:
    household.add("Ann", [ALPHA])
    titles.tell(ALPHA, summary="x" * 9000, genres=(*(f"Genre {number}" for number in range(30)), "y" * 99))
    household.sync()

    look(household)

    found = item(household, "Alpha")
    assert len(found["summary"]) == 5000
    assert len(found["genres"]) == 20


def test_odd_record_gives_what_makes_sense(household: Household, titles: Titles) -> None:
    household.add("Ann", [ALPHA, BETA])
    titles.tell(ALPHA, summary="ok", Genre=["plain", {"tag": 5}, {"tag": " \x00 "}, {"tag": "Real"}], Guid="nonsense")
    titles.tell(BETA, summary=7, Genre="none")
    household.sync()

    look(household)

    assert (item(household, "Alpha")["summary"], item(household, "Alpha")["genres"]) == ("ok", ["Real"])
    assert (item(household, "Beta")["summary"], item(household, "Beta")["genres"]) == (None, [])
    assert due_in(household, "Beta") < timedelta(days=1)


COMPLETE = {"summary": "Told.", "genres": ("Drama",), "Guid": [{"id": "tmdb://22"}, {"id": "tvdb://33"}]}


def days_pass(household: Household, days: int) -> None:
    household.conn.execute(
        "UPDATE wishlist_items SET first_asked_at = first_asked_at - %(days)s * interval '1 day', "
        "details_due_at = details_due_at - %(days)s * interval '1 day'",
        {"days": days},
    )


def test_title_of_which_everything_is_known_is_asked_about_no_more(household: Household, titles: Titles) -> None:
    show = row("d", "Delta", media_type="show", Guid=[])
    household.add("Ann", [ALPHA, show])
    titles.tell(ALPHA, **COMPLETE)
    titles.tell(show, **COMPLETE)
    household.sync()

    look(household)

    assert item(household, "Alpha")["details_due_at"] is item(household, "Delta")["details_due_at"] is None


@pytest.mark.parametrize(
    ("lacks", "media_type"),
    [
        ({"summary": None}, "movie"),
        *slow(
            ({"genres": ()}, "movie"),
            ({"originallyAvailableAt": None}, "movie"),
            ({"Guid": [{"id": "imdb://tt1"}, {"id": "tvdb://33"}]}, "movie"),
            ({"Guid": [{"id": "imdb://tt1"}, {"id": "tmdb://22"}]}, "show"),
        ),
    ],
    ids=["summary", "genres", "date", "tmdb", "tvdb"],
)
def test_title_of_which_something_is_missing_is_asked_about_after_1_3_7_14_and_30_days_then_monthly(
    household: Household, titles: Titles, lacks: dict[str, Any], media_type: str
) -> None:
    late = row("e", "Late", media_type=media_type, Guid=[]) | {
        name: None for name in lacks if name == "originallyAvailableAt"
    }
    household.add("Ann", [late])
    titles.tell(late, **COMPLETE | {name: value for name, value in lacks.items() if name != "originallyAvailableAt"})
    household.sync()
    look(household)

    waits: list[int] = []
    for _ in range(8):
        wait = round(due_in(household, "Late") / timedelta(days=1))
        waits.append(wait)
        days_pass(household, wait)
        look(household)

    assert waits == [1, 2, 4, 7, 16, 30, 30, 30]
    assert len(titles.asked()) == 9


def test_what_plex_knows_later_is_told_later(household: Household, titles: Titles) -> None:
    household.add("Ann", [ALPHA])
    titles.tell(ALPHA)
    household.sync()
    look(household)
    titles.tell(ALPHA, **COMPLETE)
    days_pass(household, 1)

    look(household)

    assert item(household, "Alpha")["summary"] == "Told."
    assert item(household, "Alpha")["details_due_at"] is None


@pytest.mark.slow
def test_title_that_nobody_wants_any_more_is_asked_about_no_more(household: Household, titles: Titles) -> None:
    ann = household.add("Ann", [ALPHA])
    titles.tell(ALPHA)
    household.sync()
    look(household)
    ann.rows = []
    household.sync()
    days_pass(household, 40)

    look(household)

    assert len(titles.asked()) == 1


def test_title_that_plex_does_not_know_is_asked_about_again_days_later(household: Household, titles: Titles) -> None:
    household.add("Ann", [ALPHA, BETA])
    titles.tell(BETA, summary="Told.")
    household.sync()

    look(household, times=2)

    assert timedelta(hours=23) < due_in(household, "Alpha") < timedelta(days=1)
    assert item(household, "Beta")["summary"] == "Told."
    titles.tell(ALPHA, summary="At last.")
    household.conn.execute("UPDATE wishlist_items SET details_due_at = now() WHERE title = 'Alpha'")
    look(household)
    assert item(household, "Alpha")["summary"] == "At last."
    assert len(titles.asked()) == 3


@pytest.mark.parametrize(
    "fault",
    [
        status(500),
        status(401),
        *slow(
            status(200, body=b"<html>Sign in</html>"),
            status(200, body=b"[]", kind="application/json"),
            status(200, body=b'{"MediaContainer": {"Metadata": []}}', kind="application/json"),
        ),
    ],
)
def test_title_that_meets_trouble_is_put_off_and_stands_in_no_way(
    household: Household, titles: Titles, fault: Callable[[Handler], None]
) -> None:
    household.add("Ann", [ALPHA, BETA])
    titles.tell(BETA, summary="Told.")
    titles.faults[ALPHA["ratingKey"]] = fault
    household.sync()

    look(household, times=3)

    assert [key for _, key in titles.asked()].count(ALPHA["ratingKey"]) == 1
    assert due_in(household, "Alpha") < timedelta(0)  # so a new scheduler asks at once
    assert item(household, "Beta")["summary"] == "Told."


def test_what_failed_is_tried_again_after_minutes_and_then_hourly() -> None:
    waits = [retry_in(failures, jitter=1) / timedelta(minutes=1) for failures in range(1, 9)]

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.slow
def test_question_that_failed_waits_for_minutes_but_not_for_a_new_scheduler(
    household: Household, titles: Titles
) -> None:
    household.add("Ann", [ALPHA])
    titles.tell(ALPHA, summary="At last.")
    titles.faults[ALPHA["ratingKey"]] = status(400)
    household.sync()

    look(household, times=3)
    asked_by_the_first = len(titles.asked())
    titles.faults.clear()
    look(household)

    assert asked_by_the_first == 1
    assert item(household, "Alpha")["summary"] == "At last."


@pytest.mark.slow
def test_429_pauses_the_questions_and_no_sync(household: Household, titles: Titles) -> None:
    ann = household.add("Ann", [ALPHA, BETA])
    titles.next_faults.append(status(429, Retry_After="600"))
    household.sync()
    household.conn.execute("UPDATE sync_runs SET times_due = false")

    look(household, times=3)
    ann.rows = [GAMMA]

    assert len(titles.asked()) == 1
    assert household.sync().status == "succeeded"
    assert due_in(household, "Alpha") < timedelta(0)


@pytest.mark.slow
def test_portion_raises_the_generation_once(household: Household, titles: Titles) -> None:
    rows = [row(f"{number:x}", f"Film {number}") for number in range(1, 41)]
    household.add("Ann", rows)
    for each in rows:
        titles.tell(each, summary=each["title"])
    household.sync()
    household.conn.execute("UPDATE sync_runs SET times_due = false")
    household.conn.execute("CREATE TABLE bumps (at timestamptz DEFAULT clock_timestamp())")
    household.conn.execute(
        "CREATE RULE count_bumps AS ON UPDATE TO sync_state DO ALSO INSERT INTO bumps DEFAULT VALUES"
    )

    look(household)

    assert household.conn.execute("SELECT FROM wishlist_items WHERE summary = title").rowcount == 40
    assert household.conn.execute("SELECT FROM bumps").rowcount == 1


def test_look_asks_about_so_many_titles(household: Household, titles: Titles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "TITLES_A_LOOK", 2)
    household.add("Ann", [ALPHA, BETA, GAMMA])
    household.sync()

    look(household)

    assert len(titles.asked()) == 2


def test_token_that_does_not_work_is_not_used(household: Household, titles: Titles) -> None:
    household.add("Ann", [ALPHA, BETA])
    household.add("Ben", [ALPHA])
    household.sync()
    household.conn.execute("UPDATE plex_users SET sync_state = 'token_rejected' WHERE name = 'Ann'")

    look(household)

    assert titles.asked() == [(BEN, ALPHA["ratingKey"])]


def test_questions_end_when_a_list_is_to_be_read(household: Household, titles: Titles) -> None:
    household.add("Ann", [ALPHA, BETA, GAMMA])
    titles.tell(ALPHA, summary="Told.")
    household.sync()
    household.conn.execute("UPDATE sync_runs SET times_due = false")
    titles.before_answer = lambda _handler: household.conn.execute("UPDATE plex_users SET next_sync_at = now()")

    look(household)

    assert len(titles.asked()) == 1
    assert item(household, "Alpha")["summary"] == "Told."


def test_questions_end_when_the_program_stops_and_what_was_told_is_kept(household: Household, titles: Titles) -> None:
    household = replace(household, config=replace(household.config, page_pause_seconds=60))
    household.add("Ann", [ALPHA, BETA])
    household.sync()
    stop = threading.Event()
    stop.set()

    look(household, stop=stop)

    assert titles.asked() == titles.asked("/userState") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["tag", "id", "watchlistedAt"]) | st.text(), inner),
)


@pytest.mark.slow
@given(st.fixed_dictionaries({}, optional={"summary": JSON, "Genre": JSON, "Guid": JSON, "watchlistedAt": JSON}))
def test_nothing_that_plex_may_write_of_a_title_raises(raw: dict[str, Any]) -> None:
    found = parse_details(raw)

    assert len(found.genres) <= 20
    assert parse_watchlisted_at(raw) == parse_watchlisted_at([raw])
