"""python -m wishlist_service.migrate: bring the database to the schema in sql/, and then become another program."""

import argparse
import logging
import os
import signal
import sys
import time
from pathlib import Path

from psycopg import Connection, OperationalError
from psycopg.errors import UndefinedTable
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI, default_migration_table
from yoyo.migrations import MigrationList

from wishlist_service.config import load_config
from wishlist_service.db import connect
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries.locks import migration_lock
from wishlist_service.queries.server import list_applied_migrations

logger = logging.getLogger("wishlist_service.migrate")  # __name__ is __main__ when run

SQL_DIRECTORY = Path(__file__).parent.parent / "sql"


def migrate(database_url: str, *, directory: Path = SQL_DIRECTORY) -> list[str]:
    """Apply what is not applied yet and return its names. Safe when several do it at once."""
    migrations = read_migrations(str(directory))
    if not migrations:
        raise FileNotFoundError(f"No migrations in {directory}.")

    with connect(database_url, role="migrate") as conn:
        # yoyo's own lock is a row: a killed migrator leaves it and blocks every later one.
        # Ours goes with the connection, so whoever holds it may break yoyo's.
        conn.execute("SET statement_timeout = 0")
        with migration_lock(conn):
            if not _missing(conn, migrations):  # asking yoyo writes tables, and errors into the server's log
                return []
            address = DatabaseURI("postgresql", None, None, None, None, conn.info.dbname, {"url": database_url})
            backend = _Backend(address, default_migration_table)
            try:
                backend.init_database()
                backend.break_lock()
                with backend.lock():
                    todo = backend.to_apply(migrations)
                    backend.apply_migrations(todo)
            finally:
                backend.connection.close()
    return [migration.id for migration in todo]


def _missing(conn: Connection, migrations: MigrationList) -> set[str]:
    known = {migration.id for migration in migrations}
    try:
        return known - set(list_applied_migrations(conn))
    except UndefinedTable:
        return known


class _Backend(PostgresqlPsycopgBackend):
    """yoyo on a connection of ours: its own reading of the URL knows neither PGDATABASE nor several hosts."""

    def connect(self, dburi: DatabaseURI) -> Connection:
        """Called by yoyo, and again for each further connection it wants."""
        conn = connect(dburi.args["url"], role="migrate")
        conn.execute("SET statement_timeout = 0")
        return conn


def main() -> None:
    """Migrate and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.migrate", description=__doc__)
    parser.add_argument(
        "--wait", type=int, default=0, metavar="SECONDS", help="how long the database may take to come up"
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to become afterwards")
    arguments = parser.parse_args()
    # the first process of a container ignores a signal that it does not handle
    told = 0 if arguments.command else "Stopped, nothing was migrated."
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(told))
    deadline = time.monotonic() + arguments.wait
    config = load_config()
    configure_logging(config.log_level)
    # yoyo logs each migration itself, and every step at INFO
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    try:
        _wait_for_database(config.database_url, deadline)
        applied = migrate(config.database_url)
    except OperationalError as error:
        sys.exit(f"The database cannot be reached or refused: {str(error).strip()}\nCheck DATABASE_URL.")
    logger.info("migrated applied=%s", ",".join(applied) or "nothing, up to date")
    if arguments.command:
        # a stop asked for from here on waits until the next program listens
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.execvp(arguments.command[0], arguments.command)  # noqa: S606


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
