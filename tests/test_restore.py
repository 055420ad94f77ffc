"""Restoring: the whole backup or nothing of it, and what is refused."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection, connect

from tests.support.backups import NewDatabase, dump_of, restore, shown, shown_by
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.keeping import ALPHA, BETA, GAMMA, kept, two_hours_pass
from tests.support.processes import Program, environment, program, wait_until, waiting_for_locks
from wishlist_service.migrate import migrate
from wishlist_service.queries.locks import try_sync_lock
from wishlist_service.queries.schema import SQL_DIRECTORY
from wishlist_service.restore import restore as restore_file
from wishlist_service.sync import claims
from wishlist_service.tokens import TokenCipher

pytestmark = pytest.mark.slow


@pytest.fixture
def dump(filled: Household, tmp_path: Path) -> Path:
    """A backup of three people, five titles and three sync runs."""
    return dump_of(filled.config.database_url, tmp_path)


@pytest.fixture
def empty_url(new_database: NewDatabase, template: str) -> str:
    """A migrated database with nothing in it."""
    return new_database(template)


@contextmanager
def half_way(url: str, dump: Path, *arguments: str) -> Iterator[tuple[Program, Connection]]:
    """A restore that waits within its transaction for a table that somebody reads."""
    with connect(url) as reader, connect(url, autocommit=True) as look:
        reader.execute("LOCK TABLE wishlist_items IN ACCESS SHARE MODE")
        with program("-m", "wishlist_service.restore", str(dump), *arguments, env=environment(url)) as command:
            wait_until(lambda: waiting_for_locks(look) or command.process.poll() is not None)
            assert command.process.poll() is None, command.output
            yield command, look


@pytest.mark.parametrize("migrated", [True, False])
def test_restored_database_gives_the_same_replies(
    filled: Household, dump: Path, empty_url: str, new_database: NewDatabase, cipher: TokenCipher, migrated: bool
) -> None:
    url = empty_url if migrated else new_database(None)

    said = restore(url, dump)

    summary = "3 people, 5 titles, 3 sync runs. Migrated: nothing, up to date."
    assert said == (0, f"Restored {dump.name}: {summary}\n")
    assert shown(url) == shown(filled.config.database_url)
    with connect(url) as conn:
        tokens = [
            cipher.decrypt(stored, owner=user_id)
            for user_id, stored in conn.execute("SELECT id, plex_token FROM plex_users ORDER BY id")
        ]
    assert tokens == [f"token-of-{name}-0123456789" for name in ("ann", "ben", "cleo")]


def test_database_that_holds_something_is_left_alone_unless_replace_is_given(
    household: Household, dump: Path, client: FlaskClient
) -> None:
    before = shown_by(client)
    household.add("Dora", [row("9", "Zeta")])
    household.sync()
    after = shown_by(client)

    refused = restore(household.config.database_url, dump)

    assert refused[0] == 1
    assert refused[1].startswith("The database already holds 4 people, 6 titles and 4 sync runs. Use --replace ")
    assert shown_by(client) == after
    # the connections of the API live on
    assert restore(household.config.database_url, dump, "--replace")[0] == 0
    assert [shown_by(client) for _ in range(6)] == [before] * 6


def test_new_installation_whose_scheduler_has_begun_counts_as_empty(dump: Path, empty_url: str) -> None:
    with connect(empty_url) as conn:
        conn.execute("INSERT INTO sync_runs (trigger, status) VALUES ('scheduled', 'succeeded')")

    assert restore(empty_url, dump)[0] == 0


def test_restore_killed_half_way_leaves_the_old_content(
    household: Household, conn: Connection[Any], tmp_path: Path
) -> None:
    url = household.config.database_url
    dump = dump_of(url, tmp_path)
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    before = shown(url)

    with half_way(url, dump, "--replace") as (command, look):
        assert not try_sync_lock(look)
        command.end(signal.SIGKILL)

    wait_until(lambda: not conn.execute("SELECT FROM pg_stat_activity WHERE application_name ~ 'restore'").rowcount)
    assert shown(url) == before


def test_what_a_newer_schema_has_more_goes(filled: Household, conn: Connection[Any], dump: Path) -> None:
    url = filled.config.database_url
    before = shown(url)
    conn.execute(
        """
        CREATE TABLE newer (user_id integer REFERENCES plex_users);
        ALTER TABLE plex_users ADD COLUMN newer text NOT NULL DEFAULT 'x';
        CREATE VIEW newest AS SELECT newer FROM plex_users
        """
    )

    status, _ = restore(url, dump, "--replace")

    assert status == 0
    assert conn.execute("SELECT to_regclass('newer') AS a, to_regclass('newest') AS b").fetchone() == {
        "a": None,
        "b": None,
    }
    assert shown(url) == before


def test_restore_tries_again_when_it_and_a_query_wait_for_each_other(
    filled: Household, conn: Connection[Any], dump: Path
) -> None:
    url = filled.config.database_url
    before = shown(url)
    # the restore is to be the one that finds the deadlock
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET deadlock_timeout = '3s'")

    with connect(url) as query:
        query.execute("SET deadlock_timeout = '1min'; LOCK TABLE plex_users IN ACCESS SHARE MODE")
        with program("-m", "wishlist_service.restore", str(dump), "--replace", env=environment(url)) as command:
            wait_until(lambda: conn.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount)
            held = conn.execute(
                """
                SELECT relation::regclass::text AS name
                  FROM pg_locks
                  JOIN pg_class ON pg_class.oid = relation AND relkind = 'r' AND relnamespace = 'public'::regnamespace
                 WHERE granted AND mode = 'AccessExclusiveLock' AND relation <> 'plex_users'::regclass
                """
            ).fetchone()
            assert held is not None
            query.execute(f"LOCK TABLE {held['name']} IN ACCESS SHARE MODE")  # had when the restore has given up
            query.rollback()

            assert command.exit_status() == 0

    assert command.output.startswith("Restored ")
    assert shown(url) == before


def test_restored_wishes_outlive_their_absence_and_follow_the_list_if_they_are_on_it(
    household: Household, tmp_path: Path
) -> None:
    ann = household.add("Ann", [ALPHA, BETA])
    household.add("Ben", [GAMMA])
    household.sync()
    dump = dump_of(household.config.database_url, tmp_path)
    ann.rows = [BETA]  # as REMOVE_AFTER_SYNC took it off after the backup

    assert restore(household.config.database_url, dump, "--replace", REMOVE_AFTER_SYNC="true")[0] == 0

    assert [household.sync().removed_items for _ in range(2)] == [0, 0]
    assert (kept(household), kept(household, "Ben")) == (["Alpha", "Beta"], ["Gamma"])
    two_hours_pass(household)
    assert [household.sync().removed_items for _ in range(2)] == [0, 0]
    assert (kept(household), kept(household, "Ben")) == (["Alpha"], [])
    assert household.titles("Ann") == ["Alpha", "Beta"]


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
        (
            "DELETE FROM _yoyo_migration WHERE migration_id = '0003_wishes'",
            "it lacks the migration 0003_wishes",
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


def test_backup_of_an_earlier_version_is_restored_and_migrated(filled: Household, tmp_path: Path) -> None:
    url, directory = filled.config.database_url, tmp_path / "sql"
    before, dump = shown(url), dump_of(url, tmp_path)
    shutil.copytree(SQL_DIRECTORY, directory)
    (directory / "0006_later.sql").write_text("""
        CREATE TABLE moods (mood text NOT NULL);
        COMMENT ON COLUMN moods.mood IS 'How it feels.';
        ALTER TABLE wishlist_items ADD COLUMN mood text DEFAULT 'calm';
        COMMENT ON COLUMN wishlist_items.mood IS 'As in moods.';
    """)
    migrate(url, directory=directory)

    said = restore_file(url, dump, replace=True, keep=False, directory=directory)

    assert said.endswith("Migrated: 0006_later.")
    with connect(url) as conn:
        assert conn.execute("SELECT DISTINCT mood FROM wishlist_items").fetchall() == [("calm",)]
        assert conn.execute("SELECT FROM moods").rowcount == 0
    assert shown(url) == before


def test_dump_without_the_list_of_migrations_is_refused(filled: Household, tmp_path: Path) -> None:
    url = filled.config.database_url
    with connect(url) as conn:
        conn.execute("DROP TABLE _yoyo_migration")

    status, said = restore(url, dump_of(url, tmp_path), "--replace")

    assert status == 1
    assert said.endswith(" is no backup of this service: it has no table _yoyo_migration.\n")


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
