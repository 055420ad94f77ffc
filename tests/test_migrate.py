"""Migrations: applied once, by one of many, after a killed one; and databases that are refused."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import connect
from psycopg.errors import DuplicateTable

from tests.support.household import Household
from tests.support.processes import (
    GUNICORN,
    NO_SETTINGS,
    environment,
    program,
    settings_for,
    wait_until,
    waiting_for_locks,
)
from wishlist_service.errors import DatabaseRefused
from wishlist_service.migrate import migrate
from wishlist_service.queries.schema import SQL_DIRECTORY, read_checksums

MIGRATORS = """
    SELECT FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'plex-wishlist-migrate'
    """


RELEASED = {
    "0001_people": "91ade935863c222bfebf75980190a2ba2ce6939f7a0cc378b924ef08b4756e83",
    "0002_titles": "465d764be6c15151c18b0603bed9a43012176847836fd85a934a70b9e44ef64b",
    "0003_wishes": "c060198aab6ac55277549d26b98de7fd3d7d9e8d7d39cdc75b624e96867f13ad",
    "0004_runs": "13a0d47f6be0c0220e9000c7bdc8447974bee897bb5cfcc423fd2dd2b228ef41",
    "0005_notifications": "78449ffa19d6a333d792870d24180bfba9abaf750d3270ebccc1222a04a0bcea",
}
"""The checksums of the files of `sql/` that were released."""


@pytest.fixture
def empty_url(new_database: Callable[[str | None], str]) -> str:
    return new_database(None)


def start_migrator(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wishlist_service.migrate"]
    return subprocess.Popen(
        command, env=environment(url), cwd=NO_SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_released_files_are_as_they_were_released() -> None:
    files = read_checksums(SQL_DIRECTORY)

    assert {name: files.get(name) for name in RELEASED} == RELEASED


def schema(url: str) -> list[tuple[str, ...]]:
    with connect(url) as conn:
        return conn.execute(
            """
            SELECT table_name, column_name, data_type
              FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name NOT LIKE '%%yoyo%%'
          ORDER BY 1, 2
            """
        ).fetchall()


def everything(url: str) -> list[tuple[Any, ...]]:
    """Every relation and function with its definition's last change, and every applied migration."""
    with connect(url) as conn:
        found = conn.execute(
            """
            SELECT 'relation', relname::text, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
             UNION ALL
            SELECT 'function', proname::text, xmin::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
          ORDER BY 1, 2, 3
            """
        ).fetchall()
        return found + conn.execute("SELECT * FROM _yoyo_migration ORDER BY migration_id").fetchall()


def copy_of_files(directory: Path) -> Path:
    return shutil.copytree(SQL_DIRECTORY, directory / "sql")


def test_second_migration_has_nothing_to_do(empty_url: str) -> None:
    assert migrate(empty_url) == [path.stem for path in sorted(SQL_DIRECTORY.glob("*.sql"))]
    before = everything(empty_url)

    assert migrate(empty_url) == []
    assert everything(empty_url) == before


def test_database_from_a_file_that_was_changed_since_is_refused_untouched(empty_url: str, tmp_path: Path) -> None:
    files = copy_of_files(tmp_path)
    migrate(empty_url, directory=files)
    before = everything(empty_url)
    with (files / "0002_titles.sql").open("a") as file:
        file.write("-- a comment more\n")
    (files / "0099_more.sql").write_text("CREATE TABLE more (id integer);\n")

    with pytest.raises(DatabaseRefused, match=r"sql/0002_titles\.sql was changed after it was applied: back it up and"):
        migrate(empty_url, directory=files)

    assert everything(empty_url) == before


@pytest.mark.slow
def test_line_ends_do_not_count_as_a_change(empty_url: str, tmp_path: Path) -> None:
    migrate(empty_url)
    files = copy_of_files(tmp_path)
    for path in files.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert migrate(empty_url, directory=files) == []


def test_database_of_an_earlier_version_is_refused_untouched(empty_url: str) -> None:
    with connect(empty_url) as conn:  # as version 0.1.0 left it, when yoyo stored the hash of the name
        conn.execute(
            """
            CREATE TABLE _yoyo_migration (
                migration_hash varchar(64) PRIMARY KEY, migration_id varchar(255), applied_at_utc timestamp);
            INSERT INTO _yoyo_migration (migration_hash, migration_id)
            SELECT encode(sha256(name::bytea), 'hex'), name
              FROM unnest('{0001_wishlist,0002_names_and_requests,0009_item_documents}'::text[]) AS name;
            CREATE TABLE plex_users (id integer PRIMARY KEY, name text)
            """
        )
    before = everything(empty_url)

    migrator = start_migrator(empty_url)
    output = migrator.communicate(timeout=60)[0]

    assert migrator.returncode == 1
    assert output == (
        "This version cannot use the database, since it has the migration 0001_wishlist of an earlier version: "
        "back it up and export the wishlist with the version that made it, or use a new database.\n"
    )
    assert everything(empty_url) == before


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "status"), [(GUNICORN, 4), (("-m", "wishlist_service.scheduler"), 1)])
def test_database_of_another_version_stops_the_start(
    household: Household, arguments: tuple[str, ...], status: int
) -> None:
    household.conn.execute("UPDATE _yoyo_migration SET migration_hash = 'f' WHERE migration_id = '0002_titles'")

    with program(*arguments, env=settings_for(household)) as started:
        assert started.exit_status() == status

    sentence = "This version cannot use the database, since sql/0002_titles.sql was changed after it was applied: "
    assert started.output.count(sentence) == 1, started.output
    assert "Traceback" not in started.output
    assert started.output.count("Booting worker") <= 1  # gunicorn does not try again


