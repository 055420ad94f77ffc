"""What people decide about titles and wishes here, beside what the watchlists say."""

from psycopg import Connection

from wishlist_service.db import row, rows
from wishlist_service.models import Wisher


def set_dismissed(conn: Connection, *, uids: list[str], dismissed: bool) -> None:
    """Dismiss the title, or undo that. A title that is already dismissed keeps its time."""
    conn.execute("""
        UPDATE wishlist_items
           SET dismissed_at = CASE WHEN %(dismissed)s THEN now() END
         WHERE id = (SELECT item_meant(%(uids)s))
           AND wish_count > 0
           AND (dismissed_at IS NOT NULL) <> %(dismissed)s
        """, {"uids": uids, "dismissed": dismissed})


def list_wishers(conn: Connection, *, uids: list[str], user_ids: list[int] | None) -> list[Wisher]:
    """Return the active people who want the title at present, or the people of `user_ids`, whatever they want."""
    return rows(conn, Wisher, """
        SELECT person.id, person.name, person.plex_token, item.uid,
               listed_uids(person.id, item.id) AS uids,
               source.item_id IS NOT NULL AS wants
          FROM wishlist_items AS item
         CROSS JOIN unnest(coalesce(%(user_ids)s::integer[], ARRAY(
                   SELECT wishes.user_id
                     FROM wishes
                    WHERE wishes.item_id = item.id
                      AND wishes.removed_at IS NULL))) AS chosen (user_id)
          JOIN plex_users AS person ON person.id = chosen.user_id
     LEFT JOIN wishlist_item_sources AS source
            ON source.item_id = item.id
           AND source.user_id = person.id
           AND source.removed_at IS NULL
         WHERE item.id = (SELECT item_meant(%(uids)s))
           AND item.wish_count > 0
      ORDER BY person.id
        """, {"uids": uids, "user_ids": user_ids})


def find_wish(conn: Connection, *, uids: list[str], user_id: int) -> tuple[int, str, bool, str] | None:
    """Return id and uid of the title, whether the wish is kept, and the person's name; None if there is no wish now."""
    return conn.execute("""
        SELECT item.id, item.uid, source.kept_at IS NOT NULL, person.name
          FROM wishlist_items AS item
          JOIN wishlist_item_sources AS source ON source.item_id = item.id
          JOIN plex_users AS person ON person.id = source.user_id
         WHERE item.id = (SELECT item_meant(%(uids)s))
           AND source.user_id = %(user_id)s
           AND source.removed_at IS NULL
        """, {"uids": uids, "user_id": user_id}).fetchone()


def list_keepers(conn: Connection, *, uids: list[str]) -> list[int]:
    """Return the ids of the people whose wish is kept although the title was taken off their watchlist."""
    return rows(conn, int, """
        SELECT source.user_id
          FROM wishlist_items AS item
          JOIN wishlist_item_sources AS source ON source.item_id = item.id
         WHERE item.id = (SELECT item_meant(%(uids)s))
           AND source.kept_at IS NOT NULL
           AND source.removed_at IS NULL
      ORDER BY source.user_id
        """, {"uids": uids})


def claim_to_keep(conn: Connection, *, except_ids: list[int]) -> Wisher | None:
    """Return a wish that is on its person's watchlist, and keep it from now on, whatever the watchlist says.

    Also one that is kept, and whose title could not be taken off, once it is due again. Until confirm_keeping() it is
    tried again, even if the process is killed. Skips people in `except_ids`, and people who are due: changing a
    watchlist voids a sync that reads it. Returns None while Plex must be asked when new wishes were made, since it
    knows that only of titles on a watchlist.
    """
    return row(conn, Wisher, """
        WITH chosen AS (
            SELECT source.item_id, source.user_id
              FROM plex_users AS person
              JOIN wishlist_item_sources AS source ON source.user_id = person.id
             WHERE person.active
               AND person.plex_token IS NOT NULL
               AND person.sync_state = 'ok'
               AND person.next_sync_at > now()
               AND person.id <> ALL (%(except_ids)s::integer[])
               AND source.removed_at IS NULL
               AND (source.kept_at IS NULL OR source.keep_due_at <= now())
               AND NOT EXISTS (SELECT FROM sync_runs WHERE times_due)
          ORDER BY source.user_id, source.first_added_at, source.item_id
             LIMIT 1)
        UPDATE wishlist_item_sources AS source
           SET kept_at = now(),
               keep_due_at = now() + interval '1 minute',
               keep_failures = CASE WHEN source.kept_at IS NULL THEN 0 ELSE source.keep_failures + 1 END
          FROM chosen
          JOIN plex_users AS person ON person.id = chosen.user_id
          JOIN wishlist_items AS item ON item.id = chosen.item_id
         WHERE source.item_id = chosen.item_id
           AND source.user_id = chosen.user_id
     RETURNING person.id, person.name, person.plex_token, item.uid,
               listed_uids(person.id, item.id) AS uids, true AS wants
        """, {"except_ids": except_ids})


def confirm_keeping(conn: Connection, *, user_id: int, uid: str) -> None:
    """Record that the title is off the watchlist, or never will be, so that nothing is left to try."""
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET keep_due_at = NULL,
               keep_failures = 0
          FROM wishlist_records AS record
         WHERE record.item_id = source.item_id
           AND record.uid = %(uid)s
           AND source.user_id = %(user_id)s
        """, {"uid": uid, "user_id": user_id})


def put_off_keeping(conn: Connection, *, user_id: int, uid: str, jitter: float) -> None:
    """Record that the title could not be taken off the watchlist: it is tried again after 1, 2, 4 ... minutes."""
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET keep_due_at = now() + least(interval '1 minute' * 2 ^ least(keep_failures, 6), interval '1 hour')
                                   * %(jitter)s
          FROM wishlist_records AS record
         WHERE record.item_id = source.item_id
           AND record.uid = %(uid)s
           AND source.user_id = %(user_id)s
        """, {"uid": uid, "user_id": user_id, "jitter": jitter})


def give_up_keeping(conn: Connection, *, user_id: int, uid: str) -> None:
    """Undo claim_to_keep() if it was the first try: the title is still on the person's watchlist."""
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET kept_at = NULL,
               keep_due_at = NULL
          FROM wishlist_records AS record
         WHERE record.item_id = source.item_id
           AND record.uid = %(uid)s
           AND source.user_id = %(user_id)s
           AND source.keep_failures = 0
        """, {"uid": uid, "user_id": user_id})


def retry_keeping_at_once(conn: Connection) -> None:
    """Make all titles due that could not be taken off their watchlists."""
    conn.execute("""
        UPDATE wishlist_item_sources
           SET keep_due_at = now()
         WHERE keep_due_at > now()
           AND kept_at IS NOT NULL
           AND removed_at IS NULL
        """)


def keep_all(conn: Connection) -> None:
    """Keep every present wish, whatever the watchlists say. Full reads show which titles are still on them."""
    conn.execute("""
        WITH kept AS (
            UPDATE wishlist_item_sources
               SET kept_at = now()
             WHERE removed_at IS NULL
               AND kept_at IS NULL
         RETURNING user_id)
        UPDATE plex_users
           SET list_etag = NULL
         WHERE id IN (SELECT user_id FROM kept)
        """)
