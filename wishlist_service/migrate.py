"""python -m wishlist_service.migrate: bring the database to the schema in sql/, wholly or not at all."""

import argparse
import logging
import sys
import time
from pathlib import Path

from psycopg import Connection, Error, OperationalError
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI, default_migration_table

from wishlist_service.config import DATABASE_SETTINGS, load_config
from wishlist_service.db import connect
from wishlist_service.errors import DatabaseRefused
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries.locks import migration_lock
from wishlist_service.queries.schema import SQL_DIRECTORY, compare_schema, read_checksums

logger = logging.getLogger("wishlist_service.migrate")  # __name__ is __main__ when run


def migrate(database_url: str, *, directory: Path = SQL_DIRECTORY) -> list[str]:
    """Apply what is not applied yet, in one transaction, and return its names. Safe when several do it at once.

    Raises DatabaseRefused if the database was made from other files; nothing was changed then.
    """
    with connect(database_url, role="migrate") as conn:
        conn.execute("SET statement_timeout = 0")
        # Ours goes with the connection. yoyo's own lock is a row, which a killed migrator leaves behind.
        with migration_lock(conn):
            missing = compare_schema(conn, directory=directory).missing
            if missing:
                _apply(conn, directory)
    return missing


def _apply(conn: Connection, directory: Path) -> None:
    backend = _Backend(conn)
    backend.create_lock_table()
    backend.break_lock()
    migrations = read_migrations(str(directory))
    checksums = read_checksums(directory)
    for migration in migrations:
        # yoyo identifies a migration by the hash of its name, and stores that. We give it the hash of the text.
        migration.hash = checksums[migration.id]
    todo = backend.to_apply(migrations)  # also makes yoyo's tables, which it does in transactions of its own
    with backend.transaction():
        for migration in todo:
            migration.process_steps(backend, "apply")
            backend.mark_one(migration)


class _Backend(PostgresqlPsycopgBackend):
    """yoyo on our connection: the one that holds the lock, so that both end together."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        super().__init__(
            DatabaseURI("postgresql", None, None, None, None, conn.info.dbname, {}), default_migration_table
        )

    def connect(self, dburi: DatabaseURI) -> Connection:
        """Called by yoyo."""
        return self._conn


def main() -> None:
    """Migrate and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.migrate", description=__doc__)
    parser.add_argument(
        "--wait", type=int, default=0, metavar="SECONDS", help="how long the database may take to come up"
    )
    arguments = parser.parse_args()
    deadline = time.monotonic() + arguments.wait
    config = load_config(uses={*DATABASE_SETTINGS, "LOG_LEVEL"})
    configure_logging(config.log_level)
    # yoyo logs each migration itself, and every step at INFO
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    try:
        _wait_for_database(config.database_url, deadline)
        applied = migrate(config.database_url)
    except DatabaseRefused as refused:
        sys.exit(str(refused))
    except OperationalError as error:
        sys.exit(f"The database cannot be reached or refused: {str(error).strip()}\nCheck DATABASE_URL.")
    except Error as error:
        sys.exit(
            f"Nothing was migrated: {str(error).strip().splitlines()[0]}. "
            "The database must be empty or made by this service, and its user must own it."
        )
    except KeyboardInterrupt:
        sys.exit("Stopped. The database is as it was, unless the migration was just done.")
    logger.info("migrated applied=%s", ",".join(applied) or "nothing, up to date")


def _wait_for_database(database_url: str, deadline: float) -> None:
    while True:
        try:
            connect(database_url, role="migrate").close()
            return
        except OperationalError as error:
            if time.monotonic() > deadline:
                raise
            logger.info("waiting for the database reason=%r", str(error).strip())
            time.sleep(1)


if __name__ == "__main__":
    main()
