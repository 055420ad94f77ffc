"""People as the sync sees them: who is due, which scheduler claims them, and how their reads ended."""

from datetime import datetime, timedelta

from psycopg import Connection

from wishlist_service.db import row, rows, value
from wishlist_service.errors import NotFound
from wishlist_service.models import Change, PlexAccount, SyncUser, UserResult


def is_anybody_due(conn: Connection) -> bool:
    """Return whether a watchlist is due."""
    return value(conn, "SELECT EXISTS (SELECT FROM plex_users WHERE active AND next_sync_at <= now())")


def get_language(conn: Connection) -> str:
    """The language in which titles and details were read."""
    return value(conn, """
        SELECT language
          FROM sync_state
        """)


def change_language(conn: Connection, *, language: str) -> None:
    """Have all titles and details be read again, in this language."""
    conn.execute("""
        UPDATE sync_state
           SET language = %(language)s
        """, {"language": language})
    conn.execute("""
        UPDATE plex_users
           SET list_etag = NULL,
               next_sync_at = CASE WHEN sync_state IN ('no_watchlist', 'token_rejected') THEN next_sync_at
                                   ELSE now()
                              END
        """)
    conn.execute("""
        UPDATE wishlist_items
           SET details_due_at = now()
        """)


def bring_forward(conn: Connection, *, interval: timedelta) -> int:
    """Make people due earlier whose due time comes from a longer interval or a wrong clock; return how many."""
    return conn.execute("""
        UPDATE plex_users
           SET next_sync_at = greatest(now(), last_attempt_at + %(interval)s)
         WHERE next_sync_at > now() + 1.1 * CASE
                   WHEN sync_state IN ('no_watchlist', 'token_rejected') THEN greatest(%(interval)s, interval '1 day')
                   ELSE %(interval)s
               END
        """, {"interval": interval}).rowcount


def claim_due_user_id(conn: Connection, *, ahead: timedelta, claimed_ids: list[int], lock_class: int) -> int | None:
    """Lock the first person who is due within `ahead` and not locked by another connection; return their id.

    claimed_ids: people locked by this connection, which PostgreSQL would let it lock again. Another connection may
    have read the person before the lock was taken, so check with find_due_user().
    """
    return row(conn, int, """
        SELECT id
          FROM (SELECT id
                  FROM plex_users
                 WHERE active
                   AND next_sync_at <= now() + %(ahead)s
                   AND (sync_state <> 'token_rejected' OR next_sync_at <= now())
                   AND id <> ALL (%(claimed_ids)s::integer[])
              ORDER BY next_sync_at, id
                 LIMIT 100) AS candidate   -- the limit makes PostgreSQL try locks in this order
         WHERE pg_try_advisory_lock(%(lock_class)s, id)
         LIMIT 1
        """, {"ahead": ahead, "claimed_ids": claimed_ids, "lock_class": lock_class})


def find_due_user(conn: Connection, *, user_id: int, ahead: timedelta) -> SyncUser | None:
    """Return the person if they are still due within `ahead`."""
    return row(conn, SyncUser, """
        SELECT id, name, active, plex_token, plex_uuid, plex_username, account_checked,
               account_read_at, sync_state, sync_detail, last_attempt_at, list_etag, list_read_at, list_size,
               held_removals, list_changes, miscount, odd_rows_since, missed
          FROM plex_users
         WHERE id = %(user_id)s
           AND active
           AND next_sync_at <= now() + %(ahead)s
           AND (sync_state <> 'token_rejected' OR next_sync_at <= now())
        """, {"user_id": user_id, "ahead": ahead})


def list_active_users(conn: Connection) -> list[SyncUser]:
    """Return the active people in the order they were added."""
    return rows(conn, SyncUser, """
        SELECT id, name, active, plex_token, plex_uuid, plex_username, account_checked,
               account_read_at, sync_state, sync_detail, last_attempt_at, list_etag, list_read_at, list_size,
               held_removals, list_changes, miscount, odd_rows_since, missed
          FROM plex_users
         WHERE active
      ORDER BY id
        """)


def get_sync_user(conn: Connection, *, user_id: int) -> SyncUser:
    """Return the person, active or not. Raises NotFound."""
    user = row(conn, SyncUser, """
        SELECT id, name, active, plex_token, plex_uuid, plex_username, account_checked,
               account_read_at, sync_state, sync_detail, last_attempt_at, list_etag, list_read_at, list_size,
               held_removals, list_changes, miscount, odd_rows_since, missed
          FROM plex_users
         WHERE id = %(user_id)s
        """, {"user_id": user_id})
    if user is None:
        raise NotFound(f"No user has id {user_id}.")
    return user


def lock_unchanged_user(conn: Connection, *, user: SyncUser) -> bool:
    """Lock the person's row for this transaction; return False if the read is out of date.

    It is if the person was erased, paused or given another token meanwhile, or if this service changed their watchlist.
    """
    cur = conn.execute("""
        SELECT id
          FROM plex_users
         WHERE id = %(user_id)s
           AND active
           AND plex_token = %(plex_token)s
           AND list_changes = %(list_changes)s
           FOR NO KEY UPDATE
        """, {"user_id": user.id, "plex_token": user.plex_token, "list_changes": user.list_changes})
    return cur.rowcount > 0


