"""Compares databases and backups with the files in sql/, for migrate, API, scheduler, doctor and restore."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from psycopg import Connection

from wishlist_service.db import value
from wishlist_service.errors import DatabaseRefused

SQL_DIRECTORY: Final = Path(__file__).parent.parent.parent / "sql"
YOYO: Final = ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock")
"""The tables in which yoyo notes what it has applied."""

# each statement of sql/ that makes something, and each constraint and identity column inside CREATE TABLE
_MADE: Final = re.compile(
    r"^ *(?:"
    r"CREATE (?P<kind>TABLE|VIEW|FUNCTION) (?P<name>\w+)"
    r"|CREATE (?:UNIQUE )?INDEX (?P<index>\w+)"
    r"|CREATE TRIGGER (?P<trigger>\w+) .* ON (?P<on>\w+)$"
    r"|CREATE EXTENSION IF NOT EXISTS (?P<extension>\w+)"
    r"|COMMENT ON COLUMN (?P<owner>\w+)\.(?P<column>\w+)"
    r"|CONSTRAINT (?P<constraint>\w+) (?P<what>PRIMARY|UNIQUE|FOREIGN|CHECK)"
    r"|(?P<identity>\w+) +\w+ GENERATED ALWAYS AS IDENTITY"
    r")",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Schema:
    """How a usable database differs from the files: sorted names of migrations."""

    missing: list[str]
    newer: list[str]
    """Applied by a newer version of this service."""


@dataclass(frozen=True)
class Objects:
    """What the files in sql/ make, and yoyo."""

    tables: dict[str, set[str]]
    """The columns of each table. A table stands after those that it refers to."""
    entries: set[tuple[str, str]]
    """Kind and name as in the contents of a backup, functions without their arguments."""


def compare_schema(conn: Connection, *, directory: Path = SQL_DIRECTORY) -> Schema:
    """Return which migrations the database lacks, and which it has from a newer version.

    Raises DatabaseRefused if it was made from files that have changed since, or from those of an earlier version.
    """
    return compare(get_applied_migrations(conn), directory=directory)


def compare(applied: Mapping[str, str], *, directory: Path = SQL_DIRECTORY) -> Schema:
    """Do the same for applied migrations by name, with their checksums."""
    known = read_checksums(directory)
    if changed := sorted(name for name in known.keys() & applied.keys() if known[name] != applied[name]):
        raise DatabaseRefused(f"sql/{changed[0]}.sql was changed after it was applied")
    unknown = applied.keys() - known.keys()
    newer = sorted(name for name in unknown if name > max(known))  # migrations are only ever added at the end
    if before := sorted(unknown.difference(newer)):
        raise DatabaseRefused(f"it has the migration {before[0]} of an earlier version")
    return Schema(missing=sorted(known.keys() - applied.keys()), newer=newer)


def read_objects(directory: Path = SQL_DIRECTORY, *, only: Collection[str] | None = None) -> Objects:
    """Return what the files make. `only`: the names of the files that count; None for all."""
    tables: dict[str, set[str]] = {}
    entries = {("TABLE", table) for table in YOYO} | {("CONSTRAINT", f"{table} {table}_pkey") for table in YOYO}
    entries |= {("TABLE DATA", table) for table in YOYO}
    for path in sorted(path for path in directory.glob("*.sql") if only is None or path.stem in only):
        table = ""
        for made in _MADE.finditer(path.read_text(encoding="utf-8")):
            if made["kind"]:
                table = made["name"]
            if made["kind"] == "TABLE":
                tables[table] = set()
            if made["column"] and made["owner"] in tables:
                tables[made["owner"]].add(made["column"])
            entries.update(_entries_of(made, table))
    return Objects(tables, entries)


def _entries_of(made: re.Match[str], table: str) -> Iterator[tuple[str, str]]:
    if made["kind"]:
        yield made["kind"], made["name"]
        yield "COMMENT", f"{made['kind']} {made['name']}"
    if made["kind"] == "TABLE":
        yield "TABLE DATA", made["name"]
    if made["index"]:
        yield "INDEX", made["index"]
    if made["trigger"]:
        yield "TRIGGER", f"{made['on']} {made['trigger']}"
    if made["extension"]:
        yield "EXTENSION", made["extension"]
        yield "COMMENT", f"EXTENSION {made['extension']}"
    if made["column"]:
        yield "COMMENT", f"COLUMN {made['owner']}.{made['column']}"
    if made["constraint"]:
        yield "FK CONSTRAINT" if made["what"] == "FOREIGN" else "CONSTRAINT", f"{table} {made['constraint']}"
    if made["identity"]:
        yield "SEQUENCE", f"{table}_{made['identity']}_seq"
        yield "SEQUENCE SET", f"{table}_{made['identity']}_seq"


def read_checksums(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each migration by its name. Line endings make no difference."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in directory.glob("*.sql")}  # line ends become \n
    if not texts:
        raise FileNotFoundError(f"No migrations in {directory}.")
    return {name: sha256(text.encode()).hexdigest() for name, text in texts.items()}


def get_applied_migrations(conn: Connection) -> dict[str, str]:
    """Return the checksum of each applied migration by its name; empty if the database was never migrated.

    migrate.py stores the checksum in yoyo's column migration_hash.
    """
    if value(conn, "SELECT to_regclass('_yoyo_migration') IS NULL"):
        return {}
    return dict(conn.execute("SELECT migration_id, migration_hash FROM _yoyo_migration").fetchall())
