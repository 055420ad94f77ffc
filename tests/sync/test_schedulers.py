"""Several schedulers as real processes on one database, and Plex counting who is read."""

import signal
import threading
from contextlib import ExitStack

import pytest

from tests.support.fake_plex import Handler, row
from tests.support.fake_titles import Titles
from tests.support.household import Household
from tests.support.processes import Program, call, gunicorn, kill_all, program, settings_for, wait_until

SCHEDULER = ("-m", "wishlist_service.scheduler")


def all_read(household: Household) -> bool:
    """Whether everybody was read and every run has ended."""
    unread = household.conn.execute("SELECT FROM plex_users WHERE last_success_at IS NULL").rowcount
    running = household.conn.execute("SELECT FROM sync_runs WHERE status = 'running'").rowcount
    return unread == running == 0


@pytest.mark.slow
def test_three_schedulers_at_work_together_read_and_ping_everybody_once(household: Household) -> None:
    names = [f"Person-{number}" for number in range(40)]
    together = threading.Event()

    def wait_for_all_three(_start: int) -> None:
        if len(household.plex.reading) == 6:  # two lists a scheduler
            together.set()
        assert together.wait(30)

    for number, name in enumerate(names):
        # a title of their own, one that half of them want, and one that all want: the runs meet at the same rows
        titles = [f"{number + 100:x}", f"{number % 2 + 1:x}", "f"]
        person = household.add(name, [row(key, f"Film {key}") for key in titles])
        person.before_page = wait_for_all_three

    with ExitStack() as stack:
        running = [stack.enter_context(program(*SCHEDULER, env=settings_for(household))) for _ in range(3)]
        wait_until(lambda: all_read(household))
        wait_until(lambda: household.conn.execute("SELECT FROM plex_users WHERE pinged_at IS NULL").rowcount == 0)
        assert [scheduler.end() for scheduler in running] == [0, 0, 0]

    tokens = [f"token-of-{name.lower()}-0123456789" for name in names]
    assert [len(household.plex.requests_for(token)) for token in tokens] == [1] * 40
    assert [len(household.plex.requests_for(token, "/api/v2/ping")) for token in tokens] == [1] * 40
    for scheduler in running:
        assert "user synced" in scheduler.output
        assert "Traceback" not in scheduler.output
    runs = household.conn.execute("SELECT status, users_processed, errors FROM sync_runs").fetchall()
    assert {run["status"] for run in runs} == {"succeeded"}
    assert sum(run["users_processed"] for run in runs) == 40
    assert all(household.titles(name) == sorted(household.titles(name)) != [] for name in names)
    assert household.conn.execute("SELECT FROM wishlist_items").rowcount == 43


@pytest.mark.slow
def test_person_in_the_hands_of_a_killed_scheduler_is_taken_over_by_another(household: Household) -> None:
    films = [row(f"{n:x}", f"Film {n:03}") for n in range(1, 151)]
    ann = household.add("Ann", films)
    reading, go_on = threading.Event(), threading.Event()

    def hang_at_page_two(start: int) -> None:
        if start:
            reading.set()
            go_on.wait(60)

    ann.before_page = hang_at_page_two
    env = settings_for(household, PLEX_SYNC_INTERVAL_HOURS="0.01")  # a look every few seconds

    with program(*SCHEDULER, env=env) as killed:
        assert reading.wait(30)
        with program(*SCHEDULER, env=env) as other:
            other.wait_for("scheduler started")
            assert "sync started" not in other.output
            assert household.titles("Ann") == []

            kill_all(killed.process.pid)
            ann.before_page = lambda _start: None
            go_on.set()
            other.wait_for("sync finished run=2 status=succeeded")

            assert other.end() == 0

    assert household.titles("Ann") == [film["title"] for film in films]
    assert "sync run of a killed process closed count=1" in other.output
    runs = household.conn.execute("SELECT status, users_processed FROM sync_runs ORDER BY id").fetchall()
    assert [tuple(run.values()) for run in runs] == [("interrupted", 0), ("succeeded", 1)]


@pytest.mark.slow
def test_sync_that_is_asked_for_waits_for_all_schedulers(household: Household) -> None:
    go_on = threading.Event()

    def hold(_start: int) -> None:
        go_on.wait(60)

    for number in range(4):
        household.add(f"Person {number}").before_page = hold

    def begun(scheduler: Program) -> bool:
        return "sync started" in scheduler.output

    with ExitStack() as stack:
        _api, address = stack.enter_context(gunicorn(settings_for(household)))
        one, other = (stack.enter_context(program(*SCHEDULER, env=settings_for(household))) for _ in range(2))
        wait_until(lambda: begun(one) and begun(other))
        refused = call("POST", f"{address}/api/sync")
        shown = call("GET", f"{address}/api/sync/status")[1]
        one.process.send_signal(signal.SIGTERM)
        go_on.set()
        wait_until(lambda: all_read(household))
        asked_for = call("POST", f"{address}/api/sync")
        after = call("GET", f"{address}/api/sync/status")[1]

    assert (refused[0], refused[1]["run_id"]) == (409, 2)
    assert (shown["running"], shown["current_run"]["id"]) == (True, 2)
    assert (asked_for[0], asked_for[1]["id"], asked_for[1]["users_processed"]) == (200, 3, 4)
    assert (after["running"], after["last_run"]["id"]) == (False, 3)


@pytest.mark.slow
def test_questions_about_titles_are_asked_by_one_scheduler_and_taken_over_by_another(household: Household) -> None:
    titles = Titles(household.plex)
    rows = [row(f"{number:x}", f"Film {number}") for number in range(1, 31)]
    household.add("Ann", rows)
    for each in rows:
        titles.tell(each, summary=each["title"])
    asked, go_on = threading.Event(), threading.Event()

    def hang(_handler: Handler) -> None:
        asked.set()
        go_on.wait(30)

    titles.before_answer = hang
    env = settings_for(household, PLEX_SYNC_INTERVAL_HOURS="0.3")
    with program(*SCHEDULER, env=env) as killed:
        assert asked.wait(30)
        with program(*SCHEDULER, env=env) as other:
            other.wait_for("scheduler started")
            kill_all(killed.process.pid)
            go_on.set()
            wait_until(lambda: household.conn.execute("SELECT FROM wishlist_items WHERE summary IS NULL").rowcount == 0)
            assert other.end() == 0

    assert len(titles.asked()) == 30
    assert len(titles.asked("/userState")) == 21
