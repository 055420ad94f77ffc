"""Claims: people who are due, each taken by one of several schedulers."""

from datetime import timedelta

from psycopg import Connection

from wishlist_service.db import row, value
from wishlist_service.models import SyncUser


def is_anybody_due(conn: Connection) -> bool:
    """Whether there is a list to read now."""
    return value(
        conn,
        """
        SELECT EXISTS (
                   SELECT
                     FROM plex_users
                    WHERE active
                      AND next_sync_at <= now())
        """,
    )


def bring_forward(conn: Connection, *, interval: timedelta) -> int:
    """Have those be due earlier whom a longer interval, or a clock that ran ahead, put off; returns how many."""
    return conn.execute(
        """
        UPDATE plex_users
           SET next_sync_at = greatest(now(), last_attempt_at + %(interval)s)
         WHERE next_sync_at > now() + %(interval)s * 1.1
        """,
        {"interval": interval},
    ).rowcount


def claim_due_user_id(conn: Connection, *, ahead: timedelta, claimed_ids: list[int], lock_class: int) -> int | None:
    """Lock the first person who is due, or will be within `ahead`, and whom no other connection has locked.

    claimed_ids: whom this connection has locked, which PostgreSQL would let it lock again. The person may have been
    read between the look and the lock: see find_due_user().
    """
    return row(
        conn,
        int,
        """
        SELECT id
          FROM (SELECT id
                  FROM plex_users
                 WHERE active
                   AND next_sync_at <= now() + %(ahead)s
                   AND id <> ALL (%(claimed_ids)s::integer[])
              ORDER BY next_sync_at, id
                 LIMIT 100) AS candidate   -- the limit keeps the condition below from being tried on others first
         WHERE pg_try_advisory_lock(%(lock_class)s, id)
         LIMIT 1
        """,
        {"ahead": ahead, "claimed_ids": claimed_ids, "lock_class": lock_class},
    )


def find_due_user(conn: Connection, *, user_id: int, ahead: timedelta) -> SyncUser | None:
    """The person, if they are still due within `ahead`."""
    return row(
        conn,
        SyncUser,
        """
        SELECT id, name, active, plex_token, plex_uuid, plex_username, account_checked,
               sync_state, sync_detail, last_attempt_at, list_etag, list_read_at, list_size, held_removals,
               list_changes
          FROM plex_users
         WHERE id = %(user_id)s
           AND active
           AND next_sync_at <= now() + %(ahead)s
        """,
        {"user_id": user_id, "ahead": ahead},
    )
