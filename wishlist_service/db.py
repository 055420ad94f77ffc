"""PostgreSQL: opens and pools connections, and reads the rows of a statement."""

import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import is_dataclass
from functools import partial
from typing import Any, Concatenate, Final, LiteralString, ParamSpec, TypeVar

from psycopg import Connection, Error, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DiskFull, InsufficientPrivilege, QueryCanceled, ReadOnlySqlTransaction, UndefinedTable
from psycopg.rows import class_row, scalar_row
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from wishlist_service.errors import DatabaseReadOnly, DatabaseRefused, ServerRefused

POOL_WAIT_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 15
SILENCE_SECONDS: Final = 30  # longer than STATEMENT_SECONDS

_Settings = dict[str, str]

# Results hang on the first of these, and the others would end a session under us. DATABASE_URL cannot change them.
_FIXED: Final[_Settings] = {
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read committed",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}
# the server notices within minutes that a client is gone, and releases its locks
_ALIVE: Final[_Settings] = {
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "15",
    "tcp_keepalives_count": "4",
}
# For a page, reading a whole table or compiling a plan never pays, and what it needs is in memory.
_READING: Final[_Settings] = {
    "enable_seqscan": "off",
    "jit": "off",
    "seq_page_cost": "0.2",
    "random_page_cost": "0.2",
}

Params = ParamSpec("Params")
Result = TypeVar("Result")
Row = TypeVar("Row")


def connect(database_url: str, *, role: str) -> Connection:
    """Return a new connection in autocommit mode, for a program that works for minutes."""
    address, settings = _read_address(database_url, role, statement_seconds=300)
    conn = Connection.connect(address, autocommit=True)
    try:
        _apply(conn, settings)
    except BaseException:
        conn.close()
        raise
    return conn


def ask(
    database_url: str,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Run one query on a new connection, for a process without a pool."""
    with connect(database_url, role="ask") as conn:
        return query(conn, *args, **kwargs)


# What a database may answer at any time, from the special to the general.
_EXPLAINED: Final[tuple[tuple[type[Error], str], ...]] = (
    (UndefinedTable, "The database has no tables yet. Run: python -m wishlist_service.migrate"),
    (ReadOnlySqlTransaction, str(DatabaseReadOnly())),
    (InsufficientPrivilege, "The user of DATABASE_URL may not do this: {}. Connect as the owner of the tables."),
    (DiskFull, "The disk of the database is full. Free some space there."),
    (QueryCanceled, "The database took too long, so the statement was stopped: {}. Try again when it has less to do."),
    (OperationalError, "The database is away: {}"),
    (Error, "The database refused: {}."),
)
EXPECTED: Final = (OperationalError, UndefinedTable, ReadOnlySqlTransaction, InsufficientPrivilege)
"""What a program that keeps running meets. It tries again later."""


def explain(error: Exception) -> str:
    """Return a sentence about an error of the database, a psycopg.Error."""
    text = next(text for kind, text in _EXPLAINED if isinstance(error, kind))
    # only about a failed connection does libpq write several lines
    reason = str(error).strip() if type(error) is OperationalError else str(error).strip().partition("\n")[0]
    return text.format(reason)


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
    """End the program with a sentence at Ctrl-C, and at what the database or the disk may answer at any time."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told
    except (DatabaseRefused, ServerRefused, DatabaseReadOnly) as refused:
        sys.exit(str(refused))
    except Error as error:
        sys.exit(explain(error).replace("is away", "cannot be reached"))
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what could not be written would be tried again at the end
        sys.exit(f"{error.filename or 'A file or the output'}: {error.strerror or error}.")
    except KeyboardInterrupt:
        sys.exit("Stopped.")


class Pool:
    """The connections of one web process. Open it after gunicorn has forked.

    A pool opened earlier would share its connections between workers and mix up replies.
    """

    def __init__(self, database_url: str, *, size: int) -> None:
        address, settings = _read_address(database_url, "api", statement_seconds=STATEMENT_SECONDS, more=_READING)
        self._pool = ConnectionPool(
            address,
            kwargs={"autocommit": True},
            configure=partial(_apply, settings=settings),
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


def _read_address(
    database_url: str, role: str, *, statement_seconds: int, more: _Settings | None = None
) -> tuple[str, _Settings]:
    """Return the address without the `options` that can be set later, and all settings of a session.

    DATABASE_URL wins where we have only a preference. Set after connecting, they also pass a pooler like pgbouncer.
    """
    parts = {"application_name": f"plex-wishlist-{role}", "connect_timeout": 5} | conninfo_to_dict(database_url)
    told: _Settings = {}
    # as PostgreSQL reads them: -c name=value, -cname=value or --name=value, with \\ before a space
    found = re.compile(r"(?<!\S)(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)")
    options = str(parts.pop("options", ""))
    for name, value in found.findall(options):
        told[name.lower().replace("-", "_")] = re.sub(r"\\(.)", r"\1", value)
    if rest := found.sub("", options).strip():
        parts["options"] = rest
    preferred = {"statement_timeout": f"{statement_seconds}s"} | _ALIVE | (more or {})
    return make_conninfo("", **parts | {"client_encoding": "utf8"}), preferred | told | _FIXED


def _apply(conn: Connection, settings: _Settings) -> None:
    conn.execute(
        """
        SELECT set_config(name, setting, false)
          FROM unnest(%(names)s::text[], %(settings)s::text[]) AS told (name, setting)
         WHERE name NOT IN ('idle_session_timeout', 'transaction_timeout')      -- older servers lack these
            OR current_setting(name, true) IS NOT NULL
        """,
        {"names": [*settings], "settings": [*settings.values()]},
    )


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
