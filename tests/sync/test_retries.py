"""After a failure a list is tried again within minutes, and after a request to slow down as soon as Plex allows it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import Handler, Person, row
from tests.support.household import Household, make_plex_client
from tests.support.plex_faults import retry_at, status
from tests.support.slow import slow
from wishlist_service.models import SyncRun
from wishlist_service.plex import http
from wishlist_service.queries import sync_users
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync

TITLES = [row(f"{n:x}", f"Film {n:02}") for n in range(1, 8)]
WAITS = [1, 2, 4, 8, 16, 32, 60, 60, 60]
"""Minutes until the next try, after so many failures."""


def due_in(household: Household, name: str = "Ann") -> timedelta:
    user = household.user(name)
    return user["next_sync_at"] - user["last_attempt_at"]


def set_user(household: Household, name: str, **values: Any) -> None:
    for column, value in values.items():
        household.conn.execute(f"UPDATE plex_users SET {column} = %s WHERE name = %s", [value, name])  # type: ignore[arg-type]


def make_due(household: Household) -> None:
    household.conn.execute("UPDATE plex_users SET next_sync_at = now()")


def sync_due(household: Household) -> SyncRun:
    """One run of a scheduler, in this process, which waits patiently."""
    claimed = claims.claim_due(household.config)
    assert claimed
    plex = make_plex_client(household.config, patient=True)
    return run_sync(claimed, plex, household.cipher, stop=threading.Event())


def cannot_be_stored(household: Household) -> None:
    household.conn.execute("ALTER TABLE wishlist_items ADD CHECK (title NOT LIKE 'Film%')")


@pytest.mark.parametrize("failures", [0, 8, *slow(*range(1, 8))])
def test_time_of_the_next_try_depends_on_how_many_failed_in_a_row(household: Household, failures: int) -> None:
    household.add("Ann").always = status(404)
    set_user(household, "Ann", failures=failures)

    household.sync()

    minutes = WAITS[failures]
    assert timedelta(minutes=minutes * 0.8) <= due_in(household) <= timedelta(minutes=minutes * 1.2)
    assert household.user("Ann")["failures"] == failures + 1


@pytest.mark.parametrize("state", ["unreachable", "plex_changed", *slow("rate_limited", "error")])
def test_each_of_these_states_is_tried_again_after_a_minute(household: Household, state: str) -> None:
    ann = household.add("Ann", TITLES)
    if state == "error":
        cannot_be_stored(household)
    else:
        ann.always = {"unreachable": status(500), "plex_changed": status(404), "rate_limited": status(429)}[state]

    household.sync()

    assert household.user("Ann")["sync_state"] == state
    assert timedelta(seconds=48) <= due_in(household) <= timedelta(seconds=72)


@pytest.mark.parametrize("hours", [0.01, *slow(0.1, 0.5)])
def test_next_try_is_never_later_than_the_interval(household: Household, hours: float) -> None:
    household.config = replace(household.config, sync_interval_hours=hours)
    household.add("Ann").always = status(404)
    set_user(household, "Ann", failures=9)

    household.sync()

    assert due_in(household) <= timedelta(hours=hours)


def test_what_failed_together_is_tried_again_together(household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name).always = status(404)

    household.sync()

    waits = [due_in(household, name) for name in ("Ann", "Ben", "Cleo")]
    assert max(waits) == min(waits)


@pytest.mark.parametrize("answer", [200, *slow(304, 403)])
def test_next_read_that_ends_well_is_due_after_the_interval_again(household: Household, answer: int) -> None:
    ann = household.add("Ann", TITLES)
    household.sync()
    if answer == 200:
        ann.rows = TITLES[:6]
    ann.always = status(404)
    household.sync()
    ann.always = status(403, body=b"{}", kind="application/json") if answer == 403 else None

    household.sync()

    assert household.user("Ann")["failures"] == 0
    assert timedelta(hours=5.3) < due_in(household) < timedelta(hours=6.7)


def test_refused_token_counts_no_failures(household: Household) -> None:
    ann = household.add("Ann")
    ann.always, ann.account_status = status(401), 401
    set_user(household, "Ann", failures=3)

    household.sync()

    assert (household.user("Ann")["sync_state"], household.user("Ann")["failures"]) == ("token_rejected", 0)
    assert due_in(household) == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("30", 30), ("1800", 1800), *slow((1800, 1800), ("7200", 3600), (90_000, 3600), ("9" * 30, 3600))],
    ids=["30", "1800", "date", "7200", "far date", "number"],
)
def test_retry_after_wins(household: Household, retry_after: str | int, seconds: int) -> None:
    household.config = replace(household.config, sync_interval_hours=0.1)
    header = retry_at(retry_after) if isinstance(retry_after, int) else retry_after
    household.add("Ann").always = status(429, Retry_After=header)
    set_user(household, "Ann", failures=5)

    household.sync()

    assert timedelta(seconds=seconds - 5) <= due_in(household) <= timedelta(seconds=seconds + 1)


def test_without_retry_after_the_next_try_is_not_before_the_cooldown_ends(household: Household) -> None:
    household.add("Ann").always = status(429)

    household.sync()

    assert timedelta(seconds=59) <= due_in(household) <= timedelta(seconds=72)


def test_who_was_not_asked_because_of_a_cooldown_is_due_when_it_ends_and_comes_first(household: Household) -> None:
    household.add("Ann", TITLES).always = status(429, Retry_After="1200")
    household.sync(user_id=household.user("Ann")["id"])
    household.add("Ben", TITLES)
    household.add("Cleo", TITLES)
    asked = len(household.plex.asked)

    household.sync(user_id=household.user("Ben")["id"])

    ben = household.user("Ben")
    assert len(household.plex.asked) == asked
    assert (ben["sync_state"], ben["last_attempt_at"], ben["failures"]) == ("rate_limited", None, 0)
    left = ben["next_sync_at"] - datetime.now(UTC)
    assert timedelta(minutes=19) < left < timedelta(minutes=20)
    set_user(household, "Cleo", next_sync_at=datetime.now(UTC) - timedelta(hours=1))
    set_user(household, "Ben", next_sync_at=datetime.now(UTC))
    claimed = claims.claim_due(household.config)
    assert claimed
    with claimed.conn:
        assert [person.name for person in claimed.people] == ["Ben", "Cleo"]


def test_retry_is_not_taken_along_before_it_is_due(household: Household) -> None:
    household.add("Ann").always = status(404)
    household.sync()
    household.add("Ben")

    claimed = claims.claim_due(household.config)

    assert claimed
    with claimed.conn:
        assert [person.name for person in claimed.people] == ["Ben"]


def test_retry_that_falls_due_during_a_run_waits_for_the_next(household: Household) -> None:
    household.config = replace(household.config, sync_interval_hours=0.01)
    household.add("Ann").always = status(404)
    ben = household.add("Ben", TITLES)
    cleo = household.add("Cleo", TITLES)
    ben.before_page = cleo.before_page = lambda _start: make_due(household)

    run = sync_due(household)

    assert len(household.plex.requests_for("token-of-ann-0123456789")) == 1
    assert len(run.errors) == 1


def test_new_token_is_tried_at_once(api: FlaskClient, household: Household) -> None:
    household.plex.people["another-token-of-ann-0123"] = household.add("Ann", TITLES)
    set_user(
        household, "Ann", sync_state="token_rejected", failures=4, wait_until=datetime.now(UTC) + timedelta(hours=1)
    )

    assert api.patch("/api/users/1", json={"token": "another-token-of-ann-0123"}).status_code == 200

    assert sync_due(household).users_processed == 1


def test_scheduler_that_starts_tries_failed_lists_at_once_unless_plex_asked_to_wait(household: Household) -> None:
    for name in ("Unreachable", "Asked to wait", "Well"):
        household.add(name)
    household.sync()
    later = datetime.now(UTC) + timedelta(minutes=40)
    household.conn.execute("UPDATE plex_users SET next_sync_at = %s", [later])
    set_user(household, "Unreachable", sync_state="unreachable", failures=6)
    set_user(household, "Asked to wait", sync_state="rate_limited", wait_until=later)

    assert sync_users.retry_at_once(household.conn) == 1

    claimed = claims.claim_due(household.config)
    assert claimed
    with claimed.conn:
        assert [person.name for person in claimed.people] == ["Unreachable"]


def test_api_says_when_the_next_try_is(api: FlaskClient, household: Household) -> None:
    household.add("Ann").always = status(500)
    household.add("Ben")
    household.add("Cleo")
    household.sync()
    set_user(household, "Ann", next_sync_at="2030-01-02T18:04:59Z")
    set_user(household, "Ben", next_sync_at="2030-01-02T19:00:00Z")
    set_user(household, "Cleo", active=False)

    ann, ben, cleo = api.get("/api/users").json["items"]
    shown = api.get("/api/sync/status").json["users"]

    assert ann["sync_detail"] == "Plex has an error (HTTP 500). Nothing was changed. Next try at 18:04 UTC."
    assert (ann["next_attempt_at"], ben["next_attempt_at"]) == ("2030-01-02T18:04:59Z", "2030-01-02T19:00:00Z")
    assert (ben["sync_detail"], cleo["next_attempt_at"]) == (None, None)
    assert [user["next_attempt_at"] for user in shown] == [ann["next_attempt_at"], ben["next_attempt_at"]]
    assert shown[0]["sync_detail"] == ann["sync_detail"]


@pytest.mark.slow
def test_log_has_one_warning_for_each_change_of_state(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ann = household.add("Ann", TITLES)

    def levels(answer: Callable[[Handler], None] | None) -> list[str]:
        ann.always = answer
        caplog.clear()
        household.sync()
        return [
            record.levelname for record in caplog.records if record.levelno > logging.INFO or "not synced" in record.msg
        ]

    assert levels(None) == []
    assert levels(status(404)) == ["WARNING"]
    assert levels(status(404)) == ["INFO"]
    assert levels(status(500)) == ["WARNING"]
    assert levels(status(500)) == ["INFO"]
    assert levels(None) == []


def short_cooldowns(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(http, "_COOLDOWN_WITHOUT_HEADER_SECONDS", seconds)


@pytest.mark.slow
def test_one_request_to_slow_down_among_five_people_leaves_nobody_unread(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_cooldowns(monkeypatch, 0.2)
    people = [household.add(name, TITLES) for name in ("Ann", "Ben", "Cleo", "Dora", "Eve")]
    people[1].list_faults.append(status(429, body=b"Rate limit exceeded!", kind="text/plain"))

    run = sync_due(household)

    assert (run.status, run.users_processed) == ("succeeded", 5)


def limit(people: list[Person], requests: int) -> None:
    """Have Plex answer so many requests for lists, and then ask to slow down once."""
    left = [requests]

    def count(_start: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            left[0] = requests
            for person in people:
                person.list_faults.clear()
            people[0].list_faults.append(status(429))

    for person in people:
        person.before_page = count


@pytest.mark.slow
def test_long_list_is_read_on_from_the_page_that_was_reached(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_cooldowns(monkeypatch, 0.1)
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n:04}") for n in range(1, 2501)])
    limit([ann], 4)

    run = sync_due(household)

    assert (run.status, run.items_fetched) == ("succeeded", 2500)
    asked = household.plex.requests_for("token-of-ann-0123456789")
    starts = [int(page.query["X-Plex-Container-Start"]) for page in asked]
    assert starts == sorted(starts)
    assert len(starts) == 25 + 25 // 4


def test_read_that_gets_no_page_in_an_hour_ends_as_rate_limited(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_cooldowns(monkeypatch, 0.1)
    monkeypatch.setattr(http, "_PATIENCE_SECONDS", 0.35)
    household.add("Ann", TITLES).always = status(429)

    run = sync_due(household)

    assert (run.status, household.user("Ann")["sync_state"]) == ("failed", "rate_limited")
    assert len(household.plex.requests_for("token-of-ann-0123456789")) > 1


def test_cooldown_of_more_than_ten_minutes_is_not_waited_out(household: Household) -> None:
    household.add("Ann", TITLES).always = status(429, Retry_After="601")

    assert sync_due(household).errors[0]["state"] == "rate_limited"
    assert len(household.plex.requests_for("token-of-ann-0123456789")) == 1
