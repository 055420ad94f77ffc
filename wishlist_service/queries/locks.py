"""Every advisory lock of this service: what each keeps apart, and for how long."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from psycopg import Connection, OperationalError

from wishlist_service.db import value

# Advisory locks of this service, as (class, object). The view sync_run_reports knows _RUN_LOCKS too.
_LOCK_CLASS = 1464421200
_SYNC_LOCK = 1
_MIGRATION_LOCK = 2
_WISHLIST_LOCK = 3
DETAILS_LOCK: Final = 4
NEWS_LOCK: Final = 5
# and 6: sync_state_changed() in sql/
_RUN_LOCKS = 1464421201  # one for each run that goes on, by its id
PERSON_LOCKS: Final = 1464421202  # one for each person whom a scheduled run has in hand, by their id


def try_sync_lock(conn: Connection, *, shared: bool = False) -> bool:
    """Keep other syncs out for as long as `conn` lives; False if one goes on.

    shared: only those are kept out, and in the way, that do not share.
    """
    return value(conn, """
        SELECT CASE WHEN %(shared)s
                    THEN pg_try_advisory_lock_shared(%(class)s, %(lock)s)
                    ELSE pg_try_advisory_lock(%(class)s, %(lock)s)
               END
        """, {"shared": shared, "class": _LOCK_CLASS, "lock": _SYNC_LOCK})


def try_turn(conn: Connection, lock: int) -> bool:
    """Be the only scheduler that does this for as long as `conn` lives; False if another one does it."""
    return value(conn, "SELECT pg_try_advisory_lock(%(class)s, %(lock)s)", {"class": _LOCK_CLASS, "lock": lock})


def lock_run(conn: Connection, *, run_id: int) -> None:
    """Show for as long as `conn` lives that this run goes on."""
    conn.execute("SELECT pg_advisory_lock(%s, %s::integer)", (_RUN_LOCKS, run_id))


@contextmanager
def giving_back_locks(conn: Connection) -> Generator[None]:
    """Give all locks back at the end: the server takes its time to notice that a connection was closed."""
    try:
        yield
    finally:
        with suppress(OperationalError):  # it is gone already, and the locks with it
            conn.execute("SELECT pg_advisory_unlock_all()")


def unlock_person(conn: Connection, *, user_id: int) -> None:
    """Give back what queries.sync_users.claim_due_user_id() locked."""
    conn.execute("SELECT pg_advisory_unlock(%s, %s)", (PERSON_LOCKS, user_id))


@contextmanager
def migration_lock(conn: Connection) -> Generator[None]:
    """Wait for and hold the lock of migrators; it goes with the connection when the process is killed."""
    conn.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, _MIGRATION_LOCK))
    try:
        yield
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s, %s)", (_LOCK_CLASS, _MIGRATION_LOCK))


def hide_names(conn: Connection) -> None:
    """Have the views show no names of people until this transaction ends; see shown_name() in sql/."""
    conn.execute("SELECT set_config('wishlist.names', 'hidden', true)")


def lock_wishlist(conn: Connection) -> None:
    """Wait until nobody else changes wishes, and have others wait until this transaction ends.

    Two who counted the same title at once would each miss the other's wish, or block each other; and
    a title that leaves with a person could be wished for meanwhile.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, _WISHLIST_LOCK))
