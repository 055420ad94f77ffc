"""The database restarted, killed, frozen or with a full disk under the running service."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from flask.testing import FlaskClient
from psycopg import connect
from psycopg.errors import DiskFull

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.own_server import Look, OwnServer, own_server
from tests.support.processes import (
    Answer,
    call,
    gunicorn,
    program,
    request,
    settings_for,
    wait_until,
    waiting_for_locks,
)
from wishlist_service import db

pytestmark = pytest.mark.slow

OLD = [row(f"{n:x}", f"Old {n:02}") for n in range(1, 9)]

NEW = [row(f"{n:x}", f"New {n:02}") for n in range(101, 109)]

PATHS = ("/api/wishlist", "/api/wishlist?search=old&min_wanted=1", "/api/users", "/api/wishlist/stats/summary")


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture
def database_url(server: OwnServer) -> str:
    return server.new_database()


@pytest.fixture
def conn(database_url: str) -> Look:
    return Look(database_url)


@contextmanager
def readers(address: str, *, each: int) -> Iterator[list[Answer]]:
    """Clients that read without a pause while the block runs, and what they were answered."""
    answers: list[Answer] = []
    failures: list[Exception] = []
    enough = threading.Event()

    def read(path: str) -> None:
        try:
            while not enough.is_set():
                answers.append(request("GET", f"{address}{path}"))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read, args=(path,)) for path in PATHS * each]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        enough.set()
        for thread in threads:
            thread.join()
    assert failures == []


def statuses(answers: list[Answer]) -> set[int]:
    return {answer.status for answer in answers}


def assert_only_refused_politely(answers: list[Answer]) -> None:
    refused = [answer for answer in answers if answer.status != 200]
    assert statuses(refused) <= {503}, [answer.text for answer in refused if answer.status != 503][:3]
    assert {answer.headers["Retry-After"] for answer in refused} <= {"5"}
    assert {answer.headers["Content-Type"] for answer in refused} <= {"application/problem+json"}


@pytest.mark.parametrize("end", [OwnServer.stop, OwnServer.kill], ids=["stopped", "killed"])
def test_api_answers_again_once_the_database_is_back(
    household: Household, server: OwnServer, end: Callable[[OwnServer], None]
) -> None:
    household.add("Ann", OLD)
    household.sync()

    with gunicorn(settings_for(household, WEB_WORKERS="2")) as (api, address), readers(address, each=2) as answers:
        wait_until(lambda: len(answers) > 100)
        end(server)
        wait_until(lambda: 503 in statuses(answers))
        away = request("GET", f"{address}/health")
        server.start()
        wait_until(lambda: answers[-1].status == 200)
        wait_until(lambda: statuses(answers[-100:]) == {200})
        back = request("GET", f"{address}/health")

    assert (away.status, back.status) == (503, 200)
    assert_only_refused_politely(answers)
    assert "Traceback" not in api.output


def test_frozen_database_holds_up_no_answer(household: Household, server: OwnServer) -> None:
    household.add("Ann", OLD)
    household.sync()

    with gunicorn(settings_for(household, WEB_WORKERS="1", WEB_THREADS="2")) as (api, address):
        with readers(address, each=3) as answers:
            wait_until(lambda: len(answers) > 100)
            with server.frozen():
                before = len(answers)
                wait_until(lambda: len(answers) > before + 24)
                health = request("GET", f"{address}/health")
            wait_until(lambda: statuses(answers[-100:]) == {200})
        thawed = request("GET", f"{address}/health")

        assert api.end() == 0

    assert (health.status, thawed.status) == (503, 200)
    assert_only_refused_politely(answers)
    assert "Traceback" not in api.output


def test_thread_stuck_in_a_query_of_a_frozen_database_is_freed(
    client: FlaskClient, server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "SILENCE_SECONDS", db.POOL_WAIT_SECONDS + 0.5)
    client.get("/api/wishlist")  # the connection is there before the server stands still

    with server.frozen():
        stuck = client.get("/api/wishlist")

    assert (stuck.status_code, stuck.headers["Retry-After"]) == (503, "5")
    wait_until(lambda: client.get("/api/wishlist").status_code == 200)


@pytest.mark.parametrize("by", ["command", "API"])
def test_database_killed_in_the_middle_of_a_sync_loses_nothing(
    household: Household, server: OwnServer, by: str
) -> None:
    ann = household.add("Ann", OLD)
    household.sync()
    ann.rows = OLD[4:] + NEW
    env = settings_for(household, WEB_WORKERS="1")

    with gunicorn(env) as (api, address):
        # titles can be stored, but not who wants them: the middle of a transaction
        with closing(connect(household.config.database_url)) as hold:
            hold.execute("LOCK TABLE wishlist_item_sources IN SHARE ROW EXCLUSIVE MODE")
            if by == "API":
                assert call("POST", f"{address}/api/sync?wait=0")[0] == 202
                wait_until(lambda: waiting_for_locks(household.conn) == 1)
                server.kill()
                api.wait_for("sync run broke off, the database is away run=2")
            else:
                with program("-m", "wishlist_service.sync", env=env) as command:
                    wait_until(lambda: waiting_for_locks(household.conn) == 1)
                    server.kill()
                    assert command.exit_status() == 1
                assert command.output.startswith("The database cannot be reached: ")
                assert "Traceback" not in command.output
        server.start()

        kept = household.titles("Ann")
        wait_until(lambda: call("GET", f"{address}/api/sync/runs/2")[0] == 200)
        broken = call("GET", f"{address}/api/sync/runs/2")[1]
        again = call("POST", f"{address}/api/sync?wait=50")

    assert kept == [row["title"] for row in OLD]
    assert (broken["status"], broken["users_processed"]) == ("interrupted", 0)
    assert (again[0], again[1]["status"]) == (200, "succeeded")
    assert (again[1]["new_items"], again[1]["removed_items"]) == (8, 4)
    assert household.titles("Ann") == sorted(row["title"] for row in ann.rows)
    assert "Traceback" not in api.output


MANY = [row(f"{n:x}", f"New {n:03}") for n in range(101, 201)]  # more than fit into one page of the table

PERSON = """
    INSERT INTO plex_users (name, plex_token, token_fingerprint, token_masked, active)
    SELECT key, 'x', key, 'x', false
      FROM cast(gen_random_uuid() AS text) AS key
