"""What the database server must be: told in one sentence by migrate, API and doctor, before anything is done."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import connect

from tests.support.backups import back_up, dump_of, restore
from tests.support.household import API_KEY, Household, with_database
from tests.support.own_server import Look, OwnServer, own_server
from tests.support.pgbouncer import pgbouncer
from tests.support.processes import (
    GUNICORN,
    call,
    environment,
    free_port,
    gunicorn,
    program,
    request,
    settings_for,
)
from wishlist_service import db
from wishlist_service.doctor.errors import Error
from wishlist_service.errors import ServerRefused
from wishlist_service.migrate import migrate
from wishlist_service.queries.requirements import check_server

pytestmark = pytest.mark.slow

MIGRATE = ("-m", "wishlist_service.migrate")
DOCTOR = ("-m", "wishlist_service.doctor")


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture
def admin(server: OwnServer) -> Iterator[Look]:
    """Looks of a superuser; the database `plain` and the user `ann` are gone afterwards."""
    look = Look(server.url)
    yield look
    look.execute("DROP DATABASE IF EXISTS plain WITH (FORCE)")
    look.execute("DROP ROLE IF EXISTS ann")


def url_of(server: OwnServer, name: str, *, user: str = "ann", options: str = "") -> str:
    """The address of a database for this user."""
    url = with_database(server.url, name).replace("postgres@", f"{user}@")
    return url + (f"&options={options}" if options else "")


def ends_with(*arguments: str, env: dict[str, str]) -> tuple[int, str]:
    """Exit status and output of a program that ends by itself."""
    with program(*arguments, env=env) as running:
        status = running.exit_status()
    assert "Traceback" not in running.output, running.output
    return status, running.output


def assert_all_refuse(url: str, error: Error, *sentence: str) -> None:
    """Migrate, API and doctor each end with an error and this sentence."""
    env = environment(url, PORT=str(free_port()))
    for arguments in (MIGRATE, GUNICORN, DOCTOR):
        status, output = ends_with(*arguments, env=env)
        output = re.sub(r"\s+", " ", output)

        assert status != 0, output
        for part in sentence:
            assert part in output
    assert error.fix in output


def test_user_who_may_not_create_tables_is_told_what_the_owner_must_do(server: OwnServer, admin: Look) -> None:
    admin.execute("CREATE ROLE ann LOGIN")
    admin.execute("CREATE DATABASE plain")

    assert_all_refuse(
        url_of(server, "plain"),
        Error.DATABASE_RIGHTS,
        "The user ann may not create tables in the schema public of the database plain.",
        'GRANT CREATE ON SCHEMA "public" TO "ann"',
    )


def test_schema_that_does_not_exist_is_named_as_the_reason(server: OwnServer, admin: Look) -> None:
    admin.execute("CREATE ROLE ann LOGIN")
    admin.execute("CREATE DATABASE plain OWNER ann")

    assert_all_refuse(
        url_of(server, "plain", options="-csearch_path%3Dnowhere"),
        Error.DATABASE_RIGHTS,
        "No schema of the search_path exists in the database plain",
    )


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_other_encoding_than_utf_8_is_refused(server: OwnServer, admin: Look, encoding: str) -> None:
    admin.execute("CREATE ROLE ann LOGIN")
    admin.execute(
        f"CREATE DATABASE plain OWNER ann ENCODING '{encoding}' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
    )

    assert_all_refuse(url_of(server, "plain"), Error.DATABASE_ENCODING, f"has the encoding {encoding}", "'UTF8'")


def test_too_old_a_server_is_refused(server: OwnServer) -> None:
    with db.connect(server.url, role="test") as conn, pytest.raises(ServerRefused, match="needs 99 or newer") as caught:
        check_server(conn, partial(db.connect, server.url, role="test"), oldest=99)

    assert caught.value.kind == "DATABASE_OLD"


def test_pooler_in_transaction_mode_is_named(server: OwnServer) -> None:
    with pgbouncer(server.new_database(), mode="transaction") as url:
        assert_all_refuse(url, Error.DATABASE_POOLER, "pooler in transaction mode", "pgbouncer")


def test_pooler_in_session_mode_serves_everything(server: OwnServer, tmp_path: Path) -> None:
    look = Look(server.url)
    look.execute("CREATE DATABASE pooled")
    options = "?options=-cwork_mem%3D7MB%20-csearch_path%3Dpublic"
    with pgbouncer(with_database(server.url, "pooled"), mode="session") as url:
        env = environment(url + options, PORT=str(free_port()), BACKUP_DIR=str(tmp_path / "backup"))
        assert ends_with(*MIGRATE, env=env)[0] == 0
        with gunicorn(env) as (_, address):
            assert call("GET", f"{address}/api/wishlist")[0] == 200
            assert call("POST", f"{address}/api/sync?wait=50")[0] == 200
        backed_up = back_up(env)
        with db.connect(url + options, role="test") as conn:
            found = conn.execute("SELECT current_setting('work_mem'), current_setting('timezone')").fetchone()

    assert backed_up[0] == 0, backed_up[1]
    assert found == ("7MB", "UTC")


def test_read_only_database_ends_what_must_write_and_the_api_answers_reads(household: Household) -> None:
    env = settings_for(household)
    household.add("Ann")
    household.sync()
    household.conn.execute(f"ALTER DATABASE {household.conn.info.dbname} SET default_transaction_read_only = on")
    key = {"X-API-Key": API_KEY}

    with gunicorn(env) as (running, address):
        reads = [request("GET", f"{address}{path}").status for path in ("/api/wishlist", "/", "/metrics", "/health")]
        erased = request("DELETE", f"{address}/api/users/1?purge=true", headers=key)
        synced = request("POST", f"{address}/api/sync", headers=key)
    migrated = ends_with(*MIGRATE, env=env)
    sync = ends_with("-m", "wishlist_service.sync", env=env)

    assert reads == [200, 200, 200, 200]
    for refused in (erased, synced):
        assert refused.status == 503
        assert "The database can only be read" in refused.json["detail"]
        assert refused.headers["Retry-After"]
    assert "Traceback" not in running.output
    assert migrated[0] == 0  # it had nothing to write
    assert sync[0] == 1
    assert "The database can only be read" in sync[1]


def test_read_only_database_that_lacks_tables_is_refused(server: OwnServer, admin: Look) -> None:
    admin.execute("CREATE ROLE ann LOGIN")
    admin.execute("CREATE DATABASE plain OWNER ann")
    admin.execute("ALTER DATABASE plain SET default_transaction_read_only = on")

    status, output = ends_with(*MIGRATE, env=environment(url_of(server, "plain")))

    assert status == 1
    assert "The database can only be read" in output


def test_too_few_connections_are_an_error_of_the_doctor_and_one_warning_elsewhere(
    server: OwnServer, admin: Look
) -> None:
    admin.execute("CREATE ROLE ann LOGIN CONNECTION LIMIT 12")
    admin.execute("CREATE DATABASE plain OWNER ann")
    url = url_of(server, "plain")
    sentence = "allows the user ann only 12 connections at a time, and up to 14 are needed"
    env = environment(url, PORT=str(free_port()), WEB_WORKERS="2", WEB_THREADS="2")

    migrated = ends_with(*MIGRATE, env=env)
    with gunicorn(env) as (api, _):
        api.wait_for(sentence)
    examined = ends_with(*DOCTOR, env=env)
    fewer = ends_with(*MIGRATE, env=env | {"WEB_THREADS": "1"})

    assert migrated[0] == fewer[0] == 0
    assert migrated[1].count("WARNING") == api.output.count("WARNING wishlist_service.queries.requirements") == 1
    assert sentence in migrated[1]
    assert "WARNING" not in fewer[1]
    assert examined[0] == 1
    assert Error.DATABASE_CONNECTIONS.heading in re.sub(r"\s+", " ", examined[1])


def test_database_that_comes_later_is_checked_at_the_first_connection(server: OwnServer, admin: Look) -> None:
    admin.execute("CREATE ROLE ann LOGIN")
    env = environment(url_of(server, "plain"), PORT=str(free_port()), WEB_WORKERS="2")

    with program(*GUNICORN, env=env) as api:
        api.wait_for("Listening")
        api.wait_for("Booting worker", count=2)
        admin.execute("CREATE DATABASE plain")
        status = api.exit_status()

    assert status != 0
    assert "The user ann may not create tables" in api.output


def test_collation_that_changed_is_found_by_the_doctor(server: OwnServer) -> None:
    url = server.new_database()
    Look(url).execute("UPDATE pg_database SET datcollversion = '0.1' WHERE datname = current_database()")

    status, output = ends_with(*DOCTOR, env=environment(url))
    output = re.sub(r"\s+", " ", output)

    assert status == 1
    assert Error.DATABASE_COLLATION.fix in output


OURS = {
    "timezone": ("Europe/Berlin", "UTC"),
    "datestyle": ("German", "ISO, YMD"),
    "IntervalStyle": ("iso_8601", "postgres"),
    "bytea_output": ("escape", "hex"),
    "standard_conforming_strings": ("off", "on"),
    "extra_float_digits": ("-15", "1"),
    "default_transaction_isolation": ("serializable", "read committed"),
    "idle_session_timeout": ("1s", "0"),
    "idle_in_transaction_session_timeout": ("1s", "0"),
    "lock_timeout": ("1ms", "0"),
    "client_encoding": ("LATIN1", "UTF8"),
}
THEIRS = {
    "search_path": ("pg_catalog", "pg_catalog"),
    "work_mem": ("7MB", "7MB"),
    "statement_timeout": ("7s", "7s"),
    "wishlist.note": ("a\\ b", "a b"),
}


@pytest.mark.parametrize("spelling", ["-c {}={}", "-c{}={}", "--{}={}"])
def test_options_of_the_address_are_merged_with_ours(server: OwnServer, spelling: str) -> None:
    wanted = OURS | THEIRS
    options = " ".join(spelling.format(name, value) for name, (value, _) in wanted.items())
    url = f"{server.url}&options={quote(options)}&application_name=mine&connect_timeout=9"

    with db.connect(url, role="test") as conn:
        found = {
            name: conn.execute("SELECT current_setting(%s)", [name]).fetchone()[0]  # type: ignore[index]
            for name in (*wanted, "application_name")
        }
        parameters = conn.info.get_parameters()

    assert found == {name: value for name, (_, value) in wanted.items()} | {"application_name": "mine"}
    assert parameters["connect_timeout"] == "9"


def test_settings_of_the_server_do_not_end_our_sessions(server: OwnServer) -> None:
    url = server.new_database()
    name = re.findall(r"/(\w+)\?", url)[0]
    Look(url).execute(f"ALTER DATABASE {name} SET idle_session_timeout = '1s'")
    Look(url).execute(f"ALTER DATABASE {name} SET lock_timeout = '1s'")

    with db.connect(url, role="test") as conn:
        assert conn.execute("SHOW idle_session_timeout").fetchone() == ("0",)
        assert conn.execute("SHOW lock_timeout").fetchone() == ("0",)


@pytest.mark.parametrize("schema", ["wishes", '"My Wishes"'])
def test_another_schema_than_public_works_in_backup_and_restore_too(
    server: OwnServer, admin: Look, tmp_path: Path, schema: str
) -> None:
    admin.execute("CREATE ROLE ann LOGIN")
    admin.execute("CREATE DATABASE plain OWNER ann")
    options = quote("-csearch_path=" + schema.replace(" ", "\\ "))
    url = url_of(server, "plain", options=options)
    with connect(with_database(server.url, "plain"), autocommit=True) as conn:
        conn.execute("CREATE TABLE public.of_another_program AS SELECT 1 AS kept")
        conn.execute(f"CREATE SCHEMA {schema} AUTHORIZATION ann")
    env = environment(url, PORT=str(free_port()))

    assert ends_with(*MIGRATE, env=env)[0] == 0
    assert "nothing, up to date" in ends_with(*MIGRATE, env=env)[1]
    with gunicorn(env) as (_, address):
        assert call("POST", f"{address}/api/sync?wait=50")[0] == 200
        before = call("GET", f"{address}/api/sync/runs")[1]["items"]
        dump = dump_of(url, tmp_path)
        status, output = restore(url, dump, "--replace")
        after = call("GET", f"{address}/api/sync/runs")[1]["items"]

    assert (status, len(before)) == (0, 1), output
    assert after == before
    with connect(with_database(server.url, "plain")) as conn:
        assert conn.execute("SELECT kept FROM public.of_another_program").fetchone() == (1,)
        assert conn.execute("SELECT to_regclass('public.plex_users')").fetchone() == (None,)


def test_backup_of_another_schema_says_how_to_restore_it(server: OwnServer, tmp_path: Path) -> None:
    look = Look(server.url)
    look.execute("CREATE DATABASE elsewhere")
    url = url_of(server, "elsewhere", user="postgres", options="-csearch_path%3Dwishes")
    Look(with_database(server.url, "elsewhere")).execute("CREATE SCHEMA wishes")
    migrate(url)

    status, output = restore(server.new_database(), dump_of(url, tmp_path))

    assert status == 1
    assert "was made of the schema wishes, and DATABASE_URL names the schema public" in output
    assert "?options=-csearch_path%3Dwishes" in output


def test_superuser_is_told_the_statements_that_change_it(server: OwnServer, admin: Look) -> None:
    url = server.new_database()

    status, output = ends_with(*MIGRATE, env=environment(url))
    told = [line for line in output.splitlines() if "superuser" in line]
    doctor = ends_with(*DOCTOR, env=environment(url))[1]
    for statement in re.findall(r"(CREATE (?:ROLE|DATABASE) [^;]+);", told[0]):
        admin.execute(statement)
    owner = url_of(server, "wishlist_owner", user="wishlist_owner")
    later = [ends_with(*arguments, env=environment(owner))[1] for arguments in (MIGRATE, DOCTOR)]

    assert status == 0
    assert len(told) == 1
    assert "The user postgres of DATABASE_URL is a superuser, and this service needs none." in told[0]
    assert re.search(r"warn +database +The user postgres", doctor)
    assert "migrated applied=0001_people" in later[0]
    assert "superuser" not in "".join(later)
    admin.execute("DROP DATABASE wishlist_owner WITH (FORCE)")
    admin.execute("DROP ROLE wishlist_owner")
