"""A clock that was ahead, is set back, or ends daylight saving time holds up nothing for long."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schedule
from flask.testing import FlaskClient

from tests.support.examinations import examine, marks, settings_for
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.processes import wait_until
from tests.support.slow import slow
from tests.test_scheduler import Loop, runs
from wishlist_service import backup, scheduler
from wishlist_service.doctor.errors import Error
from wishlist_service.process import clock
from wishlist_service.queries import clocks
from wishlist_service.sync import claims

HOURS = timedelta(hours=6)


class Wall(datetime):
    """The clock of this machine, set by a test."""

    off = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + cls.off


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Wall]]:
    """The clock as the scheduler's loop and `schedule` see it."""
    monkeypatch.setattr(schedule, "datetime", SimpleNamespace(**vars(schedule.datetime) | {"datetime": Wall}))
    monkeypatch.setattr(scheduler, "datetime", Wall)
    monkeypatch.setattr(clock, "datetime", Wall)
    monkeypatch.setattr(scheduler, "TURN_SECONDS", 1)
    monkeypatch.setattr(scheduler, "SHORTEST_TURN_SECONDS", 1)
    yield Wall
    Wall.off = timedelta()


@pytest.mark.slow
@pytest.mark.parametrize("step", [timedelta(hours=-2), timedelta(hours=-1), timedelta(hours=3), timedelta(days=-400)])
def test_jobs_run_on_when_the_clock_is_set(household: Household, wall: type[Wall], step: timedelta) -> None:
    household.add("Ben")
    with Loop(household):
        wait_until(lambda: runs(household) == 1)
        wall.off = step
        household.add("Ann", [row("1", "Alpha")])

        wait_until(lambda: household.titles("Ann") == ["Alpha"])


def test_step_of_the_clock_is_noticed_once(wall: type[Wall]) -> None:
    watched = clock.Clock()

    wall.off = timedelta(hours=-2)

    assert abs(watched.step() + timedelta(hours=2)) < timedelta(minutes=1)
    assert abs(watched.step()) < timedelta(minutes=1)


def leave_behind(household: Household) -> None:
    """What a sync leaves behind while the clock is 400 days ahead."""
    household.conn.execute("""
        UPDATE plex_users
           SET last_attempt_at = now() + interval '400 days', last_success_at = now() + interval '400 days',
               list_read_at = now() + interval '400 days', next_sync_at = now() + interval '400 days 6 hours'
        """)


