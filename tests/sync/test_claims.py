"""Several schedulers, one database: who is due, who takes whom, and what becomes of a claim whose holder is gone."""

import signal
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from tests.support.fake_plex import Handler, row
from tests.support.fake_titles import Titles
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import Program, call, gunicorn, kill_all, program, settings_for, wait_until
from tests.support.slow import slow
from wishlist_service.models import SyncRun
from wishlist_service.queries import locks, sync_users
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync


def claim_due(household: Household) -> claims.Claim:
    claimed = claims.claim_due(household.config)
    assert claimed
    return claimed


def sync_due(household: Household) -> SyncRun:
    """One scheduled run, in this process."""
    return run_sync(claim_due(household), household.plex_client, household.cipher, stop=threading.Event())


def make_due(household: Household, **minutes: int) -> None:
    """Have each person be due in so many minutes."""
    for name, many in minutes.items():
        household.conn.execute(
            "UPDATE plex_users SET next_sync_at = now() + make_interval(mins => %s) WHERE name = %s", [many, name]
        )


def reads(household: Household, name: str) -> int:
    return len(household.plex.requests_for(f"token-of-{name.lower()}-0123456789"))


def test_whom_one_has_in_hand_another_does_not_take(household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name)
    one, other = claim_due(household), claim_due(household)

    with one.conn, other.conn:
        taken = [next(one.people).name, next(other.people).name, next(one.people).name]

        assert taken == ["Ann", "Ben", "Cleo"]
        assert (next(one.people, None), next(other.people, None)) == (None, None)
        assert claims.claim_due(household.config) is None


def test_whoever_is_longest_due_comes_first(household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name)
    make_due(household, Ann=-1, Ben=-3, Cleo=-2)

    with (claimed := claim_due(household)).conn:
        assert [person.name for person in claimed.people] == ["Ben", "Cleo", "Ann"]


