"""A failed read says why, disturbs nobody else and loses nothing; a list that shrinks too much is held."""

import gzip
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_plex import Handler, row
from tests.support.household import Household, make_plex_client
from tests.support.plex_faults import cut_off, dripping, reset, retry_at, silent, status, unfinished
from tests.support.slow import slow
from wishlist_service.queries import clocks
from wishlist_service.sync import claims
from wishlist_service.tokens import TokenCipher

Fault = Callable[[Handler], None]

PACKED = gzip.compress(b'{"MediaContainer": {"totalSize": 0, "size": 0, "title": "A list of nothing at all"}}')

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
        (reset, "unreachable", "connection failed"),
        (status(404, body=b'{"Error": {}}', kind="application/json"), "plex_changed", "HTTP 404"),
        (status(200, body=b"<html>Please log in</html>"), "plex_changed", "not JSON"),
        *slow(
            (status(503), "unreachable", "HTTP 503"),
            (status(520), "unreachable", "HTTP 520"),
            (cut_off, "unreachable", "cut short"),
            (unfinished(b'{"MediaContainer": {"totalSize": 0, "title": "{}}}'), "unreachable", "cut short"),
            (unfinished(b'{"MediaContainer": {"totalSize": 0, "size": 0}'), "unreachable", "cut short"),
            (unfinished(b""), "unreachable", "cut short"),
            (unfinished(b'<MediaContainer totalSize="0" siz', kind="application/xml"), "unreachable", "cut short"),
            (unfinished(b'<MediaContainer totalSize="0">', kind="application/xml"), "unreachable", "cut short"),
            (unfinished(PACKED[: len(PACKED) // 2], Content_Encoding="gzip"), "unreachable", "cut short"),
            (
                status(200, body=PACKED[: len(PACKED) // 2], kind="application/json", Content_Encoding="gzip"),
                "unreachable",
                "cut short",
            ),
            (unfinished(b"<html>Please log", kind="text/html"), "plex_changed", "not JSON"),
            (unfinished(b"Please log in"), "plex_changed", "not JSON"),
            (status(400), "plex_changed", "HTTP 400"),
            (status(302, Location="https://example.test/"), "plex_changed", "HTTP 302"),
            (status(304), "plex_changed", "HTTP 304"),
            (status(200, body=b'{"MediaContainer": {"totalSize": 0}}', kind="text/html"), "plex_changed", "not JSON"),
            (status(200, body=b" " * 21_000_000, kind="application/json"), "plex_changed", "more than 2 MB"),
            (status(200, body=b"", kind="application/json"), "plex_changed", "not JSON"),
            (status(200, body=b'{"MediaContainer": {', kind="application/json"), "plex_changed", "not JSON"),
            (status(200, body=b"[" * 100_000, kind="application/json"), "plex_changed", "more deeply nested"),
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
            (
                status(200, body=b'{"MediaContainer": {"size": 0}}', kind="application/json"),
                "plex_changed",
                "totalSize",
            ),
            (
                status(200, body=b'{"MediaContainer": {"totalSize": "\\u0000", "size": 0}}', kind="application/json"),
                "plex_changed",
                "totalSize",
            ),
            (status(401, body=b"{}", kind="application/json"), "plex_changed", "accepts the token but refuses"),
            (status(402, body=b"{}", kind="application/json"), "plex_changed", "accepts the token but refuses"),
            (status(422, body=b"{}", kind="application/json"), "plex_changed", "accepts the token but refuses"),
            (status(498, body=b"{}", kind="application/json"), "plex_changed", "accepts the token but refuses"),
        ),
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


@pytest.mark.slow
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


@pytest.mark.parametrize("fault", [cut_off, *slow(unfinished(b'{"MediaContainer": {'))], ids=["length", "no length"])
def test_answer_that_was_cut_short_is_asked_for_again(household: Household, fault: Fault) -> None:
    household.add("Ann", TITLES).list_faults.extend([fault] * 2)

    assert household.sync().status == "succeeded"
    assert len(household.titles("Ann")) == 7


@pytest.mark.parametrize("account", [401, *slow(498)])
@pytest.mark.parametrize("refusal", [401, *slow(400, 402, 403, 422, 498)])
def test_refused_list_is_a_refused_token_if_the_account_is_refused_too(
    household: Household, refusal: int, account: int
) -> None:
    ann = a_synced_person(household)
    ann.always = status(refusal, body=b'{"errors": [{"code": 1111, "message": "No", "status": 0}]}')
    ann.account_status = account

    run = household.sync()

    assert (run.status, household.user("Ann")["sync_state"]) == ("failed", "token_rejected")
    assert "no longer accepts this token" in household.user("Ann")["sync_detail"]
    assert len(household.titles("Ann")) == 7


def a_person_without_a_watchlist(household: Household) -> Any:
    ann = a_synced_person(household)
    ann.always = status(403, body=b"{}", kind="application/json")
    household.conn.execute("UPDATE plex_users SET list_etag = NULL")
    return ann


def test_account_without_a_watchlist_fails_no_run(household: Household) -> None:
    a_person_without_a_watchlist(household)

    run = household.sync()

    user = household.user("Ann")
    assert (run.status, run.errors, user["sync_state"]) == ("succeeded", [], "no_watchlist")
    assert user["sync_detail"] == ("This account has no watchlist: Discover is turned off, as for managed profiles.")
    assert len(household.titles("Ann")) == 7
    summary = household.conn.execute("SELECT count(*) AS n FROM sync_state_changes").fetchone()
    assert summary == {"n": 0}


@pytest.mark.slow
def test_account_without_a_watchlist_is_asked_again_at_the_next_full_read(household: Household) -> None:
    ann = a_person_without_a_watchlist(household)

    household.sync()

    user = household.user("Ann")
    assert timedelta(hours=5.4) <= user["next_sync_at"] - user["last_attempt_at"] <= timedelta(hours=6.6)
    ann.always, ann.rows = None, TITLES[:6]
    household.sync()
    assert (household.user("Ann")["sync_state"], len(household.titles("Ann"))) == ("ok", 6)


def due_in(household: Household) -> timedelta:
    user = household.user("Ann")
    return user["next_sync_at"] - user["last_attempt_at"]


def later(household: Household, minutes: int) -> None:
    household.conn.execute(
        "UPDATE plex_users SET token_refused_at = token_refused_at - %s * interval '1 minute'", [minutes]
    )


@pytest.mark.parametrize("hours", [0.01, *slow(6, 8760)])
def test_refused_token_is_tried_after_10_minutes_and_then_once_a_day(household: Household, hours: float) -> None:
    household.config = replace(household.config, sync_interval_hours=hours)
    ann = a_synced_person(household)
    ann.always, ann.account_status = status(401), 401

    household.sync()
    assert (household.user("Ann")["sync_state"], due_in(household)) == ("token_rejected", timedelta(minutes=10))
    later(household, minutes=4)
    household.sync()
    user = household.user("Ann")
    assert user["next_sync_at"] - user["token_refused_at"] == timedelta(minutes=10)
    for _ in range(2):
        later(household, minutes=10)
        household.sync()
        assert due_in(household) == timedelta(days=1)
    assert len(household.titles("Ann")) == 7

    ann.always, ann.account_status, ann.rows = None, 200, TITLES
    assert household.sync().status == "succeeded"
    assert household.user("Ann")["token_refused_at"] is None


def test_sync_that_is_started_by_hand_always_asks(household: Household) -> None:
    ann = a_synced_person(household)
    ann.always, ann.account_status = status(401), 401

    for _ in range(3):
        household.plex.asked.clear()
        assert household.sync().errors[0]["state"] == "token_rejected"
        assert household.plex.asked


@pytest.mark.slow
def test_scheduled_run_takes_no_refused_token_along_that_is_due_a_little_later(household: Household) -> None:
    ann = a_synced_person(household)
    household.add("Ben", TITLES)
    ann.always, ann.account_status = status(401), 401
    household.sync()
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() WHERE name = 'Ben'")
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '1 minute' WHERE name = 'Ann'")

    claimed = claims.claim_due(household.config)

    assert claimed is not None
    with claimed.conn:
        assert [user.name for user in claimed.people] == ["Ben"]


@pytest.mark.slow
def test_longer_waits_of_refused_tokens_are_not_brought_forward(household: Household) -> None:
    ann = a_synced_person(household)
    ann.always, ann.account_status = status(401), 401
    household.sync()
    later(household, minutes=10)
    household.sync()

    moved = clocks.bring_forward(household.conn, interval=timedelta(hours=6))

    assert (moved, due_in(household)) == (0, timedelta(days=1))


@pytest.mark.slow
def test_refused_list_is_not_taken_for_a_dead_token_while_the_account_cannot_be_asked(household: Household) -> None:
    ann = a_synced_person(household)
    ann.always = status(401)
    ann.account_faults.extend([status(503)] * 3 + [status(403)])

    household.sync()
    first = household.user("Ann")["sync_state"]
    household.sync()

    assert (first, household.user("Ann")["sync_state"]) == ("unreachable", "unreachable")


@pytest.mark.parametrize("retry_after", ["1", *slow("0", retry_at(1.5), retry_at(-60))], ids=["1", "0", "soon", "past"])
def test_short_rate_limit_is_waited_out(household: Household, retry_after: str) -> None:
    household.add("Ann", TITLES).list_faults.append(status(429, Retry_After=retry_after))

    run = household.sync()

    assert (run.status, run.items_fetched) == ("succeeded", 7)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry_After": "120"},
        {"Retry_After": "soon"},
        *slow({}, {"Retry_After": "9" * 30}, {"Retry_After": "nan"}, {"Retry_After": "-1"}),
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
    assert "asks to slow down" in run.errors[1]["detail"]


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
