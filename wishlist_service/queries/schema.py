"""Whether a database has the schema in sql/: one comparison for migrate, API, scheduler, doctor and restore."""

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
    """How a database that this version can use differs from the files; names of migrations, sorted."""

    missing: list[str]
    newer: list[str]
    """Applied by a newer version of this service."""


def compare_schema(conn: Connection, *, directory: Path = SQL_DIRECTORY) -> Schema:
    """Return what the database lacks, and what it has from a newer version.

    Raises DatabaseRefused if it was made from other files: changed since, or of an earlier version.
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
    """Return the SHA-256 of each migration by its name; a file is the same whatever its line ends."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in directory.glob("*.sql")}  # each line end as \n
    if not texts:
        raise FileNotFoundError(f"No migrations in {directory}.")
    return {name: sha256(text.encode()).hexdigest() for name, text in texts.items()}


def get_applied_migrations(conn: Connection) -> dict[str, str]:
    """Return the checksum of each applied migration by its name; empty if the database was never migrated.

    yoyo's migration_hash holds the checksum, see migrate.py.
    """
    if value(conn, "SELECT to_regclass('_yoyo_migration') IS NULL"):
        return {}
    applied = conn.execute("""
        SELECT migration_id, migration_hash
          FROM _yoyo_migration
        """)
    return dict(applied.fetchall())
