"""PostgreSQL: how connections are opened and pooled, and how the rows of a statement are read."""

import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from typing import Any, Concatenate, Final, LiteralString, ParamSpec, TypeVar

from psycopg import Connection, OperationalError
from psycopg.errors import QueryCanceled
from psycopg.rows import class_row, scalar_row
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

POOL_WAIT_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 15
SILENCE_SECONDS: Final = 30  # longer than any statement may take

# A page is never worth going through a whole table, nor compiling its plan; and what is asked for is in memory.
_READING: Final = "-c enable_seqscan=off -c jit=off -c seq_page_cost=0.2 -c random_page_cost=0.2"

Params = ParamSpec("Params")
Result = TypeVar("Result")
Row = TypeVar("Row")


def connect(database_url: str, *, role: str) -> Connection:
    """A connection of its own, in autocommit mode, for a program that works for minutes."""
    return Connection.connect(database_url, **_settings(role, statement_timeout_seconds=300))


def ask(
    database_url: str,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Run one query on a connection of its own, for a process without a pool."""
    with connect(database_url, role="ask") as conn:
        return query(conn, *args, **kwargs)


class Pool:
    """The connections of one web process. Made closed: it must be opened after gunicorn has forked.

    A pool opened before would share its connections between workers and mix up replies.
    """

    def __init__(self, database_url: str, *, size: int) -> None:
        self._pool = ConnectionPool(
            database_url,
            kwargs=_settings("api", statement_timeout_seconds=STATEMENT_SECONDS, more=_READING),
            min_size=1,
            max_size=size,
            timeout=POOL_WAIT_SECONDS,
            # it gives up early and begins anew with the next request: its pauses would grow while PostgreSQL is away
            reconnect_timeout=POOL_WAIT_SECONDS,
            open=False,
        )
        self._lent: dict[Connection, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._refuse_until = 0.0

    def open(self) -> None:
        """Connect, in the background."""
        self._pool.open()
        threading.Thread(target=self._watch, daemon=True, name="pool-watch").start()

    def close(self) -> None:
        """Give the connections back."""
        self._closed.set()
        self._pool.close()

    def check(self) -> None:
        """Replace the idle connections that have died."""
        self._pool.check()

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """A connection for one piece of work.

        Raises PoolTimeout when none is free within POOL_WAIT_SECONDS, and after that TooManyRequests at once
        until there is one again; once a second somebody waits for it. A queue of waiting requests would
        hold up those that need no database.
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
            if self._refuse_until:  # this one waits, nobody behind it
                self._refuse_until = now + POOL_WAIT_SECONDS

    def _watch(self) -> None:
        # A server that accepts a query and falls silent, a frozen machine say, would keep us waiting for ever;
        # no setting of the driver bounds that. Shutting the socket wakes the waiting thread with an error.
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
    """Run a reading query; once more if the pooled connection had died, as after a restart of PostgreSQL."""
    started = time.monotonic()
    try:
        with pool.connection() as conn:
            return query(conn, *args, **kwargs)
    except (QueryCanceled, PoolTimeout, TooManyRequests):
        raise
    except OperationalError:
        if time.monotonic() - started > POOL_WAIT_SECONDS:  # dead connections fail at once
            raise
        pool.check()
        with pool.connection() as conn:
            return query(conn, *args, **kwargs)


def _settings(role: str, *, statement_timeout_seconds: int, more: str = "") -> dict[str, Any]:
    options = (
        more,
        f"-c statement_timeout={statement_timeout_seconds}s",
        "-c timezone=UTC",
        # the server finds out within minutes that a host went dark, and gives its locks back
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
    """The only value of the one row that this statement always gives. Raises ValueError if it gives none."""
    [found] = conn.cursor(row_factory=scalar_row).execute(sql, params, prepare=prepare)
    return found


def row(
    conn: Connection, kind: type[Row], sql: LiteralString, params: Mapping[str, object] | None = None
) -> Row | None:
    """The only row; None if there is none. `kind` as for rows()."""
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
    """All rows: each a dataclass made from its columns or, if `kind` is a type like int or str, its only value.

    prepare: False keeps PostgreSQL from planning the statement once for all parameters.
    """
    make = class_row(kind) if is_dataclass(kind) else scalar_row
    return conn.cursor(row_factory=make).execute(sql, params, prepare=prepare).fetchall()
