"""Looks: who is looked at between full reads, and what is remembered of it. Only store_seen() writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from wishlist_service.db import row
from wishlist_service.models import SyncUser


@dataclass(frozen=True, kw_only=True)
class SchedulerStatus:
    """Whether a scheduler is running or stopped, and when everybody was last looked at."""

    scheduler: str
    looked_at: datetime | None


def list_looked_at(conn: Connection) -> dict[int, str]:
    """Return id and source of the people to look at: active, not due, and neither failing nor with a refused token."""
    return dict(conn.execute("""
        SELECT id, source
          FROM plex_users
         WHERE active
           AND sync_state IN ('ok', 'held', 'no_watchlist', 'hidden', 'token_unreadable', 'other_account')
           AND next_sync_at > now()
      ORDER BY id
        """).fetchall())


def find_looked_at(conn: Connection, *, user_id: int) -> SyncUser | None:
    """Return the person if they are still one of list_looked_at()."""
    return row(conn, SyncUser, """
        SELECT *
          FROM sync_people
         WHERE id = (SELECT id
                       FROM plex_users
                      WHERE id = %(user_id)s
                        AND active
                        AND sync_state IN ('ok', 'held', 'no_watchlist', 'hidden', 'token_unreadable', 'other_account')
                        AND next_sync_at > now())
        """, {"user_id": user_id})


def store_seen(conn: Connection, *, seen: Sequence[tuple[int, str | None, float]]) -> None:
    """Store when people were last looked at: id, encrypted token, and how many seconds ago that was."""
    conn.execute("""
        UPDATE plex_users AS person
           SET last_attempt_at = greatest(last_attempt_at, now() - seen.ago * interval '1 second'),
               last_success_at = CASE WHEN sync_state = 'ok'
                                      THEN greatest(last_success_at, now() - seen.ago * interval '1 second')
                                      ELSE last_success_at
                                 END
          FROM unnest(%(ids)s::integer[], %(tokens)s::text[], %(agos)s::float8[]) AS seen (id, plex_token, ago)
         WHERE person.id = seen.id
           AND person.plex_token IS NOT DISTINCT FROM seen.plex_token
        """, {
        "ids": [each[0] for each in seen],
        "tokens": [each[1] for each in seen],
        "agos": [each[2] for each in seen],
    })


def show_round(conn: Connection) -> None:
    """Show others, without a write, that everybody was looked at: in the name of this connection."""
    conn.execute("SELECT set_config('application_name', 'plex-wishlist-looks ' || rfc3339(now()), false)")


def get_scheduler(conn: Connection) -> SchedulerStatus:
    """Return whether a scheduler runs on this database, and when everybody was last looked at."""
    found = row(conn, SchedulerStatus, """
        SELECT CASE WHEN count(*) > 0 THEN 'running' ELSE 'stopped' END AS scheduler,
               max(substring(application_name FROM '^plex-wishlist-looks (\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ)$')
                   ::timestamptz) AS looked_at
          FROM pg_stat_activity
         WHERE datname = current_database()
           AND application_name ~ '^plex-wishlist-(scheduler|looks)'
        """)
    assert found
    return found