def record_read(
    conn: Connection,
    *,
    user_id: int,
    list_etag: str | None,
    list_size: int,
    list_note: str | None,
    odd_rows_since: datetime | None,
    miscount: str | None,
    change: Change,
    due_again_in: timedelta,
) -> None:
    """Record a complete read. A held one does not move last_success_at: more is kept than it shows.

    list_note: what there is to say of the watchlist, held or not.
    """
    conn.execute("""
        UPDATE plex_users
           SET sync_state = CASE WHEN %(held)s::text IS NULL THEN 'ok' ELSE 'held' END,
               sync_detail = coalesce(%(held)s, %(list_note)s),
               last_attempt_at = now(),
               last_success_at = CASE WHEN %(held)s::text IS NULL THEN now() ELSE last_success_at END,
               list_read_at = now(),
               list_etag = %(list_etag)s,
               list_size = %(list_size)s,
               list_note = %(list_note)s,
               odd_rows_since = %(odd_rows_since)s,
               missed = ARRAY(SELECT uid FROM wishlist_items WHERE id = ANY (%(missed)s::bigint[]) ORDER BY uid),
               miscount = %(miscount)s,
               held_removals = %(held_removals)s,
               token_refused_at = NULL,
               next_sync_at = now() + %(due_again_in)s
         WHERE id = %(user_id)s
        """, {
        "user_id": user_id, "list_etag": list_etag, "list_size": list_size, "due_again_in": due_again_in,
        "list_note": list_note, "odd_rows_since": odd_rows_since, "miscount": miscount,
        "held": change.held, "held_removals": change.held_removals, "missed": list(change.missed),
    })


def record_not_modified(conn: Connection, *, user_id: int, due_again_in: timedelta) -> None:
    """Record that Plex confirmed the watchlist as last read."""
    conn.execute("""
        UPDATE plex_users
           SET sync_state = 'ok',
               sync_detail = list_note,
               last_attempt_at = now(),
               last_success_at = now(),
               token_refused_at = NULL,
               next_sync_at = now() + %(due_again_in)s
         WHERE id = %(user_id)s
        """, {"user_id": user_id, "due_again_in": due_again_in})


def record_failure(
    conn: Connection, *, user: SyncUser, result: UserResult, miscount: str | None, due_again_in: timedelta
) -> None:
    """Record that the watchlist was not read with this token.

    A refused token is tried again 10 minutes after the first refusal, and then once a day. An account without
    a watchlist is asked again once a day.
    miscount: what the next read needs to know if Plex counted other rows than it showed.
    """
    conn.execute("""
        UPDATE plex_users
           SET sync_state = %(outcome)s,
               sync_detail = %(detail)s,
               last_attempt_at = now(),
               miscount = CASE WHEN %(outcome)s = 'plex_changed' THEN %(miscount)s ELSE miscount END,
               token_refused_at = CASE
                   WHEN %(outcome)s = 'token_rejected' THEN least(token_refused_at, now())
                   WHEN %(outcome)s IN ('no_watchlist', 'other_account') THEN NULL      -- Plex accepts the token
                   ELSE token_refused_at
               END,
               next_sync_at = CASE
                   WHEN %(outcome)s = 'token_rejected' AND token_refused_at <= now() - interval '10 minutes'
                   THEN now() + interval '1 day'
                   WHEN %(outcome)s = 'token_rejected' THEN least(token_refused_at, now()) + interval '10 minutes'
                   WHEN %(outcome)s = 'no_watchlist' THEN now() + greatest(%(due_again_in)s, interval '1 day')
                   ELSE now() + %(due_again_in)s
               END
         WHERE id = %(user_id)s
           AND plex_token = %(plex_token)s
        """, vars(result) | {
            "plex_token": user.plex_token,
            "miscount": miscount,
            "due_again_in": due_again_in,
        })


def record_list_change(conn: Connection, *, user_id: int) -> None:
    """Record that this service changed the watchlist at Plex, so that a read that is under way is not stored."""
    conn.execute("""
        UPDATE plex_users
           SET list_changes = list_changes + 1,
               list_etag = NULL
         WHERE id = %(user_id)s
        """, {"user_id": user_id})


def make_due(conn: Connection, *, user_id: int) -> None:
    """Make the person's watchlist due now."""
    conn.execute("UPDATE plex_users SET next_sync_at = now() WHERE id = %(user_id)s", {"user_id": user_id})


def record_account(conn: Connection, *, user_id: int, account: PlexAccount) -> None:
    """Store the Plex account of the person's present token."""
    conn.execute("""
        UPDATE plex_users
           SET plex_uuid = %(uuid)s,
               plex_username = %(username)s,
               account_checked = true,
               account_read_at = now()
         WHERE id = %(user_id)s
        """, {"user_id": user_id, "uuid": account.uuid, "username": account.username})


def claim_ping(conn: Connection) -> tuple[int, str, str] | None:
    """Return id, name and encrypted token of a person not pinged for a day, and mark them as pinged now.

    Each of several callers gets another person.
    """
    return conn.execute("""
        UPDATE plex_users
           SET pinged_at = now()
         WHERE id = (
                   SELECT id
                     FROM plex_users
                    WHERE active
                      AND sync_state <> 'token_rejected'
                      AND (pinged_at IS NULL OR pinged_at < now() - interval '1 day')
                 ORDER BY id
                    LIMIT 1
                      FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING id, name, plex_token
        """).fetchone()


def get_client_identifier(conn: Connection) -> str:
    """Return the X-Plex-Client-Identifier of this installation."""
    return value(conn, "SELECT client_identifier FROM sync_state")
