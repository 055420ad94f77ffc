"""The database restarted, killed and frozen under the running service."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from flask.testing import FlaskClient
from psycopg import connect

from tests.support.fake_plex import row
from tests.support.household import Household
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
