"""Which wanted titles the media server has."""

from datetime import timedelta

from psycopg import Connection

from wishlist_service.db import rows, value
from wishlist_service.models import Wisher

Wanted = tuple[int, str, list[str], bool]


def claim_look(conn: Connection, *, interval: timedelta) -> bool:
    """Return whether to read the media server now: True for one scheduler per interval.

    Always False while there are no titles, so that the first ones do not wait for the next interval.
    """
    return bool(
        conn.execute("""
            UPDATE sync_state
               SET library_due_at = now() + %(interval)s
             WHERE library_due_at <= now()
               AND EXISTS (SELECT FROM wishlist_items)
            """, {"interval": interval}).rowcount
    )


def put_off(conn: Connection, *, jitter: float) -> float:
    """Record that the media server was not read, or the changes after that failed; return the seconds to the next try.

    After 1, 2, 4 ... 32 minutes, then hourly.
    """
    return value(conn, """
        UPDATE sync_state
           SET library_failures = library_failures + 1,
               library_due_at = now() + least(interval '1 minute' * 2 ^ least(library_failures, 6) * %(jitter)s,
                                              interval '1 hour')
     RETURNING extract(epoch FROM library_due_at - now())::float8
        """, {"jitter": jitter})


def record_success(conn: Connection) -> None:
    """Record that the media server was read and nothing failed after that. Writes nothing if nothing failed before."""
    conn.execute("UPDATE sync_state SET library_failures = 0 WHERE library_failures > 0")


def retry_at_once(conn: Connection) -> None:
    """Make the media server due if the last try failed."""
    conn.execute("UPDATE sync_state SET library_due_at = now() WHERE library_failures > 0 AND library_due_at > now()")


def list_wanted(conn: Connection) -> list[Wanted]:
    """Return id, media type and names of each wanted title, like plex://… and imdb://…, and whether it is dismissed.

    The names are those of all records of the title.
    """
    return conn.execute("""
        SELECT item.id,
               item.media_type,
               ARRAY(
                   SELECT unnest(record.uid || record.external_ids)
                     FROM wishlist_records AS record
                    WHERE record.item_id = item.id),
               item.dismissed_at IS NOT NULL
          FROM wishlist_items AS item
         WHERE item.wanted_count > 0
        """).fetchall()


def list_play_urls(conn: Connection, *, item_ids: list[int]) -> dict[int, str]:
    """Return where Plex plays these titles, by their ids; without those that the media server does not have."""
    return dict(
        conn.execute("""
            SELECT id, play_url
              FROM wishlist_items
             WHERE id = ANY (%(item_ids)s)
               AND available
               AND play_url IS NOT NULL
            """, {"item_ids": item_ids}).fetchall()
    )


def store_available(
    conn: Connection, *, item_ids: list[int], available: list[bool], sure: list[bool], play_urls: list[str | None]
) -> int:
    """Store whether the media server has each title, whether surely, and where Plex plays it.

    Returns for how many that changed.
    """
    return conn.execute("""
        UPDATE wishlist_items AS item
           SET available = looked.available,
               available_since = CASE WHEN item.available AND looked.available THEN item.available_since
                                      WHEN looked.available THEN now()
                                  END,
               available_sure = looked.sure,
               play_url = looked.play_url
          FROM unnest(%(item_ids)s::bigint[], %(available)s::boolean[], %(sure)s::boolean[], %(play_urls)s::text[])
               AS looked (id, available, sure, play_url)
         WHERE item.id = looked.id
           AND (item.available, item.available_sure, item.play_url)
               IS DISTINCT FROM (looked.available, looked.sure, looked.play_url)
        """, {"item_ids": item_ids, "available": available, "sure": sure, "play_urls": play_urls}).rowcount


def list_wishers_of_available(conn: Connection, *, uid: str | None, grace: timedelta) -> list[Wisher]:
    """Return the wishes for titles that both are surely available and wanted for longer than `grace`.

    People without a working token are left out. `uid`: for this title only; None does not filter.
    """
    return rows(conn, Wisher, """
        SELECT person.id, person.name, person.plex_token, item.uid,
               listed_uids(person.id, item.id) AS uids, true AS wants
          FROM wishlist_items AS item
          JOIN wishlist_item_sources AS source ON source.item_id = item.id
          JOIN plex_users AS person ON person.id = source.user_id
         WHERE item.available
           AND item.available_sure
           AND (%(uid)s::text IS NULL OR item.uid = %(uid)s)
           AND item.available_since <= now() - %(grace)s
           AND item.wanted_count > 0
           AND source.removed_at IS NULL
           AND source.first_added_at <= now() - %(grace)s
           AND NOT EXISTS (
                   SELECT
                     FROM wishlist_events AS event
                    WHERE event.item_id = source.item_id
                      AND event.user_id = source.user_id
                      AND event.kind = 'came_back'
                      AND event.happened_at > now() - %(grace)s)
           AND person.active
           AND person.plex_token IS NOT NULL
           AND person.sync_state NOT IN ('token_rejected', 'token_unreadable', 'no_watchlist')
      ORDER BY item.id, person.id
        """, {"uid": uid, "grace": grace})
