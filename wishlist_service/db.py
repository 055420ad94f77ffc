"""PostgreSQL: opens and pools connections, and reads the rows of a statement."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from typing import Any, Concatenate, Final, LiteralString, ParamSpec, TypeVar

from psycopg import Connection, OperationalError
from psycopg.errors import DiskFull, QueryCanceled, UndefinedTable
from psycopg.rows import class_row, scalar_row
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

POOL_WAIT_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 15
SILENCE_SECONDS: Final = 30  # longer than STATEMENT_SECONDS

# For a page, reading a whole table or compiling a plan never pays, and what it needs is in memory.
_READING: Final = "-c enable_seqscan=off -c jit=off -c seq_page_cost=0.2 -c random_page_cost=0.2"

Params = ParamSpec("Params")
Result = TypeVar("Result")
Row = TypeVar("Row")


def connect(database_url: str, *, role: str) -> Connection:
    """Return a new connection in autocommit mode, for a program that works for minutes."""
    return Connection.connect(database_url, **_settings(role, statement_timeout_seconds=300))


def ask(
    database_url: str,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Run one query on a new connection, for a process without a pool."""
    with connect(database_url, role="ask") as conn:
        return query(conn, *args, **kwargs)


class KeptConnection:
    """A connection for many small queries of one thread. A broken one is replaced."""

    def __init__(self, database_url: str, *, role: str) -> None:
        self._database_url = database_url
        self._role = role
        self._conn: Connection | None = None

    def ask(
        self,
        query: Callable[Concatenate[Connection, Params], Result],
        *args: Params.args,
        **kwargs: Params.kwargs,
    ) -> Result:
        """Run one query; once more on a new connection if the old one was broken."""
        if self._conn is not None and not self._conn.closed:
            try:
                return query(self._conn, *args, **kwargs)
            except OperationalError:
                if not self._conn.closed:
                    raise
        self._conn = connect(self._database_url, role=self._role)
        return query(self._conn, *args, **kwargs)

    def close(self) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()


@contextmanager
def exit_on_error() -> Generator[None]:
    """End the program with a sentence if the database has no tables, has a full disk or cannot be reached."""
    try:
        yield
    except UndefinedTable:
        sys.exit("The database has no tables yet. Run: python -m wishlist_service.migrate")
    except DiskFull:
        sys.exit("The disk of the database is full. Free some space there.")
    except OperationalError as error:
        sys.exit(f"The database cannot be reached: {str(error).strip()}")


class Pool:
    """The connections of one web process. Open it after gunicorn has forked.

    A pool opened earlier would share its connections between workers and mix up replies.
    """

    def __init__(self, database_url: str, *, size: int) -> None:
        self._pool = ConnectionPool(
            database_url,
            kwargs=_settings("api", statement_timeout_seconds=STATEMENT_SECONDS, more=_READING),
            min_size=1,
            max_size=size,
            timeout=POOL_WAIT_SECONDS,
            # a short one, since its pauses grow; the next request starts anew
            reconnect_timeout=POOL_WAIT_SECONDS,
            open=False,
        )
        self._lent: dict[Connection, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._refuse_until = 0.0

    def open(self) -> None:
        """Connect in the background."""
        self._pool.open()
        threading.Thread(target=self._watch, daemon=True, name="pool-watch").start()

    def close(self) -> None:
        """Close the connections."""
        self._closed.set()
        self._pool.close()

    def check(self) -> None:
        """Replace the idle connections that are broken."""
        self._pool.check()

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """Lend a connection for the block.

        Raises PoolTimeout if none is free within POOL_WAIT_SECONDS. After that it raises TooManyRequests at once, but
        lets one request a second wait. A queue of waiting requests would delay those that need no database.
        """
        self._refuse_while_away()
        try:
            conn = self._pool.getconn()
        except PoolTimeout:
            self._refuse_until = time.monotonic() + 1
            raise
        self._refuse_until = 0.0
        with self._lock:
            self._lent[conn] = time.monotonic()
        try:
            yield conn
        finally:
            with self._lock:
                del self._lent[conn]
            self._pool.putconn(conn)

    def _refuse_while_away(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._refuse_until:
                raise TooManyRequests("every connection is busy, or the database is away")
            if self._refuse_until:  # this request waits, the next ones do not
                self._refuse_until = now + POOL_WAIT_SECONDS

    def _watch(self) -> None:
        # A server that accepts a query and then stays silent would block us for ever, and no setting of the driver
        # limits that. Shutting down the socket raises an error in the waiting thread.
        while not self._closed.wait(SILENCE_SECONDS / 6):
            with self._lock:
                for conn, since in self._lent.items():
                    if time.monotonic() - since > SILENCE_SECONDS:
                        with (
                            suppress(OSError, OperationalError),
                            socket.socket(fileno=os.dup(conn.fileno())) as connected,
                        ):
                            connected.shutdown(socket.SHUT_RDWR)


def read(
    pool: Pool,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Run a reading query; once more if the connection was broken, as after a restart of PostgreSQL."""
    started = time.monotonic()
    try:
        with pool.connection() as conn:
            return query(conn, *args, **kwargs)
    except (QueryCanceled, PoolTimeout, TooManyRequests):
        raise
    except OperationalError:
        if time.monotonic() - started > POOL_WAIT_SECONDS:  # broken connections fail at once
            raise
        pool.check()
        with pool.connection() as conn:
            return query(conn, *args, **kwargs)


def _settings(role: str, *, statement_timeout_seconds: int, more: str = "") -> dict[str, Any]:
    options = (
        more,
        f"-c statement_timeout={statement_timeout_seconds}s",
        "-c timezone=UTC",
        # the server notices within minutes that a client is gone, and releases its locks
        "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=15 -c tcp_keepalives_count=4",
    )
    return {
        "autocommit": True,
        "application_name": f"plex-wishlist-{role}",
        "connect_timeout": 5,
        "options": " ".join(options),
    }


def value(
    conn: Connection, sql: LiteralString, params: Mapping[str, object] | None = None, *, prepare: bool | None = None
) -> Any:
    """Return the only value of a statement that always gives one row. Raises ValueError if it gives none."""
    [found] = conn.cursor(row_factory=scalar_row).execute(sql, params, prepare=prepare)
    return found


def row(
    conn: Connection, kind: type[Row], sql: LiteralString, params: Mapping[str, object] | None = None
) -> Row | None:
    """Return the only row; None if there is none. `kind` is that of rows()."""
    found = rows(conn, kind, sql, params)
    return found[0] if found else None


def rows(
    conn: Connection,
    kind: type[Row],
    sql: LiteralString,
    params: Mapping[str, object] | None = None,
    *,
    prepare: bool | None = None,
) -> list[Row]:
    """Return all rows: each as a dataclass made from its columns or, if `kind` is int or str, as its only value.

    prepare: False makes PostgreSQL plan the statement for each set of parameters.
    """
    make = class_row(kind) if is_dataclass(kind) else scalar_row
    return conn.cursor(row_factory=make).execute(sql, params, prepare=prepare).fetchall()