def test_claim_whose_holder_is_gone_is_taken_over(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    dead = claim_due(household)
    assert next(dead.people).name == "Ann"

    dead.conn.close()

    wait_until(lambda: household.conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").rowcount == 0)
    run = sync_due(household)
    assert (run.status, run.users_processed, household.titles("Ann")) == ("succeeded", 1, ["Alpha"])


def test_of_runs_side_by_side_only_the_dead_one_is_interrupted(household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name)
    dead, living = claim_due(household), claim_due(household)

    dead.conn.close()

    with living.conn:
        shown = "SELECT status FROM sync_run_reports ORDER BY id"
        expected = [{"status": "interrupted"}, {"status": "running"}]
        wait_until(lambda: household.conn.execute(shown).fetchall() == expected)
        sync_due(household)
        stored = household.conn.execute("SELECT status FROM sync_runs ORDER BY id").fetchall()
        assert stored == [*expected, {"status": "succeeded"}]


def test_who_was_read_between_the_look_and_the_lock_is_left_alone(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    household.add("Ann")
    household.add("Ben")
    look_and_lock = sync_users.claim_due_user_id

    def be_late(conn: Connection, **about: Any) -> int | None:
        found = look_and_lock(conn, **about)
        if found == household.user("Ann")["id"]:
            make_due(household, Ann=360)  # what the one who had her has just stored
        return found

    monkeypatch.setattr(sync_users, "claim_due_user_id", be_late)

    with (claimed := claim_due(household)).conn:
        assert [person.name for person in claimed.people] == ["Ben"]
        make_due(household, Ann=0)
        monkeypatch.undo()
        with (other := claim_due(household)).conn:
            assert [person.name for person in other.people] == ["Ann"]


@pytest.mark.parametrize("whom", ["nobody is due", "another has them all"])
def test_scheduled_sync_that_reads_nobody_writes_nothing(household: Household, whom: str) -> None:
    household.add("Ann")
    other = claim_due(household)
    if whom == "nobody is due":
        make_due(household, Ann=1)
    read_only = SQL("ALTER DATABASE {} SET default_transaction_read_only = on")

    with other.conn:
        household.conn.execute(read_only.format(Identifier(other.conn.info.dbname)))

        assert claims.claim_due(household.config) is None  # would raise if it wrote


@pytest.mark.parametrize(("hours", "minutes"), [(6, 10), *slow((1, 3))])
def test_run_takes_along_who_is_due_a_little_later(household: Household, hours: float, minutes: int) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name)
    make_due(household, Ann=0, Ben=minutes - 1, Cleo=minutes + 1)

    claimed = claims.claim_due(replace(household.config, sync_interval_hours=hours))

    assert claimed
    with claimed.conn:
        assert [person.name for person in claimed.people] == ["Ann", "Ben"]


@pytest.mark.slow
def test_interval_is_drawn_from_a_tenth_below_to_a_tenth_above(household: Household) -> None:
    config = replace(household.config, sync_interval_hours=10)
    drawn: set[timedelta] = set()
    for _ in range(20):
        claimed = claims.claim(config, trigger="manual")
        with claimed.conn as conn, locks.giving_back_locks(conn):
            drawn.add(claimed.due_again_in)

    assert timedelta(hours=9) <= min(drawn) < max(drawn) <= timedelta(hours=11)
    assert len(drawn) == 20


@pytest.mark.parametrize("scheduled", [True, *slow(False)])
def test_people_of_one_run_whose_reads_did_not_fail_are_due_again_together(
    household: Household, scheduled: bool
) -> None:
    household.add("Changed", [row("1", "Alpha")])
    household.add("Unchanged", [row("2", "Beta")])
    household.add("Failing").always = status(500)
    household.add("Elsewhere")
    household.sync()
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() - interval '1 minute'")
    household.conn.execute("UPDATE plex_users SET list_etag = NULL WHERE name = 'Changed'")
    household.conn.execute("UPDATE plex_users SET account_checked = false, plex_uuid = 'x' WHERE name = 'Elsewhere'")

    run = sync_due(household) if scheduled else household.sync()

    assert (run.users_processed, len(run.errors)) == (2, 2)
    due = household.conn.execute(
        "SELECT next_sync_at - now() AS due_in FROM plex_users WHERE name <> 'Failing'"  # it is tried again soon
    ).fetchall()
    soonest, latest = min(each["due_in"] for each in due), max(each["due_in"] for each in due)
    assert timedelta(hours=5.3) < soonest <= latest < timedelta(hours=6.6)
    assert latest - soonest < timedelta(minutes=1)
    assert claims.claim_due(household.config) is None


@pytest.mark.parametrize("change", [{"token": "another-token-of-ann-0123"}, *slow({"active": True})])
def test_who_comes_back_or_gets_another_token_is_due_at_once(
    api: FlaskClient, household: Household, change: dict[str, Any]
) -> None:
    household.plex.people["another-token-of-ann-0123"] = household.add("Ann")
    household.sync()
    if "active" in change:
        assert api.patch("/api/users/1", json={"active": False}).status_code == 200
    assert claims.claim_due(household.config) is None

    assert api.patch("/api/users/1", json=change).status_code == 200

    with (claimed := claim_due(household)).conn:
        assert next(claimed.people).name == "Ann"


def test_change_that_has_nothing_to_do_with_it_leaves_the_due_time(api: FlaskClient, household: Household) -> None:
    household.add("Ann")
    household.sync()
    due = household.user("Ann")["next_sync_at"]

    api.patch("/api/users/1", json={"name": "Anna", "active": True})

    assert household.user("Anna")["next_sync_at"] == due


@pytest.mark.slow
def test_who_gets_another_token_while_being_read_is_read_with_it_in_the_next_run(
    api: FlaskClient, household: Household
) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.plex.people["another-token-of-ann-0123"] = ann

    def change(_start: int) -> None:
        ann.before_page = lambda _start: None
        assert api.patch("/api/users/1", json={"token": "another-token-of-ann-0123"}).status_code == 200

    ann.before_page = change

    assert (sync_due(household).users_processed, household.titles("Ann")) == (0, [])
    assert (sync_due(household).users_processed, household.titles("Ann")) == (1, ["Alpha"])
    assert (reads(household, "Ann"), len(household.plex.requests_for("another-token-of-ann-0123"))) == (1, 1)


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
        asked_for = call("POST", f"{address}/api/sync?wait=0")
        refused = call("POST", f"{address}/api/sync")
        shown = call("GET", f"{address}/api/sync/status")[1]
        one.process.send_signal(signal.SIGTERM)
        go_on.set()
        wait_until(lambda: call("GET", f"{address}/api/sync/runs/3")[1]["status"] == "succeeded")
        after = call("GET", f"{address}/api/sync/status")[1]

    assert (asked_for[0], asked_for[1]["id"], asked_for[1]["status"]) == (202, 3, "waiting")
    assert (refused[0], refused[1]["run_id"]) == (409, 3)
    assert (shown["running"], shown["current_run"]["id"]) == (True, 2)
    assert (after["running"], after["last_run"]["id"], after["last_run"]["users_processed"]) == (False, 3, 4)


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
