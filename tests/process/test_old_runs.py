"""Nothing grows for ever: the scheduler deletes old runs and what is left of erased people, and nothing else."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.processes import Program, program, settings_for

SCHEDULER = ("-m", "wishlist_service.scheduler")


def add_run(
    household: Household, *, days: float, trigger: str = "scheduled", status: str = "succeeded", finished: bool = True
) -> int:
    """A run that began 10 seconds before it ended, so many days ago."""
    found = household.conn.execute(
        """
        INSERT INTO sync_runs (trigger, status, started_at, finished_at, plex_requests, times_due)
        VALUES (%(trigger)s, %(status)s, now() - %(days)s * interval '1 day' - interval '10 s',
                CASE WHEN %(finished)s THEN now() - %(days)s * interval '1 day' END, '{"ok": 2, "refused": 1}', false)
     RETURNING id
        """,
        {"trigger": trigger, "status": status, "days": days, "finished": finished},
    ).fetchone()
    assert found
    return found["id"]


def runs(household: Household) -> list[int]:
    """The ids of the runs that are there."""
    return [found["id"] for found in household.conn.execute("SELECT id FROM sync_runs ORDER BY id")]


def run_scheduler(household: Household, **settings: str) -> Program:
    """A scheduler that has started, deleted and ended."""
    # no one is due, so it adds no runs
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '1 day', pinged_at = now()")
    with program(*SCHEDULER, env=settings_for(household, **settings)) as running:
        running.wait_for("deleted runs=")
        assert running.end() == 0, running.output
    return running


def counters(client: FlaskClient) -> dict[str, float]:
    """The counters of /metrics that come from the database."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(("wishlist_s", "wishlist_p"))]
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    return {name: value for name, value in found.items() if "_total" in name or "_sum" in name or "_count" in name}


def test_old_runs_are_deleted_but_for_the_last_of_each_trigger_and_the_last_that_succeeded(
    household: Household,
) -> None:
    add_run(household, days=400, trigger="manual")
    add_run(household, days=300, trigger="command", status="partial")
    command = add_run(household, days=299, trigger="command", status="failed")
    manual = add_run(household, days=200, trigger="manual", status="partial")
    add_run(household, days=190, status="failed")
    succeeded = add_run(household, days=100)
    add_run(household, days=91, status="partial")
    scheduled = add_run(household, days=90.5, status="interrupted", finished=False)
    assert len(runs(household)) == 8

    run_scheduler(household)

    assert runs(household) == [command, manual, succeeded, scheduled]


@pytest.mark.slow
def test_young_runs_stay_and_the_setting_says_how_long(household: Household) -> None:
    for days in (6, 5.1):
        add_run(household, days=days)
    young = [add_run(household, days=days) for days in (4.9, 3, 1)]

    run_scheduler(household, KEEP_RUNS_DAYS="5")

    assert runs(household) == young


@pytest.mark.slow
def test_run_that_is_running_is_not_deleted(household: Household) -> None:
    running = add_run(household, days=100, status="running", finished=False)
    killed = add_run(household, days=99, status="running", finished=False)
    add_run(household, days=98)
    last = add_run(household, days=97)
    household.conn.execute("SELECT pg_advisory_lock(1464421201, %s::integer)", [running])

    run_scheduler(household)

    assert runs(household) == [running, last]
    assert killed not in runs(household)


@pytest.mark.slow
def test_no_counter_of_the_metrics_falls(client: FlaskClient, household: Household) -> None:
    for days in range(100, 80, -1):
        add_run(household, days=days, status=("succeeded", "partial", "failed")[days % 3])
    add_run(household, days=120, status="interrupted", finished=False)
    before = counters(client)

    run_scheduler(household)
    once = counters(client)
    add_run(household, days=95)
    add_run(household, days=1)
    run_scheduler(household)

    assert before['wishlist_sync_duration_seconds_count{status="interrupted"}'] == 1
    assert once == before
    assert len(runs(household)) < 21
    for name, value in counters(client).items():
        assert value >= before[name], name
    assert counters(client)['wishlist_plex_requests_total{outcome="ok"}'] == 2 * 23


@pytest.mark.slow
def test_events_of_erased_people_are_deleted_and_all_others_stay(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    household.conn.execute("UPDATE wishlist_events SET happened_at = now() - interval '3 years'")
    household.conn.execute("UPDATE sync_runs SET started_at = now() - interval '3 years', finished_at = started_at")
    household.conn.execute(
        """
        INSERT INTO wishlist_events (kind, item_id, user_id, first_import, happened_at)
        SELECT 'added', item_id, 99, false, now()
          FROM wishlist_events
        """
    )
    add_run(household, days=100, status="partial")
    add_run(household, days=99)

    running = run_scheduler(household)

    events = household.conn.execute("SELECT DISTINCT user_id FROM wishlist_events").fetchall()
    assert events == [{"user_id": household.user("Ann")["id"]}]
    changes: dict[str, Any] = json.loads(api.get("/api/changes").text)
    assert len(changes["items"]) == 2
    assert "events_of_erased_people=2" in running.output


@pytest.mark.slow
@pytest.mark.parametrize("days", ["0", "3651", "1.5", "never"])
def test_other_numbers_of_days_are_refused(household: Household, days: str) -> None:
    with program(*SCHEDULER, env=settings_for(household, KEEP_RUNS_DAYS=days)) as running:
        assert running.exit_status() == 1

    assert "KEEP_RUNS_DAYS must be a whole number from 1 to 3650" in running.output
