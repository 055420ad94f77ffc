"""python -m wishlist_service.restore FILE: fill the database from a backup, completely or not at all."""

import argparse
import re
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

from psycopg import Connection, Error
from psycopg.errors import DeadlockDetected

from wishlist_service import db
from wishlist_service.config import DATABASE_SETTINGS, load_config
from wishlist_service.db import ask, connect
from wishlist_service.errors import DatabaseReadOnly, DatabaseRefused, ServerRefused
from wishlist_service.migrate import migrate
from wishlist_service.postgres.programs import ProgramFailed, find_pg_restore, run
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries import media_server, notifications, server, wishes
from wishlist_service.queries.locks import migration_lock, try_sync_lock
from wishlist_service.queries.requirements import check_server
from wishlist_service.queries.schema import SQL_DIRECTORY, compare_schema, read_checksums

TRIES: Final = 10

_COPY: Final = re.compile(rb"COPY (.+?) (\(.*\) )?FROM stdin;\n")
_OURS: Final = re.compile(
    rb"COPY (?P<schema>.+)\.(?P<table>plex_users|_yoyo_migration) \((?P<columns>.*)\) FROM stdin;\n"
)
_END_OF_ROWS: Final = b"\\.\n"
# Only psql knows the first, only PostgreSQL 17 and newer the second. Both stand outside the rows.
_LEFT_OUT: Final = re.compile(rb"\\(un)?restrict |SET transaction_timeout ")


class RestoreRefused(Exception):
    """Nothing was changed. The message says why, and what to do."""


def restore(database_url: str, file: Path, *, replace: bool, keep: bool) -> str:
    """Replace the content of the database by the file's, migrate, and return a sentence about what is there now.

    keep: mark every wish of the backup as kept, because REMOVE_AFTER_SYNC may have taken its title off the watchlist.
    Raises RestoreRefused if nothing was changed, ProgramFailed without pg_restore, and OperationalError when the
    database is away.
    """
    with _script_of(file) as (script, dumped), connect(database_url, role="restore") as conn:
        found = check_server(conn, partial(connect, database_url, role="check"))
        if found.read_only:
            raise DatabaseReadOnly
        schema = server.get_quoted_schema(conn)
        if dumped != schema:
            raise RestoreRefused(
                f"{file} was made of the schema {dumped}, and DATABASE_URL names the schema {schema}. "
                f"Make the schema {dumped}, and add to DATABASE_URL: ?options=-csearch_path%3D{dumped}"
            )
        # held until after the migration, so that no sync writes into an incomplete database
        if not try_sync_lock(conn):
            raise RestoreRefused("A sync is running. Wait for it to end, then try again.")
        with migration_lock(conn):
            if not replace:
                _refuse_to_lose_anything(conn)
            _load(conn, script, schema=schema, keep=keep)
        migrated = migrate(database_url)
        ask(database_url, notifications.skip_arrivals)
    held = ask(database_url, server.count_contents)
    return (
        f"Restored {file.name}: {held.people} people, {held.titles} titles, {held.sync_runs} sync runs. "
        f"Migrated: {', '.join(migrated) or 'nothing, up to date'}."
    )


@contextmanager
def _script_of(file: Path) -> Generator[tuple[IO[bytes], str]]:
    """Yield the dump as SQL, and its schema. It is read to its end before anything is changed.

    So a damaged file fails here, and one that another program or a newer version of this one has made.
    """
    pg_restore = find_pg_restore()
    with tempfile.TemporaryFile() as script:
        try:
            options = ("--format=custom", "--no-owner", "--no-privileges", "--file=-")
            run(pg_restore, *options, str(file.absolute()), stdout=script, stop=threading.Event())
        except ProgramFailed as error:
            text = f"{file} cannot be restored: {error} Try another backup or a newer pg_restore."
            raise RestoreRefused(text) from error
        script.seek(0)
        tables: dict[bytes, bytes] = {}  # our tables that the file has, with their schema
        migrations: set[str] = set()
        for line in script:
            if found := _OURS.match(line):
                tables[found["table"]] = found["schema"]
                if found["table"] == b"_yoyo_migration":
                    place = found["columns"].split(b", ").index(b"migration_id")
                    rows = iter(script.readline, _END_OF_ROWS)
                    migrations = {row.rstrip(b"\n").split(b"\t")[place].decode() for row in rows}
        for needed in ("plex_users", "_yoyo_migration"):
            if needed.encode() not in tables:
                raise RestoreRefused(f"{file} is no backup of this service: it has no table {needed}.")
        known = read_checksums(SQL_DIRECTORY)
        if newer := sorted(name for name in migrations - known.keys() if name > max(known)):
            raise RestoreRefused(
                f"{file} holds the migration {newer[0]}, which this version does not know, so a newer version made "
                "it. Restore it with that version."
            )
        yield script, tables[b"plex_users"].decode()


