"""The sidecar's loop: it plans, survives what its jobs meet, and keeps tokens alive."""

import logging
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import Household
from fake_plex import row
from plex_faults import status
from processes import wait_until

from wishlist_service import scheduler, sync
from wishlist_service.scheduler import Sidecar


class Loop:
    """A sidecar whose loop runs in a thread for the length of a with block."""

    def __init__(self, household: Household, **settings: Any) -> None:
        self.stop = threading.Event()
        self._thread = threading.Thread(target=Sidecar(replace(household.config, **settings), stop=self.stop).loop)

    def __enter__(self) -> "Loop":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


def next_run_at(household: Household) -> datetime | None:
    found = household.conn.execute("SELECT next_run_at FROM sync_state").fetchone()
    assert found is not None
    return found["next_run_at"]


def runs(household: Household) -> int:
    found = household.conn.execute("SELECT count(*) AS runs FROM sync_runs WHERE status = 'succeeded'").fetchone()
    assert found is not None
    return found["runs"]


def test_interval_varies_by_a_tenth(household: Household) -> None:
    with Loop(household, sync_interval_hours=10):
        wait_until(lambda: runs(household) == 1 and next_run_at(household))

    due = next_run_at(household)
    assert due is not None
    assert timedelta(hours=8.9) < due - datetime.now(UTC) < timedelta(hours=11.1)


def test_interval_is_drawn_from_a_tenth_below_to_a_tenth_above(household: Household) -> None:
    sidecar = Sidecar(replace(household.config, sync_interval_hours=10), stop=threading.Event())
    sidecar._plan()  # pyright: ignore[reportPrivateUsage]

    job = sidecar._jobs.get_jobs("sync")[0]  # pyright: ignore[reportPrivateUsage]
    assert (job.interval, job.latest) == (9 * 3600, 11 * 3600)


def test_somebody_just_added_is_read_soon(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "NEWCOMERS_SECONDS", 1)
    with Loop(household):
        wait_until(lambda: runs(household) == 1)
        household.add("Ann", [row("1", "Alpha")])

        wait_until(lambda: household.titles("Ann") == ["Alpha"])

    assert household.conn.execute("SELECT user_id FROM sync_runs ORDER BY id").fetchall()[-1] == {"user_id": 1}


@pytest.mark.parametrize("status", ["succeeded", "partial"])
def test_run_that_read_somebody_counts_as_the_last(household: Household, status: str) -> None:
    household.sync()
    household.conn.execute("UPDATE sync_runs SET status = %s", [status])

    with Loop(household):
        wait_until(lambda: next_run_at(household))

    assert household.conn.execute("SELECT FROM sync_runs").rowcount == 1


def test_overdue_sync_runs_at_once(household: Household) -> None:
    household.sync()
    household.conn.execute("UPDATE sync_runs SET finished_at = now() - interval '7 hours'")

    with Loop(household):
        wait_until(lambda: runs(household) == 2)


@pytest.mark.parametrize("last", ["UPDATE sync_runs SET status = 'failed'", "UPDATE sync_runs SET user_id = 1"])
def test_run_that_failed_or_was_for_one_person_does_not_count_as_the_last(household: Household, last: str) -> None:
    household.sync()
    household.conn.execute(last)

    with Loop(household):
        wait_until(lambda: household.conn.execute("SELECT FROM sync_runs").rowcount == 2)


def test_scheduled_run_says_so(household: Household) -> None:
    with Loop(household):
        wait_until(lambda: runs(household) == 1)

    assert household.conn.execute("SELECT trigger FROM sync_runs").fetchone() == {"trigger": "scheduled"}


def test_sync_that_cannot_begin_is_tried_again_in_a_minute(household: Household) -> None:
    elsewhere = sync.claim(household.config.database_url, trigger="manual")

    with elsewhere.conn, Loop(household):
        wait_until(lambda: next_run_at(household))
        due = next_run_at(household)

    assert due is not None
    assert timedelta(seconds=50) < due - datetime.now(UTC) < timedelta(seconds=61)


def test_job_that_raises_neither_ends_nor_spins_the_loop(
    household: Household, caplog: pytest.LogCaptureFixture
) -> None:
    household.conn.execute("ALTER TABLE sync_runs RENAME COLUMN trigger TO hidden")
    caplog.set_level(logging.INFO, logger="wishlist_service.scheduler")

    with Loop(household) as loop:
        wait_until(lambda: "sync put off, unexpected error" in caplog.text)
        loop.stop.wait(0.5)

    assert caplog.text.count("sync put off, unexpected error") == 1


def test_database_that_is_away_is_told_in_one_line(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    with Loop(household, database_url="postgresql://nobody@127.0.0.1:9/none"):
        wait_until(lambda: "the database is away" in caplog.text)

    assert "Traceback" not in caplog.text


def test_each_token_is_pinged_once_a_day(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben").account_status = 500
    household.add("Cleo")
    household.add("Dora")
    household.add("Eve")
    household.conn.execute(
        "UPDATE plex_users SET sync_state = 'token_rejected', last_attempt_at = now() WHERE name = 'Eve'"
    )
    household.conn.execute("UPDATE plex_users SET pinged_at = now() - interval '23 hours' WHERE name = 'Cleo'")
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Dora'")

    with Loop(household):
        wait_until(lambda: household.user("Ben")["pinged_at"])

    def pings(name: str) -> int:
        return len(household.plex.requests_for(f"token-of-{name}-0123456789", "/api/v2/ping"))

    assert (pings("ann"), pings("cleo"), pings("dora"), pings("eve")) == (1, 0, 0, 0)
    assert pings("ben") >= 1
    assert household.user("Ann")["pinged_at"] is not None


def test_stop_ends_the_loop_after_the_person_being_synced(household: Household) -> None:
    loop = Loop(household)
    people = [household.add(name, [row(name.encode().hex(), name)]) for name in ("Ann", "Ben", "Cleo", "Dora")]
    for person in people:
        person.before_page = lambda _start: loop.stop.set()

    with loop:
        wait_until(lambda: household.conn.execute("SELECT FROM sync_runs WHERE finished_at IS NOT NULL").rowcount)

    found = household.conn.execute("SELECT status, users_processed FROM sync_runs").fetchone()
    assert found is not None
    assert found["status"] == "interrupted"
    assert 1 <= found["users_processed"] <= 2


def test_waiting_between_tries_is_cut_short_by_stop(household: Household) -> None:
    loop = Loop(household)
    ann = household.add("Ann", [row("1", "Alpha")])

    def fail(handler: Any) -> None:
        loop.stop.set()
        status(429, Retry_After="9")(handler)

    ann.always = fail
    with loop:
        wait_until(lambda: household.user("Ann")["sync_state"] == "rate_limited", seconds=5)
