"""API, scheduler and sync command killed, stopped and started at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest
from psycopg import connect

from tests.support.fake_plex import Person, row
from tests.support.household import Household
from tests.support.processes import (
    Program,
    call,
    gunicorn,
    kill_all,
    program,
    settings_for,
    wait_until,
    waiting_for_locks,
)

pytestmark = pytest.mark.slow

OLD = [row(f"{n:x}", f"Old {n:02}") for n in range(1, 9)]
NEW = [row(f"{n:x}", f"New {n:03}") for n in range(101, 251)]  # two pages
SYNC = ("-m", "wishlist_service.sync")
SCHEDULER = ("-m", "wishlist_service.scheduler")


@pytest.fixture
def ann(household: Household) -> Person:
    """Ann's list was read, and is another now."""
    ann = household.add("Ann", OLD)
    household.sync()
    household.conn.execute("UPDATE plex_users SET next_sync_at = now()")
    ann.rows = OLD[4:] + NEW
    return ann


def old_titles() -> list[str]:
    return [row["title"] for row in OLD]


def new_titles() -> list[str]:
    return sorted(row["title"] for row in OLD[4:] + NEW)


@contextmanager
def syncing(by: str, household: Household) -> Iterator[Program]:
    """A program in the middle of a sync over everybody, or about to begin one."""
    env = settings_for(household)
    with ExitStack() as stack:
        if by == "API":
            running, address = stack.enter_context(gunicorn(env))
            assert call("POST", f"{address}/api/sync?wait=0")[0] == 202
        else:
            running = stack.enter_context(program(*(SCHEDULER if by == "scheduler" else SYNC), env=env))
        yield running


class Held:
    """Holds up requests for a list from the second page on, until let go."""

    def __init__(self, person: Person, *, from_start: int = 100) -> None:
        self.reached = threading.Event()
        self._go_on = threading.Event()
        self._from_start = from_start
        person.before_page = self._wait

    def _wait(self, start: int) -> None:
        if start >= self._from_start:
            self.reached.set()
            self._go_on.wait(60)

    def let_go(self) -> None:
        self._go_on.set()


def run_report(household: Household, run_id: int) -> dict[str, Any]:
    found = household.conn.execute("SELECT * FROM sync_run_reports WHERE id = %s", [run_id]).fetchone()
    assert found is not None
    return found


def assert_interrupted_and_next_right(household: Household) -> None:
    wait_until(lambda: run_report(household, 2)["status"] == "interrupted")
    assert run_report(household, 2)["users_processed"] == 0
    assert household.titles("Ann") == old_titles()
    run = household.sync()
    assert (run.status, run.new_items, run.removed_items) == ("succeeded", 150, 4)
    assert household.titles("Ann") == new_titles()


@pytest.mark.parametrize("by", ["API", "scheduler", "command"])
def test_killed_while_a_list_is_read(household: Household, ann: Person, by: str) -> None:
    held = Held(ann)
    with syncing(by, household) as running:
        assert held.reached.wait(30)

        kill_all(running.process.pid)

    held.let_go()
    assert_interrupted_and_next_right(household)


@pytest.mark.parametrize("by", ["API", "scheduler", "command"])
def test_killed_while_a_list_is_stored(household: Household, ann: Person, by: str) -> None:
    with connect(household.config.database_url) as hold:
        # the titles are stored, who wants them is not yet: the middle of the transaction
        hold.execute("LOCK TABLE wishlist_item_sources IN SHARE ROW EXCLUSIVE MODE")
        with syncing(by, household) as running:
            wait_until(lambda: waiting_for_locks(household.conn) == 1)

            kill_all(running.process.pid)

    assert_interrupted_and_next_right(household)


def test_of_two_sync_commands_at_once_one_says_that_the_other_runs(household: Household, ann: Person) -> None:
    held = Held(ann)
    env = settings_for(household)
    with program(*SYNC, env=env) as one, program(*SYNC, env=env) as other:
        wait_until(lambda: one.process.poll() is not None or other.process.poll() is not None)
        refused, running = (one, other) if one.process.poll() is not None else (other, one)
        held.let_go()

        assert (refused.exit_status(), running.exit_status()) == (1, 0)

    assert refused.output == "Sync run 2 is still running. Wait for it to end, then try again.\n"
    assert "Run 2 succeeded: 154 titles" in running.output
    assert household.titles("Ann") == new_titles()
    assert household.conn.execute("SELECT FROM sync_runs").rowcount == 2


