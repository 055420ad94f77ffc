"""Compares a database with the files in sql/, for migrate, API, scheduler, doctor and restore."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from psycopg import Connection

from wishlist_service.db import value
from wishlist_service.errors import DatabaseRefused

SQL_DIRECTORY: Final = Path(__file__).parent.parent.parent / "sql"


@dataclass(frozen=True)
class Schema:
    """How a usable database differs from the files: sorted names of migrations."""

    missing: list[str]
    newer: list[str]
    """Applied by a newer version of this service."""


def compare_schema(conn: Connection, *, directory: Path = SQL_DIRECTORY) -> Schema:
    """Return which migrations the database lacks, and which it has from a newer version.

    Raises DatabaseRefused if it was made from files that have changed since, or from those of an earlier version.
    """
    known = read_checksums(directory)
    applied = get_applied_migrations(conn)
    if changed := sorted(name for name in known.keys() & applied.keys() if known[name] != applied[name]):
        raise DatabaseRefused(f"sql/{changed[0]}.sql was changed after it was applied")
    unknown = applied.keys() - known.keys()
    newer = sorted(name for name in unknown if name > max(known))  # migrations are only ever added at the end
    if before := sorted(unknown.difference(newer)):
        raise DatabaseRefused(f"it has the migration {before[0]} of an earlier version")
    return Schema(missing=sorted(known.keys() - applied.keys()), newer=newer)


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
