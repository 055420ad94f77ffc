"""python -m wishlist_service.restore FILE: fill the database from a backup, completely or not at all."""

import argparse
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final

from psycopg import Connection, Error
from psycopg.errors import DeadlockDetected

from wishlist_service import db
from wishlist_service.config import DATABASE_SETTINGS, load_config
from wishlist_service.db import ask, connect
from wishlist_service.errors import DatabaseReadOnly, DatabaseRefused, ServerRefused
from wishlist_service.migrate import apply_migrations, migrate
from wishlist_service.postgres.dumps import COPY, Entry, find_statements, list_entries, read_rows, script_of
from wishlist_service.postgres.programs import ProgramFailed, find_pg_restore
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries import media_server, notifications, server, wishes
from wishlist_service.queries.locks import migration_lock, try_sync_lock
from wishlist_service.queries.requirements import check_server
from wishlist_service.queries.schema import SQL_DIRECTORY, YOYO, Objects, compare, read_objects

TRIES: Final = 10

_YOYO: Final = "_yoyo_migration"


class RestoreRefused(Exception):
    """Nothing was changed. The message says why, and what to do."""


@dataclass(frozen=True)
class _Rows:
    """What a backup has for our tables: nothing else of it reaches the database."""

    script: IO[bytes]
    tables: list[tuple[bytes, int]]
    """The COPY of each table that has rows of ours, and where its rows begin in the script."""
    sequences: list[tuple[str, int, bool]]
    """The name of each sequence, its number, and whether that was given out."""
    migrations: list[str]
    """The names of those that the database of the backup had."""


def restore(database_url: str, file: Path, *, replace: bool, keep: bool, directory: Path = SQL_DIRECTORY) -> str:
    """Replace the content of the database by the file's rows, and return a sentence about what is there now.

    keep: mark every wish of the backup as kept, because REMOVE_AFTER_SYNC may have taken its title off the watchlist.
    Raises RestoreRefused if nothing was changed, ProgramFailed without pg_restore, and OperationalError when the
    database is away.
    """
    with connect(database_url, role="restore") as conn:
        found = check_server(conn, partial(connect, database_url, role="check"))
        if found.read_only:
            raise DatabaseReadOnly
        schema = server.get_quoted_schema(conn)
        with _rows_of(file, schema=str(found.schema), quoted=schema, directory=directory) as rows:
            # held until after the migration, so that no sync writes into an incomplete database
            if not try_sync_lock(conn):
                raise RestoreRefused("A sync is running. Wait for it to end, then try again.")
            with migration_lock(conn):
                if not replace:
                    _refuse_to_lose_anything(conn)
                _load(conn, rows, schema=schema, keep=keep, directory=directory)
        migrated = migrate(database_url, directory=directory)
    held = ask(database_url, server.count_contents)
    return (
        f"Restored {file.name}: {held.people} people, {held.titles} titles, {held.sync_runs} sync runs. "
        f"Migrated: {', '.join(migrated) or 'nothing, up to date'}."
    )


@contextmanager
def _rows_of(file: Path, *, schema: str, quoted: str, directory: Path) -> Generator[_Rows]:
    """Yield the rows of our tables. The whole file is read and checked before anything is changed.

    So a damaged file fails here, and one that another program or a newer version of this one has made.
    """
    find_pg_restore()
    try:
        entries = list_entries(file)
        migrations = _check_version(file, entries, schema=schema, directory=directory)
        ours = read_objects(directory, only=migrations)
        chosen = _choose(file, entries, ours, schema=schema)
        with script_of(file, chosen) as script:
            yield _find_rows(file, script, ours, quoted=quoted, migrations=migrations)
    except ProgramFailed as error:
        text = f"{file} cannot be restored: {error} Try another backup or a newer pg_restore."
        raise RestoreRefused(text) from error


