"""python -m wishlist_service.migrate: bring the database to the schema in sql/, completely or not at all."""

import argparse
import logging
import sys
import time
from collections.abc import Collection
from functools import partial
from pathlib import Path

from psycopg import Connection, Error, OperationalError
from yoyo import internalmigrations, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI, default_migration_table

from wishlist_service import db
from wishlist_service.config import DATABASE_SETTINGS, load_config
from wishlist_service.db import connect
from wishlist_service.errors import DatabaseReadOnly
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries.locks import migration_lock
from wishlist_service.queries.requirements import check_database, check_server, tell_superuser
from wishlist_service.queries.schema import SQL_DIRECTORY, compare_schema, read_checksums

logger = logging.getLogger("wishlist_service.migrate")  # __name__ is __main__ when run


def migrate(database_url: str, *, directory: Path = SQL_DIRECTORY) -> list[str]:
    """Apply the missing migrations in one transaction and return their names. Safe when several run at once.

    Raises, without a change, DatabaseRefused if the database was made from other files, ServerRefused if the server
    or the rights do not suffice, and DatabaseReadOnly.
    """
    with connect(database_url, role="migrate") as conn:
        found = check_server(conn, partial(connect, database_url, role="check"))
        conn.execute("SET statement_timeout = 0")
        # Our lock ends with the connection. yoyo's own lock is a row that stays if the process is killed.
        with migration_lock(conn):
            missing = compare_schema(conn, directory=directory).missing
            if missing and found.read_only:
                raise DatabaseReadOnly
            if missing:
                apply_migrations(conn, directory=directory)
    return missing


def apply_migrations(conn: Connection, *, directory: Path = SQL_DIRECTORY, only: Collection[str] | None = None) -> None:
    """Apply the missing migrations in one transaction, that of the connection if it is in one.

    only: the names of those to apply; None for all.
    """
    backend = _Backend(conn)
    with conn.transaction():
        backend.create_lock_table()
        backend.break_lock()
        backend.ensure_internal_schema_updated()
    migrations = read_migrations(str(directory))
    checksums = read_checksums(directory)
    for migration in migrations:
        # yoyo would store the hash of the name
        migration.hash = checksums[migration.id]
    with conn.transaction():
        for migration in backend.to_apply(migrations):
            if only is None or migration.id in only:
                migration.process_steps(backend, "apply")
                backend.mark_one(migration)


class _Backend(PostgresqlPsycopgBackend):
    """Lets yoyo use our connection, which holds the lock, and is in a transaction of ours: yoyo makes savepoints."""

    _in_transaction = True

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        super().__init__(
            DatabaseURI("postgresql", None, None, None, None, conn.info.dbname, {}), default_migration_table
        )

    def connect(self, dburi: DatabaseURI) -> Connection:
        """Return our connection to yoyo."""
        return self._conn

    def ensure_internal_schema_updated(self) -> None:
        """Make yoyo's tables. Its own method would end the transaction."""
        if internalmigrations.needs_upgrading(self):
            internalmigrations.upgrade(self)


def main() -> None:
    """Migrate, and log what was applied."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.migrate", description=__doc__)
    parser.add_argument("--wait", type=int, default=0, metavar="SECONDS", help="how long to wait for the database")
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.wait
    config = load_config(uses={*DATABASE_SETTINGS, "LOG_LEVEL"})
    configure_logging(config.log_level)
    # at INFO, yoyo logs each step
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    try:
        while True:
            try:
                another = partial(connect, config.database_url, role="check")
                found = check_database(another, web_workers=config.web_workers, web_threads=config.web_threads)
                applied = migrate(config.database_url)
                break
            except (OperationalError, DatabaseReadOnly) as error:  # a failover passes through both
                if time.monotonic() > deadline:
                    raise
                logger.info("waiting for the database reason=%r", str(error).strip())
                time.sleep(1)
    except db.EXPECTED as error:
        text = db.explain(error)
        sys.exit(f"Nothing was migrated. {text}" + ("\nCheck DATABASE_URL." if "is away" in text else ""))
    except Error as error:
        sys.exit(
            f"Nothing was migrated: {str(error).strip().splitlines()[0]}. "
            "Use an empty database or one made by this service, and connect as its owner."
        )
    except KeyboardInterrupt:
        sys.exit("Stopped. The database is unchanged, unless the migration had just ended.")
    if text := tell_superuser(found):
        logger.warning("%s", text)
    logger.info("migrated applied=%s", ",".join(applied) or "nothing, up to date")


if __name__ == "__main__":
    with db.exit_on_error():
        main()
