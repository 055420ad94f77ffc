"""A failed read says why, disturbs nobody else and loses nothing; a list that shrinks too much is held."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_plex import Handler, row
from tests.support.household import Household, make_plex_client
from tests.support.plex_faults import cut_off, dripping, reset, retry_at, silent, status
from wishlist_service.tokens import TokenCipher

Fault = Callable[[Handler], None]

TITLES = [row(f"{n:x}", f"Film {n:02}") for n in range(1, 8)]


def a_synced_person(household: Household) -> Any:
    ann = household.add("Ann", TITLES)
    household.sync()
    ann.rows = []  # whatever goes wrong must not be taken for this
    return ann


@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (status(500, body=b"<h1>Oops</h1>"), "unreachable", "HTTP 500"),
        (status(503), "unreachable", "HTTP 503"),
        (status(520), "unreachable", "HTTP 520"),
        (reset, "unreachable", "connection failed"),
        (cut_off, "unreachable", "connection failed"),
        (status(404, body=b'{"Error": {}}', kind="application/json"), "plex_changed", "HTTP 404"),
        (status(400), "plex_changed", "HTTP 400"),
        (status(302, Location="https://example.test/"), "plex_changed", "HTTP 302"),
        (status(304), "plex_changed", "HTTP 304"),
        (status(200, body=b"<html>Please log in</html>"), "plex_changed", "not JSON"),
        (status(200, body=b'{"MediaContainer": {"totalSize": 0}}', kind="text/html"), "plex_changed", "not JSON"),
        (status(200, body=b" " * 21_000_000, kind="application/json"), "unreachable", "timed out"),
        (status(200, body=b"", kind="application/json"), "plex_changed", "not JSON"),
        (status(200, body=b'{"MediaContainer": {', kind="application/json"), "plex_changed", "not JSON"),
        (status(200, body=b"[" * 100_000, kind="application/json"), "plex_changed", "not JSON"),
        (status(200, body=b"<MediaContainer", kind="application/xml"), "plex_changed", "not JSON"),
        (status(200, body=b"<!DOCTYPE x><x/>", kind="application/xml"), "plex_changed", "not JSON"),
        (status(200, body=b"{}", kind="application/json"), "plex_changed", "no MediaContainer"),
        (status(200, body=b"[]", kind="application/json"), "plex_changed", "no MediaContainer"),
        (
            status(
                200, body=b'{"MediaContainer": {"totalSize": 0, "size": 0, "Metadata": 7}}', kind="application/json"
            ),
            "plex_changed",
            "Metadata is not a list",
        ),
        (status(200, body=b'{"MediaContainer": {"size": 0}}', kind="application/json"), "plex_changed", "totalSize"),
        (
            status(200, body=b'{"MediaContainer": {"totalSize": "\\u0000", "size": 0}}', kind="application/json"),
            "plex_changed",
            "totalSize",
        ),
        (status(401, body=b"{}", kind="application/json"), "plex_changed", "accepts the token but refuses"),
        (status(403, body=b"{}", kind="application/json"), "plex_changed", "accepts the token but refuses"),
    ],
)
def test_failed_read_removes_nothing_and_says_why(household: Household, fault: Fault, state: str, words: str) -> None:
    ann = a_synced_person(household)
    success_at = household.user("Ann")["last_success_at"]
    ann.always = fault
    household.conn.execute("UPDATE plex_users SET list_etag = NULL")

    run = household.sync()

    user = household.user("Ann")
    assert (run.status, run.users_processed) == ("failed", 0)
    assert (user["sync_state"], user["last_success_at"]) == (state, success_at)
    assert words in user["sync_detail"]
    assert run.errors == [{"user_id": user["id"], "name": "Ann", "state": state, "detail": user["sync_detail"]}]
    assert len(household.titles("Ann")) == 7


@pytest.mark.parametrize("fault", [dripping, silent(threading.Event())], ids=["dripping", "silent"])
def test_slow_answer_is_given_up(household: Household, fault: Fault) -> None:
    ann = a_synced_person(household)
    ann.list_faults.extend([fault] * 3)
    impatient = make_plex_client(replace(household.config, plex_timeout_seconds=0.1))

    run = household.sync(plex=impatient)

    assert run.status == "failed"
    assert "timed out" in household.user("Ann")["sync_detail"]
    assert len(household.titles("Ann")) == 7


def test_passing_failure_is_tried_again_and_leaves_no_trace(household: Household) -> None:
    ann = household.add("Ann", TITLES)
    ann.list_faults.extend([status(503), reset])

    run = household.sync()

    assert (run.status, run.items_fetched) == ("succeeded", 7)
    assert household.user("Ann")["sync_detail"] is None


def test_failed_person_disturbs_nobody_else(household: Household) -> None:
    household.add("Ann", TITLES).always = status(500)
    household.add("Ben", TITLES)

    run = household.sync()

    assert (run.status, run.users_processed, run.total_items) == ("partial", 1, 7)
    assert [error["name"] for error in run.errors] == ["Ann"]
    assert household.user("Ben")["sync_state"] == "ok"


def test_person_whose_merge_fails_unexpectedly_disturbs_nobody_else(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")])
    household.conn.execute("ALTER TABLE wishlist_items ADD CHECK (title <> 'Alpha')")

    run = household.sync()

    assert (run.status, run.errors[0]["state"]) == ("partial", "error")
    assert (household.titles("Ann"), household.titles("Ben")) == ([], ["Beta"])


def test_dead_token_is_rejected_then_left_alone_for_a_day_unless_asked_for(household: Household) -> None:
    ann = a_synced_person(household)
    dead = household.plex.people.pop(next(iter(household.plex.people)))
    household.sync()
    assert household.user("Ann")["sync_state"] == "token_rejected"
    household.plex.asked.clear()
    attempt_at = household.user("Ann")["last_attempt_at"]

    again = household.sync()

    assert household.plex.asked == []
    assert household.user("Ann")["last_attempt_at"] == attempt_at
    assert [error["state"] for error in again.errors] == ["token_rejected"]
    household.sync(user_id=household.user("Ann")["id"])
    assert household.plex.asked
    household.plex.asked.clear()
    household.conn.execute("UPDATE plex_users SET last_attempt_at = now() - interval '1 day'")
    household.sync()
    assert household.plex.asked
    assert len(household.titles("Ann")) == 7
    assert ann is dead


def test_refused_list_is_not_taken_for_a_dead_token_while_the_account_cannot_be_asked(household: Household) -> None:
    ann = a_synced_person(household)
    ann.always = status(401)
    ann.account_faults.extend([status(503)] * 3 + [status(403)])

    household.sync()
    first = household.user("Ann")["sync_state"]
    household.sync()

    assert (first, household.user("Ann")["sync_state"]) == ("unreachable", "unreachable")


@pytest.mark.parametrize("retry_after", ["1", "0", retry_at(1.5), retry_at(-60)], ids=["1", "0", "soon", "past"])
def test_short_rate_limit_is_waited_out(household: Household, retry_after: str) -> None:
    household.add("Ann", TITLES).list_faults.append(status(429, Retry_After=retry_after))

    run = household.sync()

    assert (run.status, run.items_fetched) == ("succeeded", 7)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry_After": "120"},
        {"Retry_After": "soon"},
        {},
        {"Retry_After": "9" * 30},
        {"Retry_After": "nan"},
        {"Retry_After": "-1"},
    ],
)
def test_long_rate_limit_stops_the_whole_process_from_asking(household: Household, headers: dict[str, str]) -> None:
    household.add("Ann", TITLES).always = status(429, body=b"Rate limit exceeded!", kind="text/plain", **headers)
    household.sync(user_id=household.user("Ann")["id"])
    household.add("Ben", TITLES)
    household.plex.asked.clear()

    run = household.sync()

    assert household.plex.asked == []
    assert [error["state"] for error in run.errors] == ["rate_limited", "rate_limited"]
    assert "the next request is sent after" in run.errors[1]["detail"]


def test_wrong_key_loses_nothing_and_the_right_one_mends_it_at_once(household: Household) -> None:
    household.add("Ann", TITLES)
    household.sync()
    right, household.cipher = household.cipher, TokenCipher(["another-passphrase-0123456789"])

    wrong = household.sync()

    assert (wrong.status, wrong.errors[0]["state"]) == ("failed", "token_unreadable")
    assert "TOKEN_ENCRYPTION_KEY" in wrong.errors[0]["detail"]
    assert len(household.titles("Ann")) == 7
    household.cipher = right
    assert household.sync().status == "succeeded"
    assert household.user("Ann")["sync_state"] == "ok"


def test_error_text_holds_neither_token_nor_address(household: Household) -> None:
    household.add("Ann", TITLES).always = reset

    detail = household.sync().errors[0]["detail"]

    assert "token-of-ann" not in detail
    assert "http" not in detail


def an_emptied_list(household: Household) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n:02}") for n in range(1, 8)])
    household.sync()
    ann.rows = []


def test_emptied_list_is_held_once_and_believed_the_second_time(household: Household) -> None:
    an_emptied_list(household)

    held = household.sync()

    user = household.user("Ann")
    assert (held.status, held.removed_items, household.results[0].outcome) == ("succeeded", 0, "held")
    assert (user["sync_state"], user["list_etag"]) == ("held", None)
    assert "7 of 7 titles are missing" in user["sync_detail"]
    assert len(household.titles("Ann")) == 7
    assert household.sync().removed_items == 7
    assert household.user("Ann")["sync_state"] == "ok"
    assert household.titles("Ann") == []


def test_additions_are_applied_while_removals_are_held(household: Household) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n:02}") for n in range(1, 13)])
    household.sync()
    ann.rows = [row("99", "Newcomer"), *ann.rows[:3]]

    run = household.sync()

    assert (run.new_items, run.removed_items) == (1, 0)
    assert household.user("Ann")["sync_state"] == "held"
    assert len(household.titles("Ann")) == 13


def test_held_read_does_not_count_as_having_seen_what_it_missed(household: Household) -> None:
    an_emptied_list(household)
    success_at = household.user("Ann")["last_success_at"]

    household.sync()

    assert household.user("Ann")["last_success_at"] == success_at
    assert household.user("Ann")["last_attempt_at"] - success_at > timedelta(0)


def test_row_that_became_unreadable_does_not_remove_its_item(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma")])
    household.sync()
    ann.rows = [row("1", "", year=None), row("2", "Beta"), row("9", "No type", media_type="clip")]

    run = household.sync()

    assert (run.status, run.removed_items) == ("succeeded", 1)
    assert household.titles("Ann") == ["Alpha", "Beta"]


def test_nothing_is_removed_while_a_row_does_not_even_say_what_it_is(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    ann.rows = [{"title": "Alpha"}, row("2", "Beta")]

    household.sync()
    household.sync()

    assert household.user("Ann")["sync_state"] == "held"
    assert household.titles("Ann") == ["Alpha", "Beta"]
