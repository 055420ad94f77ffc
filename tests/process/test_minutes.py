"""The real programs: how soon a change shows, what an idle service writes, and how soon trouble is over."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_plex import FakePlex, Person, row
from tests.support.household import Household
from tests.support.plex_faults import reset, status
from tests.support.processes import Program, call, gunicorn, program, settings_for, wait_until

pytestmark = pytest.mark.slow

SCHEDULER = ("-m", "wishlist_service.scheduler")
ALPHA, BETA, GAMMA = row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma")
LOOK_SECONDS = 3
OFTEN = {"PLEX_LOOK_MINUTES": "0.05"}
NAMES = ("Ann", "Ben", "Cleo")


def people(household: Household, *names: str) -> list[Person]:
    return [household.add(name, [ALPHA]) for name in names]


def states(household: Household) -> set[str]:
    return {user["sync_state"] for user in household.conn.execute("SELECT sync_state FROM plex_users").fetchall()}


def looks(household: Household, name: str) -> list[Any]:
    """The requests with If-None-Match."""
    asked = household.plex.requests_for(f"token-of-{name.lower()}-0123456789")
    return [each for each in asked if "If-None-Match" in each.headers]


def seconds_until(condition: Callable[[], object], *, at_most: float) -> float:
    began = time.monotonic()
    wait_until(condition, seconds=at_most)
    return time.monotonic() - began


def test_addition_and_removal_show_within_the_interval_of_looks_and_ten_seconds(household: Household) -> None:
    ann, _ben, _cleo = people(household, *NAMES)
    env = settings_for(household, **OFTEN)

    with gunicorn(env) as (_api, address), program(*SCHEDULER, env=env) as scheduler:

        def titles() -> list[str]:
            return sorted(item["title"] for item in call("GET", f"{address}/api/wishlist")[1]["items"])

        wait_until(lambda: titles() == ["Alpha"] and states(household) == {"ok"})
        ann.rows = [BETA, ALPHA]
        seconds_until(lambda: titles() == ["Alpha", "Beta"], at_most=LOOK_SECONDS + 10)
        ann.rows = [ALPHA]
        seconds_until(lambda: titles() == ["Alpha"], at_most=LOOK_SECONDS + 10)
        shown = call("GET", f"{address}/api/sync/status")[1]
        assert scheduler.end() == 0

    assert (shown["look_minutes"], shown["scheduler"], shown["last_run"]["trigger"]) == (0.05, "running", "look")
    assert shown["looked_at"] is not None
    assert "Traceback" not in scheduler.output


def written_bytes(scheduler: Program) -> int:
    """What the program has written to a storage device."""
    counts = Path(f"/proc/{scheduler.process.pid}/io").read_text().split()
    return int(counts[counts.index("write_bytes:") + 1])


@pytest.mark.skipif(not os.access("/proc/self/io", os.R_OK), reason="no /proc/PID/io here")
def test_idle_minute_of_looks_writes_nothing(household: Household) -> None:
    people(household, *NAMES)
    position = "SELECT pg_current_wal_lsn()::text AS position"

    with program(*SCHEDULER, env=settings_for(household, **OFTEN)) as scheduler:
        wait_until(lambda: all(len(looks(household, name)) >= 2 for name in NAMES))
        wait_until(lambda: not household.conn.execute("SELECT FROM sync_runs WHERE times_due").rowcount)
        wait_until(
            lambda: not household.conn.execute("SELECT FROM wishlist_items WHERE details_due_at < now()").rowcount
        )
        time.sleep(5)
        before = household.conn.execute(position).fetchone(), written_bytes(scheduler), len(scheduler.output)
        count = len(looks(household, "Ann"))
        time.sleep(60)

        after = household.conn.execute(position).fetchone(), written_bytes(scheduler), len(scheduler.output)

    assert after == before
    assert 17 <= len(looks(household, "Ann")) - count <= 24


def test_outage_of_ninety_seconds_is_over_for_everybody_within_three_minutes(household: Household) -> None:
    everybody = people(household, "Ann", "Ben", "Cleo", "Dora", "Eve")

    with program(*SCHEDULER, env=settings_for(household, **OFTEN)):
        wait_until(lambda: states(household) == {"ok"})
        for person in everybody:
            person.always = reset
        wait_until(lambda: states(household) == {"unreachable"})
        time.sleep(90)
        for person in everybody:
            person.always = None
            person.rows = [BETA]

        wait_until(
            lambda: all(household.titles(name) == ["Beta"] for name in ("Ann", "Ben", "Cleo", "Dora", "Eve")),
            seconds=180,
        )


def test_restart_after_a_failure_tries_at_once(household: Household) -> None:
    [ann] = people(household, "Ann")
    ann.always = status(404)
    with program(*SCHEDULER, env=settings_for(household)) as failing:
        failing.wait_for("user not synced")
        failing.end()
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '50 minutes'")
    ann.always = None

    with program(*SCHEDULER, env=settings_for(household)) as restarted:
        restarted.wait_for("user synced", seconds=30)

    assert household.titles("Ann") == ["Alpha"]


def test_network_that_comes_up_half_a_minute_after_the_scheduler(household: Household) -> None:
    people(household, *NAMES)
    port = int(household.plex.url.rpartition(":")[2])
    known = household.plex.people
    household.plex.stop()

    with ExitStack() as stack:
        scheduler = stack.enter_context(program(*SCHEDULER, env=settings_for(household)))
        scheduler.wait_for("user not synced", count=3)
        time.sleep(30)
        network = stack.enter_context(FakePlex(port))
        network.people = known
        wait_until(lambda: states(household) == {"ok"}, seconds=120)

    assert scheduler.output.count("WARNING") == 3


def test_one_request_to_slow_down_leaves_nobody_of_five_unread(household: Household) -> None:
    everybody = people(household, "Ann", "Ben", "Cleo", "Dora", "Eve")
    everybody[0].list_faults.append(status(429, body=b"Rate limit exceeded!", kind="text/plain"))

    with program(*SCHEDULER, env=settings_for(household)) as scheduler:
        wait_until(lambda: states(household) == {"ok"}, seconds=150)
        scheduler.wait_for("sync finished")

    assert scheduler.output.count("sync finished") == 1


def test_long_list_is_read_under_a_limit_of_twenty_requests_a_minute(household: Household) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n:04}") for n in range(1, 2501)])
    answered: list[float] = []

    def limit(_start: int) -> None:
        now = time.monotonic()
        answered[:] = [moment for moment in answered if moment > now - 60]
        if len(answered) >= 20:
            ann.list_faults.append(status(429))
        else:
            answered.append(now)

    ann.before_page = limit

    with program(*SCHEDULER, env=settings_for(household)):
        wait_until(lambda: states(household) == {"ok"}, seconds=240)

    assert len(household.titles("Ann")) == 2500


def test_of_two_schedulers_one_looks_and_the_other_takes_over_when_it_is_killed(household: Household) -> None:
    people(household, *NAMES)
    household.sync()
    holder = """
        SELECT pid
          FROM pg_locks
         WHERE locktype = 'advisory' AND classid = 1464421200 AND objid = 8 AND granted
        """
    env = settings_for(household, **OFTEN)

    with program(*SCHEDULER, env=env) as one:
        wait_until(lambda: household.conn.execute(holder).rowcount)
        with program(*SCHEDULER, env=env) as other:
            other.wait_for("scheduler started")
            count = len(looks(household, "Ann"))
            began = time.monotonic()
            wait_until(lambda: len(looks(household, "Ann")) >= count + 5)
            assert time.monotonic() - began > 4 * LOOK_SECONDS * 0.85  # half of it if both looked

            one.process.kill()
            wait_until(lambda: not household.conn.execute(holder).rowcount)
            count = len(looks(household, "Ann"))
            wait_until(lambda: len(looks(household, "Ann")) >= count + 3, seconds=60)