def _refuse_to_lose_anything(conn: Connection) -> None:
    if server.has_tables(conn) and server.holds_anything(conn):
        held = server.count_contents(conn)
        raise RestoreRefused(
            f"The database already holds {held.people} people, {held.titles} titles and {held.sync_runs} sync runs. "
            "Use --replace to replace them. To keep a copy, run first: python -m wishlist_service.backup"
        )
    if foreign := server.list_foreign_relations(conn):
        raise RestoreRefused(
            f"The database holds something else: {', '.join(foreign)}. "
            "Use a database of its own, or --replace to erase them."
        )


def _load(conn: Connection, script: IO[bytes], *, schema: str, keep: bool) -> None:
    """Replace everything in one transaction. Try again after a deadlock with a query of the API."""
    for tries_left in reversed(range(TRIES)):
        script.seek(0)
        try:
            with conn.transaction():
                _drop_everything(conn, schema)
                _execute(conn, script)
                server.set_schema(conn, schema=schema)  # the dump empties it, but triggers need it
                compare_schema(conn)
                media_server.forget_sections(conn)
                if keep:  # needs no lock, because no one else sees these tables yet
                    wishes.keep_all(conn)
            return
        except DatabaseRefused as refused:
            raise RestoreRefused(
                f"Nothing was restored. This version cannot use what is in the file, since {refused.reason}: "
                "restore it with the version that wrote it, and export the wishlist there."
            ) from refused
        except Error as error:
            if isinstance(error, DeadlockDetected) and tries_left:
                continue
            if conn.closed:
                raise
            raise RestoreRefused(
                f"The database refused the dump and is unchanged: {str(error).strip().splitlines()[0]}. "
                "Connect as the owner of the database, and stop programs that lock its tables."
            ) from error


def _drop_everything(conn: Connection, schema: str) -> None:
    """Empty our schema, also of tables that the dump does not know. The dump makes any schema but public."""
    if schema != "public":
        server.drop_schema(conn, schema=schema)
        return
    conn.execute(
        """
        DROP SCHEMA IF EXISTS public CASCADE;
        CREATE SCHEMA public AUTHORIZATION pg_database_owner;
        COMMENT ON SCHEMA public IS 'standard public schema';
        GRANT USAGE ON SCHEMA public TO PUBLIC
        """
    )


def _execute(conn: Connection, script: IO[bytes]) -> None:
    """Run the statements of pg_restore, and copy the rows between them."""
    statements: list[bytes] = []
    for line in script:
        if _COPY.fullmatch(line):
            conn.execute(b"".join(statements))
            statements.clear()
            with conn.cursor().copy(line) as copy:
                while (row := next(script)) != _END_OF_ROWS:
                    copy.write(row)
        elif not _LEFT_OUT.match(line):
            statements.append(line)
    conn.execute(b"".join(statements))


def main() -> None:
    """Restore, and print what is there now."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.restore", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="a backup made by python -m wishlist_service.backup")
    parser.add_argument("--replace", action="store_true", help="erase what the database holds now")
    arguments = parser.parse_args()
    config = load_config(uses={*DATABASE_SETTINGS, "REMOVE_AFTER_SYNC"})
    configure_logging("ERROR", stream=sys.stderr)
    keep = config.remove_after_sync
    try:
        print(restore(config.database_url, arguments.file, replace=arguments.replace, keep=keep))
    except (RestoreRefused, ProgramFailed) as refused:
        sys.exit(str(refused))
    except (DatabaseReadOnly, ServerRefused) as refused:
        sys.exit(f"Nothing was restored. {refused}")
    except Error as error:
        sys.exit(db.explain(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. The database is unchanged, unless the restore had just ended.")


if __name__ == "__main__":
    with db.exit_on_error():
        main()
