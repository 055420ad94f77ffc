"""What the household decides about titles and wishes, beside what the watchlists say."""

from psycopg import Connection

from wishlist_service.db import row, rows
from wishlist_service.models import Wisher


def set_dismissed(conn: Connection, *, uids: list[str], dismissed: bool) -> None:
    """Dismiss the title, or undo it; one that already is what it shall be keeps its time."""
    conn.execute("""
        UPDATE wishlist_items
           SET dismissed_at = CASE WHEN %(dismissed)s THEN now() END
         WHERE uid = ANY (%(uids)s)
           AND wish_count > 0
           AND (dismissed_at IS NOT NULL) <> %(dismissed)s
        """, {"uids": uids, "dismissed": dismissed})


def list_wishers(conn: Connection, *, uids: list[str], user_ids: list[int] | None) -> list[Wisher]:
    """The active people who want the title at present, or all of `user_ids`, whether they want it or not."""
    return rows(conn, Wisher, """
        SELECT person.id, person.name, person.plex_token, item.uid,
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
         WHERE item.uid = ANY (%(uids)s)
           AND item.wish_count > 0
      ORDER BY person.id
        """, {"uids": uids, "user_ids": user_ids})


def find_wish(conn: Connection, *, uids: list[str], user_id: int) -> tuple[str, bool, str] | None:
    """The uid, whether the wish is kept, and the person's name; None if they do not want the title at present."""
    return conn.execute("""
        SELECT item.uid, source.kept_at IS NOT NULL, person.name
          FROM wishlist_items AS item
          JOIN wishlist_item_sources AS source ON source.item_id = item.id
          JOIN plex_users AS person ON person.id = source.user_id
         WHERE item.uid = ANY (%(uids)s)
           AND source.user_id = %(user_id)s
           AND source.removed_at IS NULL
        """, {"uids": uids, "user_id": user_id}).fetchone()


def list_keepers(conn: Connection, *, uids: list[str]) -> list[int]:
    """The ids of those whose wish for the title is kept although it was taken off their list."""
    return rows(conn, int, """
        SELECT source.user_id
          FROM wishlist_items AS item
          JOIN wishlist_item_sources AS source ON source.item_id = item.id
         WHERE item.uid = ANY (%(uids)s)
           AND source.kept_at IS NOT NULL
           AND source.removed_at IS NULL
      ORDER BY source.user_id
        """, {"uids": uids})


def claim_to_keep(conn: Connection, *, except_ids: list[int]) -> Wisher | None:
    """A wish that is on its person's list, of nobody in `except_ids`; from now on it is kept, whatever the list says.

    Only of people whose list was read and who are not due: a sync that reads it now would do so in vain. And not
    before Plex was asked when new wishes were made, which it knows only of titles that are on a list.
    """
    return row(conn, Wisher, """
        WITH chosen AS (
            SELECT source.item_id, source.user_id
              FROM plex_users AS person
              JOIN wishlist_item_sources AS source ON source.user_id = person.id
             WHERE person.active
               AND person.sync_state = 'ok'
               AND person.next_sync_at > now()
               AND person.id <> ALL (%(except_ids)s::integer[])
               AND source.removed_at IS NULL
               AND source.kept_at IS NULL
               AND NOT EXISTS (SELECT FROM sync_runs WHERE times_due)
          ORDER BY source.user_id, source.first_added_at, source.item_id
             LIMIT 1)
        UPDATE wishlist_item_sources AS source
           SET kept_at = now()
          FROM chosen
          JOIN plex_users AS person ON person.id = chosen.user_id
          JOIN wishlist_items AS item ON item.id = chosen.item_id
         WHERE source.item_id = chosen.item_id
           AND source.user_id = chosen.user_id
     RETURNING person.id, person.name, person.plex_token, item.uid, true AS wants
        """, {"except_ids": except_ids})


def give_up_keeping(conn: Connection, *, user_id: int, uid: str) -> None:
    """Take back what claim_to_keep() did: the title is on the person's list still."""
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET kept_at = NULL
          FROM wishlist_items AS item
         WHERE item.id = source.item_id
           AND item.uid = %(uid)s
           AND source.user_id = %(user_id)s
        """, {"uid": uid, "user_id": user_id})


def keep_all(conn: Connection) -> None:
    """Keep every present wish, whatever the lists say; full reads find out which are still on them."""
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