def _check_version(file: Path, entries: list[Entry], *, schema: str, directory: Path) -> list[str]:
    """Return the migrations of the backup.

    Refuse what is none of this service, is of another schema, or was made by a version that this one does not continue.
    """
    found: dict[str, Entry] = {}
    for table in ("plex_users", _YOYO):
        places = {
            place[1]: entry for entry in entries if (place := re.match(rf"TABLE DATA (.+) {table} ", entry.text + " "))
        }
        if not places:
            raise RestoreRefused(f"{file} is no backup of this service: it has no table {table}.")
        if schema not in places:
            dumped = min(places)
            raise RestoreRefused(
                f"{file} was made of the schema {dumped}, and DATABASE_URL names the schema {schema}. "
                f"Make the schema {dumped}, and add to DATABASE_URL: ?options=-csearch_path%3D{dumped}"
            )
        found[table] = places[schema]
    applied: dict[str, str] = {}
    with script_of(file, [found[_YOYO]]) as script:
        for copy in find_statements(script):
            names = copy["columns"].decode().split(", ")
            for row in read_rows(script):
                values = dict(zip(names, row.decode(errors="replace").rstrip("\n").split("\t"), strict=False))
                applied[values.get("migration_id", "")] = values.get("migration_hash", "")
    try:
        version = compare(applied, directory=directory)
        if version.missing and version.missing[0] < max(applied, default=""):
            raise DatabaseRefused(f"it lacks the migration {version.missing[0]}")
    except DatabaseRefused as refused:
        raise RestoreRefused(
            f"Nothing was restored. This version cannot use what is in the file, since {refused.reason}: "
            "restore it with the version that wrote it, and export the wishlist there."
        ) from refused
    if version.newer:
        raise RestoreRefused(
            f"{file} holds the migration {version.newer[0]}, which this version does not know, so a newer version made "
            "it. Restore it with that version."
        )
    return sorted(applied)


def _choose(file: Path, entries: list[Entry], ours: Objects, *, schema: str) -> list[Entry]:
    """Return the entries with rows and numbers of our tables. Refuse a file with entries that are not ours."""
    names = {f"{kind} {schema} {name}": (kind, name) for kind, name in ours.entries}
    for kind in ("SCHEMA", "EXTENSION"):  # in no schema
        for name in [schema, *(name for each, name in ours.entries if each == "EXTENSION")]:
            names |= {f"{kind} - {name}": (kind, name), f"COMMENT - {kind} {name}": ("COMMENT", name)}
    found: dict[Entry, str] = {}  # what is left of each of our entries: the owner
    for entry in entries:
        for place in re.finditer(r" |$", entry.text):
            if entry.text[: place.start()] in names:
                found[entry] = entry.text[: place.start()]
    owners = {entry.text.removeprefix(name) for entry, name in found.items()}
    if len({owner.strip() for owner in owners if owner.strip()}) > 1:  # "a b" may be a longer name, and its owner b
        found = {entry: name for entry, name in found.items() if " " not in entry.text.removeprefix(name).strip()}
    if foreign := [entry.text for entry in entries if entry not in found]:
        raise RestoreRefused(
            f"{file} holds something that this version does not make: {'; '.join(foreign[:5])}. Nothing was changed. "
            "If you need it, restore the file into another database with pg_restore, drop it there, and back up again."
        )
    by_name = {names[name]: entry for entry, name in found.items()}
    backed_up = [table for table in ours.tables if table not in server.NOT_BACKED_UP]
    for table in backed_up:
        if ("TABLE DATA", table) not in by_name:
            raise RestoreRefused(f"{file} is no complete backup of this service: it has no rows of the table {table}.")
    # in the order of sql/, so that rows come after those that they refer to; yoyo's only to read the file to its end
    tables = [by_name["TABLE DATA", table] for table in backed_up]
    others = {("TABLE DATA", table) for table in YOYO}
    return tables + [entry for name, entry in by_name.items() if name[0] == "SEQUENCE SET" or name in others]


