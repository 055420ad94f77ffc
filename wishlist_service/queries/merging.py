"""Merging one person's watchlist into the wishlist: whole lists at a time, writing only differences."""

from collections.abc import Collection, Mapping

from psycopg import Connection

from wishlist_service.db import rows, value


def list_present_wishes(conn: Connection, *, user_id: int) -> list[tuple[int, bool]]:
    """Return the ids of the titles this person wants, and whether each is kept: this service took it off their list."""
    return conn.execute("""
        SELECT item_id, kept_at IS NOT NULL
          FROM wishlist_item_sources
         WHERE user_id = %(user_id)s
           AND removed_at IS NULL
        """, {"user_id": user_id}).fetchall()


def end_keeping(conn: Connection, *, user_id: int, item_ids: Collection[int]) -> None:
    """End the keeping of these titles: they are on the person's watchlist.

    The person added them again, or Plex did not remove them. Titles kept within the last hour stay kept: the
    watchlist may have been read before Plex removed them.
    """
    conn.execute("""
        UPDATE wishlist_item_sources
           SET kept_at = NULL
         WHERE user_id = %(user_id)s
           AND kept_at < now() - interval '1 hour'
           AND item_id = ANY (%(item_ids)s)
        """, {"user_id": user_id, "item_ids": list(item_ids)})


def add_wishes(conn: Connection, *, user_id: int, positions: Mapping[int, int]) -> int:
    """Store that the person wants these titles, for the first time or again.

    positions: on the watchlist, by the id of the title. Returns how many joined the wishlist, because no other person
    wants them.
    """
    return value(conn, """
        WITH added AS (
            INSERT INTO wishlist_item_sources AS source (item_id, user_id, first_added_at)
            SELECT entry.item_id, %(user_id)s, now() - entry.position * interval '1 microsecond'
              FROM unnest(%(item_ids)s::bigint[], %(positions)s::integer[]) AS entry (item_id, position)
          ORDER BY entry.item_id
                ON CONFLICT (item_id, user_id) DO UPDATE
               SET removed_at = NULL,
                   last_seen_at = NULL,
                   watchlisted_at = NULL          -- it belongs to the earlier wish
         RETURNING source.item_id)
        SELECT count(*)
          FROM added
         WHERE NOT EXISTS (
                   SELECT
                     FROM wishes
                    WHERE wishes.item_id = added.item_id
                      AND wishes.user_id <> %(user_id)s
                      AND wishes.removed_at IS NULL)
        """, {"user_id": user_id, "item_ids": list(positions), "positions": list(positions.values())})


def remove_wishes(conn: Connection, *, user_id: int, item_ids: Collection[int]) -> int:
    """Mark the person's wishes for these titles as removed now.

    Returns how many left the wishlist, because no other person wants them.
    """
    return value(conn, """
        WITH removed AS (
            UPDATE wishlist_item_sources AS source
               SET removed_at = now(),
                   last_seen_at = greatest(source.first_added_at, person.last_success_at),
                   kept_at = NULL
              FROM plex_users AS person
             WHERE person.id = source.user_id
               AND source.user_id = %(user_id)s
               AND source.removed_at IS NULL
               AND source.item_id = ANY (%(item_ids)s)
         RETURNING source.item_id)
        SELECT count(*)
          FROM removed
         WHERE NOT EXISTS (
                   SELECT
                     FROM wishes
                    WHERE wishes.item_id = removed.item_id
                      AND wishes.user_id <> %(user_id)s
                      AND wishes.removed_at IS NULL)
        """, {"user_id": user_id, "item_ids": list(item_ids)})


def remove_unwanted_items(conn: Connection, *, item_ids: Collection[int]) -> None:
    """Delete the items that no person wants or wanted."""
    conn.execute("""
        DELETE FROM wishlist_items AS item
         WHERE item.id = ANY (%(item_ids)s)
           AND NOT EXISTS (SELECT FROM wishlist_item_sources AS source WHERE source.item_id = item.id)
        """, {"item_ids": list(item_ids)})


def name_run(conn: Connection, *, run_id: int) -> None:
    """Make the events of this transaction belong to the run."""
    conn.execute("SELECT set_config('wishlist.run', %(run_id)s::text, true)", {"run_id": run_id})


def list_wished_item_ids(conn: Connection, *, user_id: int) -> list[int]:
    """Return the ids of the items this person wants or wanted."""
    return rows(conn, int, """
        SELECT item_id
          FROM wishlist_item_sources
         WHERE user_id = %(user_id)s
        """, {"user_id": user_id})
