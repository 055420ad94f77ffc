"""People as the sync sees them: who is due, which scheduler claims them, and how their reads ended."""

from datetime import datetime, timedelta

from psycopg import Connection

from wishlist_service.db import row, rows, value
from wishlist_service.models import Change, PlexAccount, SyncUser, UserResult


def is_anybody_due(conn: Connection) -> bool:
    """Return whether a watchlist is due."""
    return value(conn, "SELECT EXISTS (SELECT FROM plex_users WHERE active AND next_sync_at <= now())")


def find_seconds_until_due(conn: Connection) -> float | None:
    """Return in how many seconds the next watchlist is due, below zero if one is overdue; None without people."""
    return value(conn, """
        SELECT extract(epoch FROM min(next_sync_at) - now())::float8
          FROM plex_users
         WHERE active
        """)


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


def claim_due_user_id(conn: Connection, *, ahead: timedelta, claimed_ids: list[int], lock_class: int) -> int | None:
    """Lock the first person who is due within `ahead` and not locked by another connection; return their id.

    claimed_ids: people whom this run has had: it reads each once. Another connection may
    have read the person before the lock was taken, so check with find_due_user().
    """
    return row(conn, int, """
        SELECT id
          FROM (SELECT id
                  FROM plex_users
                 WHERE active
                   AND next_sync_at <= now() + %(ahead)s
                   AND (next_sync_at <= now() OR NOT is_retried(sync_state) AND sync_state <> 'token_rejected')
                   AND id <> ALL (%(claimed_ids)s::integer[])
                       -- those for whom a cooldown left no time come first
              ORDER BY sync_state <> 'rate_limited', next_sync_at, id
                 LIMIT 100) AS candidate   -- the limit makes PostgreSQL try locks in this order
         WHERE pg_try_advisory_lock(%(lock_class)s, id)
         LIMIT 1
        """, {"ahead": ahead, "claimed_ids": claimed_ids, "lock_class": lock_class})


def find_due_user(conn: Connection, *, user_id: int, ahead: timedelta) -> SyncUser | None:
    """Return the person if they are still due within `ahead`."""
    return row(conn, SyncUser, """
        SELECT *
          FROM sync_people
         WHERE id = (SELECT id
                       FROM plex_users
                      WHERE id = %(user_id)s
                        AND active
                        AND next_sync_at <= now() + %(ahead)s
                        AND (next_sync_at <= now() OR NOT is_retried(sync_state) AND sync_state <> 'token_rejected'))
        """, {"user_id": user_id, "ahead": ahead})


def list_active_users(conn: Connection) -> list[SyncUser]:
    """Return the active people in the order they were added."""
    return rows(conn, SyncUser, """
        SELECT *
          FROM sync_people
         WHERE active
      ORDER BY id
        """)


def find_sync_user(conn: Connection, *, user_id: int) -> SyncUser | None:
    """Return the person, active or not."""
    return row(conn, SyncUser, """
        SELECT *
          FROM sync_people
         WHERE id = %(user_id)s
        """, {"user_id": user_id})


def lock_unchanged_user(conn: Connection, *, user: SyncUser) -> bool:
    """Lock the person's row for this transaction; return False if the read is out of date.

    It is if the person was erased or paused meanwhile, is read in another way or with another own token, or if this
    service changed their watchlist. Another switched token is of the same account.
    """
    cur = conn.execute("""
        SELECT id
          FROM plex_users
         WHERE id = %(user_id)s
           AND active
           AND source = %(source)s
           AND (source <> 'own' OR plex_token = %(plex_token)s)
           AND list_changes = %(list_changes)s
           FOR NO KEY UPDATE
        """, {
        "user_id": user.id, "source": user.source, "plex_token": user.plex_token, "list_changes": user.list_changes,
    })
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
    due_again_in: timedelta | None,
) -> None:
    """Record a complete read. A held one does not move last_success_at: more is kept than it shows.

    due_again_in: until the next full read; None for a look, which leaves that as it is.
    list_note: what there is to say of the watchlist, held or not.
    """
    conn.execute("""
        UPDATE plex_users
           SET sync_state = CASE WHEN %(held)s::text IS NULL THEN 'ok' ELSE 'held' END,
               sync_detail = coalesce(%(held)s, %(list_note)s),
               last_attempt_at = now(),
               last_success_at = CASE WHEN %(held)s::text IS NULL THEN now() ELSE last_success_at END,
               list_read_at = CASE WHEN %(due_again_in)s::interval IS NULL THEN list_read_at ELSE now() END,
               list_etag = %(list_etag)s,
               list_size = %(list_size)s,
               list_note = %(list_note)s,
               odd_rows_since = %(odd_rows_since)s,
               missed = ARRAY(SELECT uid FROM wishlist_items WHERE id = ANY (%(missed)s::bigint[]) ORDER BY uid),
               miscount = %(miscount)s,
               held_removals = %(held_removals)s,
               token_refused_at = NULL,
               failures = 0,
               wait_until = NULL,
               next_sync_at = coalesce(now() + %(due_again_in)s::interval, next_sync_at)
         WHERE id = %(user_id)s
        """, {
        "user_id": user_id, "list_etag": list_etag, "list_size": list_size, "due_again_in": due_again_in,
        "list_note": list_note, "odd_rows_since": odd_rows_since, "miscount": miscount,
        "held": change.held, "held_removals": change.held_removals, "missed": list(change.missed),
    })


