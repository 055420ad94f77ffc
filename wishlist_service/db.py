"""Connections to PostgreSQL: how they are opened, pooled and locked."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from psycopg import Connection, OperationalError
from psycopg.errors import QueryCanceled
from psycopg_pool import ConnectionPool, PoolTimeout

# Advisory locks of this service, as (class, object). The view sync_run_reports knows SYNC_LOCK too.
_LOCK_CLASS = 1464421200
_SYNC_LOCK = 1
_MIGRATION_LOCK = 2
_MERGE_LOCK = 3

POOL_WAIT_SECONDS = 5

Params = ParamSpec("Params")
Result = TypeVar("Result")


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


def make_pool(database_url: str, *, size: int) -> ConnectionPool:
    """The pool of one web process, still closed: it must be opened after gunicorn has forked.

    A pool opened before would share its connections between workers and mix up replies.
    """
    return ConnectionPool(
        database_url,
        kwargs=_settings("api", statement_timeout_seconds=15),
        min_size=1,
        max_size=size,
        timeout=POOL_WAIT_SECONDS,
        open=False,
    )


def read(
    pool: ConnectionPool,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Run a reading query; once more if the pooled connection had died, as after a restart of PostgreSQL."""
    try:
        with pool.connection() as conn:
            return query(conn, *args, **kwargs)
    except (QueryCanceled, PoolTimeout):
        raise
    except OperationalError:
        pool.check()
        with pool.connection() as conn:
            return query(conn, *args, **kwargs)


def try_sync_lock(conn: Connection) -> bool:
    """Take the lock of the one running sync for as long as `conn` lives; False if another has it."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s, %s)", (_LOCK_CLASS, _SYNC_LOCK)).fetchone()
    return bool(row and row[0])


@contextmanager
def migration_lock(conn: Connection) -> Generator[None]:
    """Wait for and hold the lock of migrators; it goes with the connection when the process is killed."""
    conn.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, _MIGRATION_LOCK))
    try:
        yield
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s, %s)", (_LOCK_CLASS, _MIGRATION_LOCK))


def lock_for_merge(conn: Connection) -> None:
    """Hold erasing off until this transaction ends; merges do not hinder each other."""
    conn.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", (_LOCK_CLASS, _MERGE_LOCK))


def lock_for_erasing(conn: Connection) -> None:
    """Hold merges off until this transaction ends.

    An item nobody else wants is deleted with the person; without this a merge could add a wish to it meanwhile.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, _MERGE_LOCK))


def _settings(role: str, *, statement_timeout_seconds: int) -> dict[str, Any]:
    options = (
        f"-c statement_timeout={statement_timeout_seconds}s",
        "-c timezone=UTC",
        # a generic plan can turn a search of 1 ms into one of 1 s
        "-c plan_cache_mode=force_custom_plan",
        # the server finds out within minutes that a host went dark, and gives its locks back
        "-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=15 -c tcp_keepalives_count=4",
    )
    return {
        "autocommit": True,
        "application_name": f"plex-wishlist-{role}",
        "connect_timeout": 5,
        "options": " ".join(options),
    }
