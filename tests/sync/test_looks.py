"""Looks: a change shows within an interval, and an unchanged list costs one request and no write."""

import threading
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household, context
from tests.support.looking import ALPHA, BETA, FILMS, INTERVAL, LIST, asked, looked_at, looking, runs
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from wishlist_service.plex import http
from wishlist_service.queries import looks as queries
from wishlist_service.sync import claims, looks
from wishlist_service.sync.looks import Looks


def test_addition_and_removal_show_at_the_next_look(household: Household) -> None:
    ann = household.add("Ann", [ALPHA])
    household.add("Ben", [ALPHA])
    household.sync()
    before = household.user("Ann")

    with looking(household):
        ann.rows = [BETA, ALPHA]
        wait_until(lambda: household.titles("Ann") == ["Alpha", "Beta"])
        ann.rows = [BETA]
        wait_until(lambda: household.titles("Ann") == ["Beta"])

    assert runs(household)[1:] == [("look", "succeeded", before["id"])] * 2
    after = household.user("Ann")
    assert (after["next_sync_at"], after["list_read_at"]) == (before["next_sync_at"], before["list_read_at"])
    stored = household.conn.execute("SELECT * FROM sync_runs WHERE trigger = 'look' ORDER BY id").fetchone()
    assert stored
    assert (stored["users_processed"], stored["new_items"], stored["total_items"], stored["errors"]) == (1, 1, 2, [])
    events = household.conn.execute("SELECT run_id FROM wishlist_events ORDER BY id DESC LIMIT 2").fetchall()
    assert {event["run_id"] for event in events} == {stored["id"], stored["id"] + 1}


def test_look_asks_for_page_1_with_the_known_etag_and_nothing_else(household: Household) -> None:
    household.add("Ann", [row(f"{n:x}", f"Film {n:03}") for n in range(1, 151)])
    household.sync()
    household.plex.asked.clear()

    with looking(household):
        looked_at(household, 3)

    known = household.user("Ann")["list_etag"]
    requests = household.plex.asked
    assert {(look.path, look.query["X-Plex-Container-Start"]) for look in requests} == {(LIST, "0")}
    assert {look.headers.get("If-None-Match") for look in requests} == {known}


def test_look_confirms_no_held_removal_and_a_full_read_does(household: Household) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()

    with looking(household):
        ann.rows = FILMS[:3]
        wait_until(lambda: household.user("Ann")["sync_state"] == "held")
        looked_at(household, 3)
        assert len(household.titles("Ann")) == len(FILMS)

    household.sync()
    assert len(household.titles("Ann")) == 3
    assert household.user("Ann")["sync_state"] == "ok"


@pytest.mark.slow
def test_other_removals_than_those_that_are_held_are_held_by_a_look_too(household: Household) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()

    with looking(household):
        ann.rows = FILMS[:3]
        wait_until(lambda: household.user("Ann")["sync_state"] == "held")
        held = household.user("Ann")["held_removals"]
        ann.rows = FILMS[:4]
        wait_until(lambda: household.user("Ann")["held_removals"] != held)

    assert len(household.titles("Ann")) == len(FILMS)


def test_look_that_finds_the_titles_back_ends_the_hold(household: Household) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    ann.rows = FILMS[:3]
    household.sync()
    assert household.user("Ann")["sync_state"] == "held"

    with looking(household):
        ann.rows = FILMS
        wait_until(lambda: household.user("Ann")["sync_state"] == "ok")

    assert len(household.titles("Ann")) == len(FILMS)
    assert runs(household)[-1][0] == "look"


@pytest.mark.slow
def test_rows_that_are_no_titles_make_a_look_remove_nothing(household: Household) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    odd = {"type": "movie", "title": "Without an id"}
    ann.rows = [odd, *FILMS]
    household.sync()
    household.conn.execute("UPDATE plex_users SET odd_rows_since = now() - interval '2 days'")

    with looking(household):
        ann.rows = [odd, *FILMS[1:]]
        wait_until(lambda: household.user("Ann")["sync_state"] == "held")
        looked_at(household, 2)

    assert len(household.titles("Ann")) == len(FILMS)
    assert household.user("Ann")["missed"] == []


