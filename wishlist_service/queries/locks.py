"""Every advisory lock of this service: what it excludes, and for how long."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from psycopg import Connection, OperationalError
from psycopg.errors import LockNotAvailable

from wishlist_service.db import value

# Each lock is a pair of numbers: a class and an object. The view sync_run_reports uses _RUN_LOCKS, too.
_LOCK_CLASS = 1464421200
_SYNC_LOCK = 1
_MIGRATION_LOCK = 2
_WISHLIST_LOCK = 3
DETAILS_LOCK: Final = 4
NEWS_LOCK: Final = 5
# 6 is taken by sync_state_changed() in sql/
DELETION_LOCK: Final = 7
LOOKS_LOCK: Final = 8
_REQUEST_LOCK = 9
SWITCH_LOCK: Final = 10
LIBRARY_LOCK: Final = 11
_RUN_LOCKS = 1464421201  # with the id of a running run
PERSON_LOCKS: Final = 1464421202  # with the id of a person claimed by a scheduled run


def try_sync_lock(conn: Connection, *, shared: bool = False) -> bool:
    """Exclude other syncs until `conn` closes; return False if one is running.

    shared: exclude only syncs that do not share.
    """
    return value(conn, """
        SELECT CASE WHEN %(shared)s
                    THEN pg_try_advisory_lock_shared(%(class)s, %(lock)s)
                    ELSE pg_try_advisory_lock(%(class)s, %(lock)s)
               END
        """, {"shared": shared, "class": _LOCK_CLASS, "lock": _SYNC_LOCK})


def wait_for_sync_lock(conn: Connection, *, seconds: int) -> bool:
    """Wait so long until `conn` can exclude other syncs; return whether it does. No new sync begins meanwhile."""
    try:
        with conn.transaction():
            conn.execute("SELECT set_config('lock_timeout', %s, true)", (f"{seconds}s",))
            conn.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, _SYNC_LOCK))
    except LockNotAvailable:
        return False
    return True


def try_request_lock(conn: Connection) -> bool:
    """Be the one sync that somebody asked for, until `conn` closes; return False if there is another one."""
    return try_turn(conn, _REQUEST_LOCK)


def try_look(conn: Connection, *, user_id: int) -> bool:
    """Exclude requested runs, and others that read the person, until end_look(); return False if there is one."""
    return value(conn, """
        SELECT CASE WHEN NOT pg_try_advisory_lock_shared(%(class)s, %(lock)s) THEN false
                    WHEN pg_try_advisory_lock(%(people)s, %(user_id)s) THEN true
                    ELSE NOT pg_advisory_unlock_shared(%(class)s, %(lock)s)
               END
        """, {"class": _LOCK_CLASS, "lock": _SYNC_LOCK, "people": PERSON_LOCKS, "user_id": user_id})


def end_look(conn: Connection, *, user_id: int) -> None:
    """Release what try_look() took."""
    conn.execute(
        "SELECT pg_advisory_unlock(%s, %s), pg_advisory_unlock_shared(%s, %s)",
        (PERSON_LOCKS, user_id, _LOCK_CLASS, _SYNC_LOCK),
    )


def notice_end_soon(conn: Connection) -> None:
    """Have the server notice within a minute that the machine of this connection is gone, and release its locks."""
    conn.execute("""
        SELECT set_config('tcp_keepalives_idle', '20', false),
               set_config('tcp_keepalives_interval', '10', false),
               set_config('tcp_keepalives_count', '2', false)
        """)


def try_turn(conn: Connection, lock: int) -> bool:
    """Take this lock until `conn` closes, so that one process at a time works; return False if another has it."""
    return value(conn, "SELECT pg_try_advisory_lock(%(class)s, %(lock)s)", {"class": _LOCK_CLASS, "lock": lock})


def lock_run(conn: Connection, *, run_id: int) -> None:
    """Show until `conn` closes that this run is running."""
    conn.execute("SELECT pg_advisory_lock(%s, %s::integer)", (_RUN_LOCKS, run_id))


@contextmanager
def giving_back_locks(conn: Connection) -> Generator[None]:
    """Release all locks at the end of the block: the server may notice late that a connection was closed."""
    try:
        yield
    finally:
        with suppress(OperationalError):  # the connection is gone, and its locks with it
            conn.execute("SELECT pg_advisory_unlock_all()")


def unlock_person(conn: Connection, *, user_id: int) -> None:
    """Release the lock that queries.sync_users.claim_due_user_id() took."""
    conn.execute("SELECT pg_advisory_unlock(%s, %s)", (PERSON_LOCKS, user_id))


@contextmanager
def migration_lock(conn: Connection) -> Generator[None]:
    """Wait for the migration lock and hold it for the block. It ends with the connection if the process is killed."""
    conn.execute("SELECT pg_advisory_lock(%s, %s)", (_LOCK_CLASS, _MIGRATION_LOCK))
    try:
        yield
    finally:
        conn.execute("SELECT pg_advisory_unlock(%s, %s)", (_LOCK_CLASS, _MIGRATION_LOCK))


def hide_names(conn: Connection) -> None:
    """Make the views hide the names of people until this transaction ends; see shown_name() in sql/."""
    conn.execute("SELECT set_config('wishlist.names', 'hidden', true)")


def lock_wishlist(conn: Connection) -> None:
    """Wait until no other transaction changes wishes, and make others wait until this one ends.

    Without it, two that count the same title would each miss the other's wish, or block each other. And an erased
    person's title could be deleted while another person's wish for it arrives.
    """
    conn.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, _WISHLIST_LOCK))
