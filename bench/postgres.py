"""A PostgreSQL for the measurements with its default durability, and a database for each measurement."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from psycopg import Connection, connect, sql

from wishlist_service.postgres.embedded import EmbeddedPostgres


class Postgres:
    """The server of the measurements."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self.version = str(connect(server.url).execute("SHOW server_version").fetchone()[0])

    def create(self, name: str) -> str:
        """Make an empty database, replace an older one of this name, and return its address."""
        with connect(self._server.url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._server.url.replace("/postgres?", f"/{name}?")

    def drop(self, name: str) -> None:
        """Remove a database, even if it is in use."""
        with connect(self._server.url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def postgres(directory: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL inside the block."""
    directory.chmod(0o755)  # the server may run as another user, who must reach its data
    with EmbeddedPostgres(directory / "postgres", settings=["shared_buffers=1GB"]) as server:
        yield Postgres(server)


def fetch(url: str, statement: str, parameters: dict[str, Any] | None = None) -> Any:
    """Return the first column of the first row."""
    with open_database(url) as conn:
        row = conn.execute(statement, parameters).fetchone()
    return row[0] if row else None


def settle(url: str) -> None:
    """Update the statistics, as the server does after a while."""
    with open_database(url) as conn:
        conn.execute("VACUUM (ANALYZE)")


def open_database(url: str) -> Connection[Any]:
    """Return a connection in autocommit mode."""
    return connect(url, autocommit=True)
