"""The sidecar's loop: it reads who is due, survives what its jobs meet, and keeps tokens alive."""

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from wishlist_service import scheduler
from wishlist_service.scheduler import Sidecar
from wishlist_service.sync import claims


class Loop:
    """A sidecar whose loop runs in a thread for the length of a with block."""

    def __init__(self, household: Household, *, alive_file: Path | None = None, **settings: Any) -> None:
        self.stop = threading.Event()
        sidecar = Sidecar(replace(household.config, **settings), stop=self.stop, alive_file=alive_file)
        self._thread = threading.Thread(target=sidecar.loop)

    def __enter__(self) -> "Loop":
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


HAS_PLANNED = """
    SELECT
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'plex-wishlist-scheduler' AND state = 'idle'
       AND query LIKE '%min(next_sync_at)%'
    """


def runs(household: Household) -> int:
    found = household.conn.execute("SELECT count(*) AS runs FROM sync_runs WHERE status = 'succeeded'").fetchone()
    assert found is not None
    return found["runs"]


def pings(household: Household) -> list[str | None]:
    """The token of each ping."""
    return [asked.headers.get("X-Plex-Token") for asked in household.plex.asked if asked.path == "/api/v2/ping"]


@pytest.mark.slow
def test_somebody_just_added_is_read_soon(household: Household) -> None:
    household.add("Ben")
    with Loop(household):
        wait_until(lambda: household.conn.execute(HAS_PLANNED).rowcount)
        household.add("Ann", [row("1", "Alpha")])

        wait_until(lambda: household.titles("Ann") == ["Alpha"], seconds=20)  # a turn is a minute later

    assert len(household.plex.requests_for("token-of-ben-0123456789")) == 1


def test_who_is_due_is_read_at_the_start_and_nobody_else(household: Household) -> None:
    household.add("Ann")
    household.add("Ben")
    household.sync()
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() WHERE name = 'Ben'")

    with Loop(household):
        wait_until(lambda: runs(household) == 2)

    reads = [len(household.plex.requests_for(f"token-of-{name}-0123456789")) for name in ("ann", "ben")]
    assert reads == [1, 2]


def test_shortened_interval_counts_at_once(household: Household) -> None:
    household.add("Ann")
    household.add("Ben")
    household.sync()
    household.conn.execute("UPDATE plex_users SET last_attempt_at = now() - interval '2 hours' WHERE name = 'Ben'")

    with Loop(household, sync_interval_hours=1):
        wait_until(lambda: runs(household) == 2)

    ann = household.user("Ann")
    assert ann["next_sync_at"] == ann["last_attempt_at"] + timedelta(hours=1)
    assert household.conn.execute("SELECT users_processed FROM sync_runs WHERE id = 2").fetchone() == {
        "users_processed": 1
    }


def test_everybody_of_a_household_is_in_one_run(household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo", "Dora", "Eve"):
        household.add(name)

    with Loop(household):
        wait_until(lambda: household.conn.execute("SELECT FROM plex_users WHERE pinged_at IS NOT NULL").rowcount)

    assert household.conn.execute("SELECT users_processed FROM sync_runs").fetchall() == [{"users_processed": 5}]


@pytest.mark.slow
def test_many_people_are_read_in_several_runs_one_after_the_other(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MOST_PEOPLE", 3)
    for number in range(7):
        household.add(f"Person {number}")

    with Loop(household):
        wait_until(lambda: runs(household) == 3)

    found = household.conn.execute("SELECT users_processed FROM sync_runs ORDER BY id").fetchall()
    assert [run["users_processed"] for run in found] == [3, 3, 1]
    assert len(household.plex.asked) - len(pings(household)) == 7


def test_scheduled_run_says_so(household: Household) -> None:
    household.add("Ann")
    with Loop(household):
        wait_until(lambda: runs(household) == 1)

    assert household.conn.execute("SELECT trigger FROM sync_runs").fetchone() == {"trigger": "scheduled"}


@pytest.mark.slow
def test_sync_that_cannot_begin_is_tried_again(
    household: Household, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "TURN_SECONDS", 1)
    caplog.set_level(logging.INFO, logger="wishlist_service.scheduler")
    household.add("Ann")
    elsewhere = claims.claim(household.config, trigger="manual")

    with Loop(household):
        wait_until(lambda: f"sync put off, another is running run={elsewhere.run_id}" in caplog.text)
        elsewhere.conn.close()

        wait_until(lambda: runs(household) == 1)


def test_job_that_raises_neither_ends_nor_spins_the_loop(
    household: Household, caplog: pytest.LogCaptureFixture
) -> None:
    household.add("Ann")
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
        wait_until(lambda: "token-of-ben-0123456789" in pings(household))

    assert pings(household).count("token-of-ann-0123456789") == 1
    assert set(pings(household)) == {"token-of-ann-0123456789", "token-of-ben-0123456789"}
    assert household.user("Ann")["pinged_at"] is not None


@pytest.mark.slow
def test_pings_wait_while_a_list_is_due(household: Household, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scheduler, "TURN_SECONDS", 1)
    household.add("Ann")
    household.sync()
    household.conn.execute("UPDATE plex_users SET pinged_at = now() - interval '2 days'")
    asked, answered = threading.Event(), threading.Event()

    def answer_late(_start: int) -> None:
        asked.set()
        answered.wait(20)

    household.add("Ben", [row("2", "Beta")]).before_page = answer_late
    alive = tmp_path / "alive"

    with Loop(household):
        assert asked.wait(20)
        with Loop(household, alive_file=alive):
            for _ in range(2):  # the second time at the end of the first turn
                alive.unlink(missing_ok=True)
                wait_until(alive.exists)
            assert pings(household) == []
            answered.set()
        wait_until(lambda: household.titles("Ben") == ["Beta"])

    with Loop(household):
        wait_until(lambda: set(pings(household)) == {"token-of-ann-0123456789", "token-of-ben-0123456789"})


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