def _find_rows(file: Path, script: IO[bytes], ours: Objects, *, quoted: str, migrations: list[str]) -> _Rows:
    tables = {f"{quoted}.{table}": columns for table, columns in ours.tables.items()}
    ignored = {f"{quoted}.{table}" for table in YOYO}
    numbered = {f"{quoted}.{name}" for kind, name in ours.entries if kind == "SEQUENCE SET"}
    rows = _Rows(script, [], [], migrations)
    for statement in find_statements(script):
        if statement.re is COPY:
            table = statement["table"].decode(errors="replace")
            columns = statement["columns"].decode(errors="replace").replace('"', "").split(", ")
            if table not in ignored:
                _check_columns(file, table, columns, known=tables)
                rows.tables.append((statement[0], script.tell()))
            for _ in read_rows(script):
                pass
        else:
            sequence = statement["sequence"].decode(errors="replace").replace("''", "'")
            if sequence not in numbered:
                raise RestoreRefused(f"{file} sets the sequence {sequence}, which this version does not have.")
            rows.sequences.append((sequence, int(statement["number"]), statement["called"] == b"true"))
    return rows


def _check_columns(file: Path, table: str, columns: list[str], *, known: dict[str, set[str]]) -> None:
    unknown = [f"the column {column} of {table}" for column in columns if column not in known.get(table, ())]
    if unknown:
        what = unknown[0] if table in known else f"rows of {table}"
        raise RestoreRefused(f"{file} holds {what}, which this version does not have. Nothing was changed.")


def _refuse_to_lose_anything(conn: Connection) -> None:
    if server.has_tables(conn) and server.holds_anything(conn):
        held = server.count_contents(conn)
        raise RestoreRefused(
            f"The database already holds {held.people} people, {held.titles} titles and {held.sync_runs} sync runs. "
            "Use --replace to replace them. To keep a copy, run first: python -m wishlist_service.backup"
        )
    objects = read_objects()
    ours = [name for kind, name in objects.entries if kind in ("TABLE", "VIEW", "SEQUENCE")]
    if foreign := server.list_foreign_relations(conn, ours=ours):
        raise RestoreRefused(
            f"The database holds something else: {', '.join(foreign)}. "
            "Use a database of its own, or --replace to erase them."
        )


def _load(conn: Connection, rows: _Rows, *, schema: str, keep: bool, directory: Path) -> None:
    """Replace everything in one transaction. Try again after a deadlock with a query of the API."""
    for tries_left in reversed(range(TRIES)):
        try:
            with conn.transaction():
                _drop_everything(conn, schema)
                apply_migrations(conn, directory=directory, only=rows.migrations)
                always = server.disable_triggers(conn)  # the rows are as triggers left them
                _copy(conn, rows)
                media_server.forget_sections(conn)
                notifications.skip_arrivals(conn)
                server.enable_triggers(conn, always=always)
                if keep:  # needs no lock, because no one else sees these tables yet
                    wishes.keep_all(conn)
            return
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
    """Empty our schema, also of tables that this version does not know."""
    if schema != "public":
        server.renew_schema(conn, schema=schema)
        return
    conn.execute(
        """
        DROP SCHEMA IF EXISTS public CASCADE;
        CREATE SCHEMA public AUTHORIZATION pg_database_owner;
        COMMENT ON SCHEMA public IS 'standard public schema';
        GRANT USAGE ON SCHEMA public TO PUBLIC
        """
    )


def _copy(conn: Connection, rows: _Rows) -> None:
    """Copy the rows into new tables, of which only sync_state has one."""
    conn.execute("DELETE FROM sync_state")
    for copy, begin in rows.tables:
        rows.script.seek(begin)
        with conn.cursor().copy(copy) as copying:
            for row in read_rows(rows.script):
                copying.write(row)
    for sequence, number, called in rows.sequences:
        server.set_sequence(conn, sequence=sequence, number=number, called=called)


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
