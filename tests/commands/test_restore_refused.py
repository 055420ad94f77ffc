"""What a restore refuses, leaving everything as it was."""

from pathlib import Path

import pytest
from psycopg import connect

from tests.support.backups import NewDatabase, dump_of, restore, shown
from tests.support.household import Household
from wishlist_service.sync import claims


@pytest.fixture
def dump(filled: Household, tmp_path: Path) -> Path:
    """A backup of three people, five titles and three sync runs."""
    return dump_of(filled.config.database_url, tmp_path)


@pytest.fixture
def empty_url(new_database: NewDatabase, template: str) -> str:
    """A migrated database with nothing in it."""
    return new_database(template)


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("CREATE TABLE theirs AS SELECT 1 AS id", "something else: theirs."),
        ("INSERT INTO wishlist_items (uid, media_type, title) VALUES ('x', 'movie', 'X')", "0 people, 1 titles and 0 "),
        (
            "INSERT INTO sync_runs (trigger, users_processed) VALUES ('manual', 1)",
            "0 people, 0 titles and 1 sync runs.",
        ),
    ],
)
def test_little_is_not_nothing(dump: Path, empty_url: str, statement: str, sentence: str) -> None:
    with connect(empty_url) as conn:
        conn.execute(statement)

    status, said = restore(empty_url, dump)

    assert (status, said.count("\n"), said.count(sentence)) == (1, 1, 1)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.6, 0.95, 0.9999])
def test_damaged_backup_changes_nothing(filled: Household, dump: Path, part: float) -> None:
    before = shown(filled.config.database_url)
    whole = dump.read_bytes()
    dump.write_bytes(whole[: int(len(whole) * part)])

    status, said = restore(filled.config.database_url, dump, "--replace")

    assert status == 1
    assert said.startswith(f"{dump} cannot be restored: pg_restore failed: ")
    assert said.endswith("Try another backup or a newer pg_restore.\n")
    assert said.count("\n") == 1
    assert shown(filled.config.database_url) == before


def test_what_is_no_backup_is_refused(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no dump at all, and long enough to be one")

    for file, reason in (("missing", "No such file"), (".", "Is a directory"), ("text", "file header")):
        status, said = restore(database_url, tmp_path / file)

        assert (status, said.count("\n")) == (1, 1)
        assert said.startswith(f"{tmp_path / file} cannot be restored: pg_restore failed: ")
        assert reason in said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('f', '0001_wishlist')",
            "it has the migration 0001_wishlist of an earlier version",
        ),
        (
            "UPDATE _yoyo_migration SET migration_hash = 'f' WHERE migration_id = '0002_titles'",
            "sql/0002_titles.sql was changed after it was applied",
        ),
    ],
)
def test_backup_of_another_version_changes_nothing(filled: Household, tmp_path: Path, change: str, reason: str) -> None:
    url = filled.config.database_url
    before = shown(url)
    with connect(url) as conn:
        fitting = conn.execute("SELECT migration_id, migration_hash FROM _yoyo_migration ORDER BY 1").fetchall()
        conn.execute(change)
    dump = dump_of(url, tmp_path)
    with connect(url) as conn:
        conn.execute("DELETE FROM _yoyo_migration")
        for migration in fitting:
            conn.execute("INSERT INTO _yoyo_migration (migration_id, migration_hash) VALUES (%s, %s)", migration)

    status, said = restore(url, dump, "--replace")

    assert (status, said.count("\n")) == (1, 1)
    assert said.startswith(f"Nothing was restored. This version cannot use what is in the file, since {reason}: ")
    assert shown(url) == before
    with connect(url) as conn:
        kept = conn.execute("SELECT migration_id, migration_hash FROM _yoyo_migration ORDER BY 1").fetchall()
    assert kept == fitting


def test_dump_without_the_list_of_migrations_is_refused(filled: Household, tmp_path: Path) -> None:
    url = filled.config.database_url
    with connect(url) as conn:
        conn.execute("DROP TABLE _yoyo_migration")

    status, said = restore(url, dump_of(url, tmp_path), "--replace")

    assert status == 1
    assert said.endswith(" is no backup of this service: it has no table _yoyo_migration.\n")


def test_dump_that_the_database_refuses_changes_nothing(filled: Household, tmp_path: Path) -> None:
    url = filled.config.database_url
    before = shown(url)
    with connect(url) as conn:
        conn.execute("CREATE SCHEMA theirs")

    status, said = restore(url, dump_of(url, tmp_path), "--replace")

    assert status == 1
    assert said.startswith('The database refused the dump and is unchanged: schema "theirs" already exists. ')
    assert shown(url) == before


def test_restore_waits_for_no_sync(household: Household, dump: Path) -> None:
    running = claims.claim(household.config, trigger="manual")

    with running.conn:
        refused = restore(household.config.database_url, dump, "--replace")

    assert refused == (1, "A sync is running. Wait for it to end, then try again.\n")


def test_database_that_is_away_is_told_in_a_sentence(dump: Path) -> None:
    status, said = restore("postgresql://nobody:secret-password@127.0.0.1:9/none", dump)

    assert status == 1
    assert said.startswith("The database is away: ")
    assert "Traceback" not in said
    assert "secret-password" not in said