@pytest.mark.slow
def test_newer_database_is_left_as_it_is(empty_url: str, tmp_path: Path) -> None:
    newer = copy_of_files(tmp_path)
    (newer / "0099_more.sql").write_text("CREATE TABLE more (id integer);\n")
    migrate(empty_url, directory=newer)
    before = everything(empty_url)

    assert migrate(empty_url) == []
    assert everything(empty_url) == before


@pytest.mark.slow
def test_failing_file_undoes_those_before_it(empty_url: str, tmp_path: Path) -> None:
    files = copy_of_files(tmp_path)
    (files / "0099_more.sql").write_text("CREATE TABLE more (id integer);\nCREATE TABLE more (id integer);\n")

    with pytest.raises(DuplicateTable):
        migrate(empty_url, directory=files)

    assert schema(empty_url) == []
    assert migrate(empty_url)[0] == "0001_people"


@pytest.mark.slow
def test_foreign_table_in_the_way_is_told_in_a_sentence(empty_url: str) -> None:
    with connect(empty_url) as conn:
        conn.execute("CREATE TABLE wishlist_items (theirs integer)")

    migrator = start_migrator(empty_url)
    output = migrator.communicate(timeout=60)[0]

    assert migrator.returncode == 1
    assert output.startswith('Nothing was migrated: relation "wishlist_items" already exists. ')
    assert schema(empty_url) == [("wishlist_items", "theirs", "integer")]


@pytest.mark.slow
def test_several_migrators_at_once_all_end_well(empty_url: str) -> None:
    migrators = [start_migrator(empty_url) for _ in range(3)]
    outputs = [migrator.communicate(timeout=60)[0] for migrator in migrators]

    assert [migrator.returncode for migrator in migrators] == [0, 0, 0], outputs
    assert sum("applied=0001_people" in output for output in outputs) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_migrator_ended_in_the_middle_leaves_nothing_half_done(empty_url: str, number: signal.Signals) -> None:
    with connect(empty_url) as hold:
        hold.execute("CREATE TABLE news_addresses (id int)")  # uncommitted: the last file waits for it
        killed = start_migrator(empty_url)
        with connect(empty_url, autocommit=True) as look:
            wait_until(lambda: waiting_for_locks(look) == 1)
            killed.send_signal(number)
            killed.communicate()
            hold.rollback()
            wait_until(lambda: not look.execute(MIGRATORS).rowcount)
            assert schema(empty_url) == []
            assert look.execute("SELECT FROM _yoyo_migration").rowcount == 0

    assert migrate(empty_url)[0] == "0001_people"
    assert ("wishlist_items", "uid", "text") in schema(empty_url)


@pytest.mark.slow
@pytest.mark.parametrize("doomed", [0, 1], ids=["the one at work", "the one in wait"])
def test_of_two_migrators_at_once_one_killed_the_other_ends_well(empty_url: str, doomed: int) -> None:
    with connect(empty_url) as hold, connect(empty_url, autocommit=True) as look:
        hold.execute("CREATE TABLE wishlist_items (id int)")  # uncommitted: the migration waits for it
        migrators: list[subprocess.Popen[str]] = []
        for at_once in (1, 2):  # the second waits for the first
            migrators.append(start_migrator(empty_url))
            wait_until(lambda at_once=at_once: waiting_for_locks(look) == at_once)
        killed, other = migrators.pop(doomed), migrators[0]
        killed.kill()
        killed.communicate()
        hold.rollback()
        output = other.communicate(timeout=60)[0]

    assert other.returncode == 0, output
    assert "applied=0001_people," in output
    assert ("wishlist_items", "uid", "text") in schema(empty_url)
    assert migrate(empty_url) == []


@pytest.mark.slow
def test_database_named_by_the_environment_is_the_one_migrated(empty_url: str) -> None:
    scheme, _, rest = empty_url.partition("://")
    server, _, after = rest.partition("/")
    name, _, query = after.partition("?")
    env = environment(f"{scheme}://{server}/?{query}") | {"PGDATABASE": name}

    command = [sys.executable, "-m", "wishlist_service.migrate"]
    subprocess.run(command, env=env, cwd=NO_SETTINGS, check=True, stdout=subprocess.DEVNULL)

    assert ("wishlist_items", "uid", "text") in schema(empty_url)


def test_directory_without_migrations_is_an_error(empty_url: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No migrations"):
        migrate(empty_url, directory=tmp_path)


@pytest.mark.slow
def test_database_that_is_away_is_told_in_a_sentence() -> None:
    migrator = start_migrator("postgresql://nobody:secret-password@127.0.0.1:9/none")
    output = migrator.communicate(timeout=60)[0]

    assert migrator.returncode == 1
    assert "Check DATABASE_URL" in output
    assert "Traceback" not in output
    assert "secret-password" not in output