def record_not_modified(conn: Connection, *, user_id: int, due_again_in: timedelta | None) -> None:
    """Record that Plex confirmed the watchlist as last read. That is no full read, and puts none off.

    due_again_in: from one full read to the next; None for a look.
    """
    conn.execute("""
        UPDATE plex_users
           SET sync_state = 'ok',
               sync_detail = list_note,
               last_attempt_at = now(),
               last_success_at = now(),
               token_refused_at = NULL,
               failures = 0,
               wait_until = NULL,
               next_sync_at = CASE WHEN %(due_again_in)s::interval IS NULL THEN next_sync_at
                                   ELSE greatest(now(), list_read_at + %(due_again_in)s)
                              END
         WHERE id = %(user_id)s
        """, {"user_id": user_id, "due_again_in": due_again_in})


def record_failure(
    conn: Connection,
    *,
    user: SyncUser,
    result: UserResult,
    miscount: str | None,
    again_in: timedelta | None,
    asked: bool,
    told_to_wait: bool,
) -> None:
    """Record that the watchlist was not read with this token.

    A refused token is tried again 10 minutes after the first refusal, and then once a day.
    miscount: what the next read needs to know if Plex counted other rows than it showed.
    again_in: until the next try; None for when the list was due before. told_to_wait: whether Plex said so.
    asked: False if the read was put off before the first request.
    """
    conn.execute("""
        UPDATE plex_users
           SET sync_state = %(outcome)s,
               sync_detail = %(detail)s,
               last_attempt_at = CASE WHEN %(asked)s THEN now() ELSE last_attempt_at END,
               miscount = CASE WHEN %(outcome)s = 'plex_changed' THEN %(miscount)s ELSE miscount END,
               token_refused_at = CASE
                   WHEN %(outcome)s = 'token_rejected' THEN least(token_refused_at, now())
                   WHEN %(outcome)s IN ('no_watchlist', 'other_account') THEN NULL      -- Plex accepts the token
                   ELSE token_refused_at
               END,
               failures = CASE WHEN is_retried(%(outcome)s) THEN failures + %(asked)s::integer ELSE 0 END,
               wait_until = CASE WHEN %(told_to_wait)s THEN now() + %(again_in)s::interval END,
               next_sync_at = CASE
                   WHEN %(outcome)s = 'token_rejected' AND token_refused_at <= now() - interval '10 minutes'
                   THEN now() + interval '1 day'
                   WHEN %(outcome)s = 'token_rejected' THEN least(token_refused_at, now()) + interval '10 minutes'
                   ELSE coalesce(now() + %(again_in)s::interval, next_sync_at)
               END
         WHERE id = %(user_id)s
           AND source = %(source)s
           AND (source <> 'own' OR plex_token = %(plex_token)s)
        """, vars(result) | {
            "source": user.source,
            "plex_token": user.plex_token,
            "miscount": miscount,
            "again_in": again_in,
            "asked": asked,
            "told_to_wait": told_to_wait,
        })


def retry_at_once(conn: Connection) -> int:
    """Make people due whose last read failed, unless Plex asked to wait; return how many."""
    return conn.execute("""
        UPDATE plex_users
           SET next_sync_at = now()
         WHERE active
           AND is_retried(sync_state)
           AND next_sync_at > now()
           AND coalesce(wait_until <= now(), true)
        """).rowcount


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
                      AND plex_token IS NOT NULL
                      AND sync_state <> 'token_rejected'
                      AND NOT is_retried(sync_state)         -- it would fail, too
                      AND (pinged_at IS NULL OR pinged_at < now() - interval '1 day')
                 ORDER BY id
                    LIMIT 1
                      FOR NO KEY UPDATE SKIP LOCKED)
     RETURNING id, name, plex_token
        """).fetchone()


def store_switched_token(conn: Connection, *, user_id: int, plex_token: str) -> None:
    """Store the encrypted token that a switch to this member of a Plex Home gave, unless they have one of their own."""
    conn.execute("""
        UPDATE plex_users
           SET plex_token = %(plex_token)s
         WHERE id = %(user_id)s
           AND source = 'home'
        """, {"user_id": user_id, "plex_token": plex_token})


def get_client_identifier(conn: Connection) -> str:
    """Return the X-Plex-Client-Identifier of this installation."""
    return value(conn, "SELECT client_identifier FROM sync_state")