def test_look_that_fails_is_a_change_of_state_and_tried_again_after_a_minute(household: Household) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()

    with looking(household):
        ann.always = status(404)
        wait_until(lambda: household.user("Ann")["sync_state"] == "plex_changed")
        count = asked(household)
        time.sleep(3 * INTERVAL)

        assert asked(household) == count  # the retry is a full read

    user = household.user("Ann")
    assert 47 < (user["next_sync_at"] - user["last_attempt_at"]).total_seconds() < 73
    assert runs(household)[1:] == [("look", "failed", user["id"])]


def test_list_that_ends_to_be_no_watchlist_is_found_by_a_look(household: Household) -> None:
    ann = household.add("Ann", [ALPHA])
    ann.always = status(403, body=b"{}", kind="application/json")
    household.sync()
    assert household.user("Ann")["sync_state"] == "no_watchlist"

    with looking(household):
        ann.always = None
        wait_until(lambda: household.titles("Ann") == ["Alpha"])

    assert household.user("Ann")["sync_state"] == "ok"


def test_nobody_is_looked_at_who_is_due_paused_or_fails(household: Household) -> None:
    for name in ("Ann", "Due", "Paused", "Never", "Failing", "Refused"):
        household.add(name, [ALPHA])
    household.sync()
    for name, change in {
        "Due": "next_sync_at = now()",
        "Paused": "active = false",
        "Never": "sync_state = 'never'",
        "Failing": "sync_state = 'unreachable'",
        "Refused": "sync_state = 'token_rejected'",
    }.items():
        household.conn.execute(f"UPDATE plex_users SET {change} WHERE name = '{name}'")  # type: ignore[arg-type]

    with looking(household):
        looked_at(household, 3)

    assert [asked(household, name) for name in ("Due", "Paused", "Never", "Failing", "Refused")] == [1] * 5


@pytest.mark.slow
def test_people_are_spread_over_the_interval_two_at_a_time(household: Household) -> None:
    names = [f"Person-{number}" for number in range(8)]
    for name in names:
        household.add(name, [ALPHA])
    household.sync()
    household.plex.asked.clear()
    household.plex.most_lists_at_a_time = 0
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        household.plex.people[f"token-of-{name.lower()}-0123456789"].before_page = lambda _start, name=name: times[
            name
        ].append(time.monotonic())

    with looking(household, look_minutes=2 / 60):
        wait_until(lambda: all(len(each) >= 4 for each in times.values()))

    assert household.plex.most_lists_at_a_time <= 2
    first = sorted(each[0] for each in times.values())
    assert first[-1] - first[0] > 1
    gaps = [later - sooner for each in times.values() for sooner, later in pairwise(each)]
    assert min(gaps) > 1.7


@pytest.mark.slow
def test_nobody_is_looked_at_during_a_cooldown(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_COOLDOWN_WITHOUT_HEADER_SECONDS", 3 * INTERVAL)
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name, [ALPHA])
    household.sync()
    slowed: list[float] = []
    after: list[float] = []
    people = list(household.plex.people.values())

    def slow_down(handler: Any) -> None:
        slowed.append(time.monotonic())
        status(429)(handler)

    with looking(household):
        looked_at(household, 1)
        for person in people:
            person.before_page = lambda _start: after.append(time.monotonic()) if slowed else None
        people[0].list_faults.append(slow_down)
        wait_until(lambda: len(slowed) == 1 and len(after) > 6)

    # one other may have been under way
    assert sum(moment < slowed[0] + 3 * INTERVAL - 0.1 for moment in after) <= 2
    assert household.user("Ann")["sync_state"] == "ok"


