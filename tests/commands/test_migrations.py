"""Migrations: applied once, by one of many, after a killed one, and undone."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import connect
from psycopg.errors import RaiseException

from tests.support.backups import undo_migrations
from tests.support.household import Household
from tests.support.keeping import ALPHA
from tests.support.processes import NO_SETTINGS, environment, wait_until, waiting_for_locks
from wishlist_service.migrate import SQL_DIRECTORY, migrate


@pytest.fixture
def empty_url(new_database: Callable[[str | None], str]) -> str:
    return new_database(None)


def start_migrator(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "wishlist_service.migrate"]
    return subprocess.Popen(
        command, env=environment(url), cwd=NO_SETTINGS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


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


def test_second_migration_has_nothing_to_do(empty_url: str) -> None:
    assert migrate(empty_url) == [
        path.stem for path in sorted(SQL_DIRECTORY.glob("*.sql")) if ".rollback" not in path.name
    ]
    assert migrate(empty_url) == []


def test_every_migration_can_be_undone_and_done_again(empty_url: str) -> None:
    migrate(empty_url)
    before = schema(empty_url)

    undo_migrations(empty_url, down_to="0001")

    assert schema(empty_url) == []
    migrate(empty_url)
    assert schema(empty_url) == before


def test_kept_wishes_stop_the_way_back_to_a_version_that_would_lose_them(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.sync()
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now()")

    with pytest.raises(RaiseException, match="an older version would take each for removed"):
        undo_migrations(household.config.database_url, down_to="0005")

    assert household.titles("Ann") == ["Alpha"]
    migrate(household.config.database_url)


def test_migration_whose_mark_was_lost_can_run_again(empty_url: str) -> None:
    migrate(empty_url)
    with connect(empty_url) as conn:
        conn.execute(
            "INSERT INTO plex_users (name, plex_token, token_fingerprint, token_masked) VALUES ('a', 'b', 'c', 'd')"
        )
        conn.execute("DELETE FROM _yoyo_migration")

    assert migrate(empty_url)

    with connect(empty_url) as conn:
        assert conn.execute("SELECT count(*) FROM plex_users").fetchone() == (1,)


def test_several_migrators_at_once_all_end_well(empty_url: str) -> None:
    migrators = [start_migrator(empty_url) for _ in range(3)]
    outputs = [migrator.communicate(timeout=60)[0] for migrator in migrators]

    assert [migrator.returncode for migrator in migrators] == [0, 0, 0], outputs
    assert sum("applied=0001" in output for output in outputs) == 1


def test_killed_migrator_does_not_block_the_next(empty_url: str) -> None:
    with connect(empty_url) as hold:
        hold.execute("CREATE TABLE wishlist_items (id int)")  # uncommitted: the migration waits for it
        killed = start_migrator(empty_url)
        with connect(empty_url, autocommit=True) as look:
            wait_until(lambda: waiting_for_locks(look) == 1)
            assert look.execute("SELECT count(*) FROM yoyo_lock").fetchone() == (1,)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        hold.rollback()

    assert migrate(empty_url)[0] == "0001_wishlist"
    assert ("wishlist_items", "uid", "text") in schema(empty_url)


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
    assert "applied=0001_wishlist," in output
    assert ("wishlist_items", "uid", "text") in schema(empty_url)
    assert migrate(empty_url) == []


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


def test_database_that_is_away_is_told_in_a_sentence() -> None:
    migrator = start_migrator("postgresql://nobody:secret-password@127.0.0.1:9/none")
    output = migrator.communicate(timeout=60)[0]

    assert migrator.returncode == 1
    assert "Check DATABASE_URL" in output
    assert "Traceback" not in output
    assert "secret-password" not in output
