"""The disk of the database full: it is said, nothing is lost, and with space again all goes on."""

from collections.abc import Iterator

import pytest
from psycopg.errors import DiskFull

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.own_server import Look, OwnServer, own_server
from tests.support.processes import call, gunicorn, program, request, settings_for

pytestmark = pytest.mark.slow

OLD = [row(f"{n:x}", f"Old {n:02}") for n in range(1, 9)]
MANY = [row(f"{n:x}", f"New {n:03}") for n in range(101, 201)]  # more than fit into one page of the table

PERSON = """
    INSERT INTO plex_users (name, plex_token, token_fingerprint, token_masked, active)
    SELECT key, 'x', key, 'x', false
      FROM cast(gen_random_uuid() AS text) AS key
"""
RUN = "INSERT INTO sync_runs (trigger, status) VALUES ('manual', 'succeeded')"


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


def fill(server: OwnServer, household: Household, table: str, statement: str) -> None:
    """Not even one more row goes into the table."""
    household.conn.execute(f"VACUUM FULL {table}")  # old versions of its rows would make room
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