@pytest.mark.slow
def test_etag_that_lies_is_repaired_by_the_next_full_read(household: Household, plex: FakePlex) -> None:
    def lie(handler: Any) -> None:
        if handler.headers.get("If-None-Match"):
            handler.send_response(304)
            return handler.end_headers()
        return type(handler).watchlist(handler)

    ann = household.add("Ann", [ALPHA])
    household.sync()
    ann.rows = [BETA]
    plex.routes["GET", LIST] = lie

    with looking(household):
        looked_at(household, 2)
        assert household.titles("Ann") == ["Alpha"]
    household.conn.execute("UPDATE plex_users SET next_sync_at = now()")
    claimed = claims.claim_due(household.config)
    assert claimed
    looks_and_reads = household.run(claimed)

    assert (looks_and_reads.status, household.titles("Ann")) == ("succeeded", ["Beta"])


@pytest.mark.slow
def test_list_whose_etag_always_changes_leaves_no_run(household: Household, plex: FakePlex) -> None:
    serve = plex.routes["GET", LIST]
    number = [0]

    def forget(handler: Any) -> None:
        del handler.headers["If-None-Match"]
        number[0] += 1
        serve(handler)

    plex.routes["GET", LIST] = forget
    household.add("Ann", [ALPHA])
    household.sync()

    with looking(household):
        looked_at(household, 3)

    assert runs(household) == [("command", "succeeded", None)]


@pytest.mark.slow
def test_of_two_schedulers_one_looks_and_the_other_takes_over(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "TAKEN_OVER_WITHIN_SECONDS", 0.1)
    household.add("Ann", [ALPHA])
    household.sync()
    holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 8 AND granted"

    with looking(household) as one:
        looked_at(household, 1)
        first = household.conn.execute(holders).fetchall()
        with looking(household):
            looked_at(household, 3)
            assert household.conn.execute(holders).fetchall() == first
            one.set()
            wait_until(lambda: household.conn.execute(holders).fetchall() not in ([], first))
            looked_at(household, 2)


def test_connection_that_breaks_is_replaced(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "TAKEN_OVER_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr(looks, "AWAY_SECONDS", 0.1)
    ann = household.add("Ann", [ALPHA])
    household.sync()

    with looking(household):
        looked_at(household, 1)
        household.conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'plex-wishlist-looks%'"
        )
        ann.rows = [BETA]
        wait_until(lambda: household.titles("Ann") == ["Beta"])


def test_status_tells_of_looks_and_of_the_scheduler(api: FlaskClient, household: Household) -> None:
    for name in ("Ann", "Ben"):
        household.add(name, [ALPHA])
    household.sync()
    object.__setattr__(context(api), "config", replace(household.config, look_minutes=3))

    before = api.get("/api/sync/status").json
    with looking(household):
        wait_until(lambda: api.get("/api/sync/status").json["looked_at"] is not None)
        during = api.get("/api/sync/status").json
        wait_until(lambda: api.get("/api/sync/status").json["looked_at"] > during["looked_at"])
    wait_until(lambda: queries.get_scheduler(household.conn).scheduler == "stopped")
    after = api.get("/api/sync/status").json

    assert (before["look_minutes"], before["scheduler"], before["looked_at"]) == (3, "stopped", None)
    assert during["scheduler"] == "running"
    assert (after["scheduler"], after["looked_at"]) == ("stopped", None)


def test_looks_that_are_turned_off_ask_nothing(household: Household) -> None:
    config = replace(household.config, look_minutes=0)

    thread = Looks(config, lambda: household.plex_client, household.cipher, stop=threading.Event()).start()

    assert thread is None


def test_sync_that_is_asked_for_waits_for_a_look_and_is_done(api: FlaskClient, household: Household) -> None:
    go_on, reading = threading.Event(), threading.Event()
    ann = household.add("Ann", [ALPHA])
    household.add("Ben", [ALPHA])
    household.sync()

    def hold(_start: int) -> None:
        reading.set()
        go_on.wait(30)

    with looking(household):
        ann.before_page = hold
        assert reading.wait(30)
        reply = api.post("/api/sync?wait=0")
        assert (reply.status_code, reply.json["status"]) == (202, "waiting")
        go_on.set()
        wait_until(lambda: api.get(reply.headers["Location"]).json["status"] == "succeeded")

    assert api.get(reply.headers["Location"]).json["users_processed"] == 2
