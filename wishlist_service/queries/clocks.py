"""Times that a clock left behind that was ahead for a while."""

from dataclasses import dataclass
from datetime import timedelta

from psycopg import Connection

from wishlist_service.db import row, value


@dataclass(frozen=True)
class TimesAhead:
    """How many people are due too far ahead, how many were last asked for in the future, and what else is too late."""

    due: int
    attempts: int
    others: int


def find_times_ahead(conn: Connection, *, interval: timedelta) -> TimesAhead:
    """Return how many times are further ahead than they can be, with this interval of full reads."""
    found = row(conn, TimesAhead, """
        SELECT count(*) FILTER (WHERE next_sync_at > now() + 1.1 * longest_wait(
                                          sync_state, wait_until IS NOT NULL, %(interval)s)) AS due,
               count(*) FILTER (WHERE greatest(
                                          last_attempt_at, last_success_at, list_read_at, account_read_at, pinged_at,
                                          odd_rows_since, token_refused_at, created_at) > now()) AS attempts,
               (SELECT count(*) FROM sync_state WHERE library_due_at > now() + interval '66 minutes')
               + (SELECT count(*) FROM news_addresses WHERE due_at > now() + interval '6.6 hours')
               + (SELECT count(*) FROM wishlist_items WHERE details_due_at > now() + interval '33 days')
               + (SELECT count(*) FROM wishlist_item_sources WHERE keep_due_at > now() + interval '72 minutes')
               + (SELECT count(*) FROM plex_links WHERE status = 'pending' AND polled_at > now()) AS others
          FROM plex_users
        """, {"interval": interval})
    assert found
    return found


def bring_forward(conn: Connection, *, interval: timedelta) -> int:
    """Bring due times forward that are further ahead than they can be; return how many people were due too late.

    The cause is a clock that was ahead, or a longer interval. What lies in the future but is past is set to now.
    Call it in a transaction that holds lock_wishlist().
    """
    return value(conn, """
        WITH late AS (
            SELECT id
              FROM plex_users
             WHERE next_sync_at > now() + 1.1 * longest_wait(sync_state, wait_until IS NOT NULL, %(interval)s)),
        people AS (
            UPDATE plex_users
               SET next_sync_at = CASE
                       WHEN id NOT IN (SELECT id FROM late) THEN next_sync_at
                       WHEN last_attempt_at <= now()
                       THEN greatest(now(), last_attempt_at
                                            + longest_wait(sync_state, wait_until IS NOT NULL, %(interval)s))
                       ELSE now()
                   END,
                   last_attempt_at = CASE WHEN last_attempt_at > now() THEN now() ELSE last_attempt_at END,
                   last_success_at = CASE WHEN last_success_at > now() THEN now() ELSE last_success_at END,
                   list_read_at = CASE WHEN list_read_at > now() THEN now() ELSE list_read_at END,
                   account_read_at = least(account_read_at, now()),
                   pinged_at = CASE WHEN pinged_at > now() THEN now() ELSE pinged_at END,
                   odd_rows_since = CASE WHEN odd_rows_since > now() THEN now() ELSE odd_rows_since END,
                   token_refused_at = CASE WHEN token_refused_at > now() THEN now() ELSE token_refused_at END,
                   created_at = least(created_at, now())
             WHERE id IN (SELECT id FROM late)
                OR greatest(last_attempt_at, last_success_at, list_read_at, account_read_at, pinged_at,
                            odd_rows_since, token_refused_at, created_at) > now()),
        library AS (
            UPDATE sync_state
               SET library_due_at = now()
             WHERE library_due_at > now() + interval '66 minutes'),
        news AS (
            UPDATE news_addresses
               SET due_at = now()
             WHERE due_at > now() + interval '6.6 hours'),
        details AS (
            UPDATE wishlist_items
               SET details_due_at = now(),
                   first_asked_at = CASE WHEN first_asked_at > now() THEN now() ELSE first_asked_at END
             WHERE details_due_at > now() + interval '33 days'),
        keeping AS (
            UPDATE wishlist_item_sources
               SET keep_due_at = now()
             WHERE keep_due_at > now() + interval '72 minutes'),
        sign_ins AS (
            UPDATE plex_links
               SET polled_at = now()
             WHERE status = 'pending'
               AND polled_at > now())
        SELECT count(*)
          FROM late
        """, {"interval": interval})