"""

RUN = "INSERT INTO sync_runs (trigger, status) VALUES ('manual', 'succeeded')"


def fill(server: OwnServer, household: Household, table: str, statement: str) -> None:
    """Not even one more row goes into the table."""
    # old versions of its rows would make room, and so would what is left free in its pages
    household.conn.execute(f"ALTER TABLE {table} SET (fillfactor = 100)")
    household.conn.execute(f"VACUUM FULL {table}")
    server.fill_disk_under(household.config.database_url, table)
    with pytest.raises(DiskFull):
        while True:
            household.conn.execute(statement)


def test_what_cannot_be_stored_is_refused_with_the_reason(household: Household, server: OwnServer) -> None:
    household.add("Ann", OLD)
    household.sync()
    household.plex.add("token-of-ben-0123456789")
    ben = {"name": "Ben", "token": "token-of-ben-0123456789"}
    key = {"X-API-Key": API_KEY}
    env = settings_for(household)

    with gunicorn(env) as (api, address):
        for table, statement in {"plex_users": PERSON, "sync_runs": RUN}.items():
            fill(server, household, table, statement)
        refused = [
            request("POST", f"{address}/api/users", headers=key, body=ben),
            request("POST", f"{address}/api/sync", headers=key),
        ]
        with program("-m", "wishlist_service.sync", env=env) as command:
            exit_status = command.exit_status()
        reads = [call("GET", f"{address}{path}")[0] for path in ("/api/users", "/api/wishlist", "/health")]
        for table in ("plex_users", "sync_runs"):
            server.make_space_under(household.config.database_url, table)
        added = request("POST", f"{address}/api/users", headers=key, body=ben)
        run = call("POST", f"{address}/api/sync")[1]

    for answer in refused:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert b"The disk of the database is full" in answer.body
    assert exit_status == 1
    assert command.output.startswith("The disk of the database is full")
    assert reads == [200, 200, 200]
    assert (added.status, run["status"], run["users_processed"]) == (201, "succeeded", 2)
    assert len(household.titles("Ann")) == 8
    assert "Traceback" not in api.output + command.output


def test_list_that_finds_no_space_is_kept_and_nobody_else_is_held_up(household: Household, server: OwnServer) -> None:
    ann, ben = household.add("Ann", OLD), household.add("Ben", OLD)
    household.sync()
    ann.rows, ben.rows = OLD + MANY, OLD[1:]
    env = settings_for(household)

    server.fill_disk_under(household.config.database_url, "wishlist_items")
    with program("-m", "wishlist_service.sync", env=env) as full:
        exit_status = full.exit_status()
    told, kept = household.user("Ann"), household.titles("Ann")
    server.make_space_under(household.config.database_url, "wishlist_items")
    with program("-m", "wishlist_service.sync", env=env) as after:
        assert after.exit_status() == 0, after.output

    assert exit_status == 1
    assert "Ann: error. The disk of the database is full." in full.output
    assert "Ben: changed, 7 titles, 0 added, 1 removed" in full.output
    assert "Traceback" not in full.output
    assert told["sync_state"] == "error"
    assert told["sync_detail"].startswith("The disk of the database is full.")
    assert kept == [row["title"] for row in OLD]
    assert "Ann: changed, 108 titles, 100 added, 0 removed" in after.output
    assert household.user("Ann")["sync_detail"] is None


def test_run_that_cannot_even_note_its_failure_ends_cleanly(household: Household, server: OwnServer) -> None:
    ann = household.add("Ann", OLD)
    household.sync()
    ann.rows = OLD + MANY
    env = settings_for(household)

    with gunicorn(env) as (api, address):
        fill(server, household, "plex_users", PERSON)
        broken = call("POST", f"{address}/api/sync?wait=50")
        server.make_space_under(household.config.database_url, "plex_users")
        kept = household.titles("Ann")
        after = call("POST", f"{address}/api/sync?wait=50")

        assert api.end() == 0

    assert (broken[0], broken[1]["status"]) == (200, "interrupted")
    assert kept == [row["title"] for row in OLD]
    assert (after[1]["status"], after[1]["new_items"]) == ("succeeded", 100)
    assert "No space left on device" in api.output
    assert "Traceback" not in api.output