def test_api_and_command_sync_one_after_the_other(household: Household, ann: Person) -> None:
    env = settings_for(household)
    with gunicorn(env) as (_api, address):
        held = Held(ann)
        with program(*SYNC, env=env) as command:
            assert held.reached.wait(30)
            conflict = call("POST", f"{address}/api/sync")
            held.let_go()
            first = command.exit_status()
        ann.rows = OLD[4:] + NEW[1:]
        held = Held(ann)
        begun = call("POST", f"{address}/api/sync?wait=0")
        assert held.reached.wait(30)
        with program(*SYNC, env=env) as refused:
            second = refused.exit_status()
        held.let_go()
        wait_until(lambda: call("GET", f"{address}/api/sync/runs/3")[1]["status"] == "succeeded")

    assert (first, second) == (0, 1)
    assert (conflict[0], conflict[1]["run_id"]) == (409, 2)
    assert (begun[0], begun[1]["id"]) == (202, 3)
    assert refused.output.startswith("Sync run 3 is still running.")
    assert household.titles("Ann") == sorted(row["title"] for row in ann.rows)


def test_request_under_way_is_answered_before_the_api_stops(household: Household) -> None:
    people = [household.add(name, [row(name.encode().hex(), name)]) for name in ("Ann", "Ben", "Cleo", "Dora")]
    held = [Held(person, from_start=0) for person in people]
    with gunicorn(settings_for(household, WEB_WORKERS="1")) as (api, address):
        answers: list[tuple[int, Any]] = []
        caller = threading.Thread(target=lambda: answers.append(call("POST", f"{address}/api/sync?wait=50")))
        caller.start()
        wait_until(lambda: sum(each.reached.is_set() for each in held) == 2)
        connection = HTTPConnection(address.removeprefix("http://"))
        wait_until(lambda: is_kept_open(connection))
        api.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_kept_open(connection))  # the worker has heard of it
        connection.close()
        for each in held:
            each.let_go()

        assert api.exit_status() == 0
        caller.join()

    [(status, run)] = answers
    assert (status, run["status"], run["users_processed"]) == (200, "interrupted", 2)
    assert "Traceback" not in api.output


def is_kept_open(connection: HTTPConnection) -> bool:
    """False when the API answers but says that it takes no more requests on this connection."""
    connection.request("GET", "/health")
    reply = connection.getresponse()
    reply.read()
    assert reply.status == 200
    return not reply.will_close


def test_silent_plex_does_not_keep_the_api_from_stopping_nor_a_request_from_its_answer(
    household: Household, ann: Person
) -> None:
    held = Held(ann)
    with gunicorn(settings_for(household)) as (api, address):
        answers: list[tuple[int, Any]] = []
        caller = threading.Thread(target=lambda: answers.append(call("POST", f"{address}/api/sync?wait=50")))
        caller.start()
        assert held.reached.wait(30)

        assert api.end() == 0
        caller.join()

    held.let_go()
    [(status, run)] = answers
    assert (status, run["id"], run["status"]) == (202, 2, "running")
    assert "Traceback" not in api.output
    assert_interrupted_and_next_right(household)


def test_silent_plex_does_not_keep_the_scheduler_from_stopping(household: Household, ann: Person) -> None:
    held = Held(ann)
    with syncing("scheduler", household) as scheduler:
        assert held.reached.wait(30)

        assert scheduler.end() == 0

    held.let_go()
    assert "Traceback" not in scheduler.output
    assert_interrupted_and_next_right(household)


def test_scheduler_finishes_the_people_it_is_reading_before_it_stops(household: Household) -> None:
    people = [household.add(name, [row(name.encode().hex(), name)]) for name in ("Ann", "Ben", "Cleo", "Dora")]
    held = [Held(person, from_start=0) for person in people]
    with syncing("scheduler", household) as scheduler:
        wait_until(lambda: sum(each.reached.is_set() for each in held) == 2)
        scheduler.process.send_signal(signal.SIGTERM)
        for each in held:
            each.let_go()

        assert scheduler.exit_status() == 0

    run = run_report(household, 1)
    assert "scheduler stopped" in scheduler.output
    assert (run["status"], run["users_processed"]) == ("interrupted", 2)