def test_sync_goes_on_after_a_clock_was_ahead(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.sync()
    leave_behind(household)
    ann.rows = [row("2", "Beta")]

    with Loop(household):
        wait_until(lambda: household.titles("Ann") == ["Beta"])

    assert household.user("Ann")["last_attempt_at"] <= datetime.now(UTC)


@pytest.mark.slow
def test_false_times_are_corrected_at_a_turn_long_after_the_start(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "TURN_SECONDS", 1)
    household.add("Ann", [row("1", "Alpha")])
    with Loop(household):
        wait_until(lambda: runs(household) == 1)

        leave_behind(household)

        wait_until(lambda: runs(household) == 2)


@pytest.mark.slow
def test_nightly_backup_is_made_although_the_clock_was_ahead_when_it_was_planned(
    household: Household, tmp_path: Path, wall: type[Wall], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "datetime", wall)
    monkeypatch.setattr(backup, "MAXIMUM_WAIT_SECONDS", 0.1)
    stop = threading.Event()
    arguments = (household.config.database_url, tmp_path)
    nightly = threading.Thread(target=backup.back_up_nightly, args=arguments, kwargs={"stop": stop})
    wall.off = timedelta(days=400)

    def made(moment: datetime) -> bool:
        return any(tmp_path.glob(f"wishlist-{moment:%Y}*.dump"))

    nightly.start()
    try:
        wait_until(lambda: made(wall.now()))
        wall.off = timedelta()

        wait_until(lambda: made(wall.now()))
    finally:
        stop.set()
        nightly.join(30)


@pytest.mark.parametrize(
    ("state", "told", "ahead", "corrected"),
    [
        ("ok", False, timedelta(hours=6.5), False),
        ("ok", False, timedelta(hours=6.7), True),
        ("held", False, timedelta(hours=7), True),
        *slow(
            ("no_watchlist", False, timedelta(days=1), True),
            ("unreachable", False, timedelta(minutes=71), False),
            ("plex_changed", False, timedelta(hours=2), True),
            ("rate_limited", True, timedelta(minutes=60), False),
            ("rate_limited", True, timedelta(hours=2), True),
            ("token_rejected", False, timedelta(days=1), False),
            ("token_rejected", False, timedelta(days=2), True),
        ),
    ],
)
def test_due_time_is_brought_forward_if_it_is_further_ahead_than_its_interval(
    household: Household, state: str, told: bool, ahead: timedelta, corrected: bool
) -> None:
    household.add("Ann")
    now = datetime.now(UTC)
    household.conn.execute(
        "UPDATE plex_users SET sync_state = %s, wait_until = %s, last_attempt_at = now(), next_sync_at = %s",
        [state, now + ahead if told else None, now + ahead],
    )

    moved = clocks.bring_forward(household.conn, interval=HOURS)

    assert moved == corrected
    assert (household.user("Ann")["next_sync_at"] < now + ahead) == corrected


def test_retry_after_and_the_day_of_a_refused_token_outlast_a_short_interval(household: Household) -> None:
    household.add("Ann")
    household.add("Ben")
    household.conn.execute("""
        UPDATE plex_users
           SET sync_state = CASE name WHEN 'Ann' THEN 'rate_limited' ELSE 'token_rejected' END,
               wait_until = CASE name WHEN 'Ann' THEN now() + interval '1 hour' END,
               next_sync_at = now() + CASE name WHEN 'Ann' THEN interval '1 hour' ELSE interval '1 day' END
        """)

    assert clocks.bring_forward(household.conn, interval=timedelta(minutes=3)) == 0


def test_every_other_time_is_corrected_too(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    household.conn.execute("UPDATE plex_users SET pinged_at = now() + interval '1 day'")
    household.conn.execute("UPDATE sync_state SET library_due_at = now() + interval '2 hours'")
    household.conn.execute("UPDATE wishlist_items SET details_due_at = now() + interval '34 days'")
    household.conn.execute("UPDATE wishlist_item_sources SET keep_due_at = now() + interval '2 hours'")
    household.conn.execute(
        "INSERT INTO news_addresses (fingerprint, event_id, change_id, due_at) "
        "VALUES ('x', 0, 0, now() + interval '7 hours')"
    )
    before = clocks.find_times_ahead(household.conn, interval=HOURS)

    clocks.bring_forward(household.conn, interval=HOURS)

    assert (before.due, before.attempts, before.others) == (0, 1, 4)
    after = clocks.find_times_ahead(household.conn, interval=HOURS)
    assert (after.due, after.attempts, after.others) == (0, 0, 0)


def test_what_was_never_stays_so(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '9 days'")

    clocks.bring_forward(household.conn, interval=HOURS)

    ann = household.user("Ann")
    assert [ann[name] for name in ("last_attempt_at", "last_success_at", "list_read_at", "pinged_at")] == [None] * 4
    assert ann["next_sync_at"] <= datetime.now(UTC)


def test_right_times_cost_no_write(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    rows = household.conn.execute("SELECT xmin FROM plex_users").fetchall()

    assert clocks.bring_forward(household.conn, interval=HOURS) == 0

    assert household.conn.execute("SELECT xmin FROM plex_users").fetchall() == rows


@pytest.mark.slow
def test_doctor_reports_due_times_and_attempts_in_the_future(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    leave_behind(household)

    status, output = examine(settings_for(household))

    assert (status, marks(output).count(("ERROR", "scheduler"))) == (1, 2)
    assert "Lists that are due further ahead than the interval allows: 1." in output
    assert "in the future: 1." in output
    assert Error.TIMES_AHEAD.heading in output


def test_no_metric_is_negative(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    claimed = claims.claim(household.config, trigger="command")
    household.conn.execute(
        "UPDATE sync_runs SET started_at = now() + interval '2 hours'"
    )  # then the clock was set back
    household.results = []
    run = household.run(claimed)
    leave_behind(household)

    lines = [line for line in api.get("/metrics").text.splitlines() if line.startswith("wishlist_")]

    assert run.finished_at
    assert timedelta(0) < run.finished_at - run.started_at < timedelta(minutes=1)
    assert [line for line in lines if line.rpartition(" ")[2].startswith("-")] == []
    assert any(line.startswith("wishlist_seconds_since_last_success") for line in lines)


def test_longer_interval_is_left_alone_and_a_shorter_one_counts(household: Household) -> None:
    household.add("Ann")
    household.sync()
    due = household.user("Ann")["next_sync_at"]

    household.config = replace(household.config, sync_interval_hours=1)
    moved = clocks.bring_forward(household.conn, interval=timedelta(hours=1))

    assert moved == 1
    ann = household.user("Ann")
    assert ann["next_sync_at"] == ann["last_attempt_at"] + timedelta(hours=1) < due


def test_turn_says_what_it_corrected(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    leave_behind(household)
    caplog.set_level(logging.INFO)

    with Loop(household):
        wait_until(lambda: runs(household) == 2)

    assert "times were too far ahead, brought forward users=1" in caplog.text
