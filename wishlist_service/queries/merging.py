"""Merging one person's watchlist into the wishlist: whole lists at a time, writing only differences."""

from collections.abc import Collection, Sequence
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import rows, value
from wishlist_service.models import WatchlistEntry


def list_present_wishes(conn: Connection, *, user_id: int) -> list[tuple[str, bool]]:
    """Return the uids this person wants at present, and whether each is kept: this service took it off their list."""
    return conn.execute("""
        SELECT item.uid, source.kept_at IS NOT NULL
          FROM wishlist_item_sources AS source
          JOIN wishlist_items AS item ON item.id = source.item_id
         WHERE source.user_id = %(user_id)s
           AND source.removed_at IS NULL
        """, {"user_id": user_id}).fetchall()


def end_keeping(conn: Connection, *, user_id: int, uids: Collection[str]) -> None:
    """End the keeping of these titles: they are on the person's watchlist.

    The person added them again, or Plex did not remove them. Titles kept within the last hour stay kept: the
    watchlist may have been read before Plex removed them.
    """
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET kept_at = NULL
          FROM wishlist_items AS item
         WHERE item.id = source.item_id
           AND source.user_id = %(user_id)s
           AND source.kept_at < now() - interval '1 hour'
           AND item.uid = ANY (%(uids)s)
        """, {"user_id": user_id, "uids": list(uids)})


def upsert_items(conn: Connection, *, entries: Sequence[WatchlistEntry]) -> int:
    """Add new titles, update facts that differ, and return how many titles were updated.

    A fact that Plex no longer gives stays. New titles count as wanted by one person, so add_wishes() must follow
    in the same transaction.
    """
    return value(conn, """
        WITH written AS (
            INSERT INTO wishlist_items AS item (
                   uid, media_type, title, year, released_on, imdb_id, tmdb_id, tvdb_id,
                   poster_url, plex_url, content_rating, duration_minutes, audience_rating, seasons, tagline,
                   backdrop_url, added_at, last_wish_at, wanted_count, wish_count)
            SELECT entry.uid, entry.media_type, entry.title, entry.year, entry.released_on, entry.imdb_id,
                   entry.tmdb_id, entry.tvdb_id, entry.poster_url, entry.plex_url, entry.content_rating,
                   entry.duration_minutes, entry.audience_rating, entry.seasons, entry.tagline, entry.backdrop_url,
                   -- all are added at one time: this keeps the order of the watchlist
                   now() - entry.position * interval '1 microsecond',
                   now() - entry.position * interval '1 microsecond',
                   1, 1                           -- as add_wishes() would set them: one write, not two
              FROM jsonb_to_recordset(%(entries)s) AS entry (
                   uid text, media_type text, title text, year integer, released_on date, imdb_id text,
                   tmdb_id integer, tvdb_id integer, poster_url text, plex_url text, content_rating text,
                   duration_minutes integer, audience_rating numeric(3, 1), seasons integer, tagline text,
                   backdrop_url text, position integer)
         LEFT JOIN wishlist_items AS known USING (uid)
             WHERE known.id IS NULL
                OR entry.title <> known.title
                OR entry.year IS DISTINCT FROM known.year AND entry.year IS NOT NULL
                OR entry.released_on IS DISTINCT FROM known.released_on AND entry.released_on IS NOT NULL
                OR entry.imdb_id IS DISTINCT FROM known.imdb_id AND entry.imdb_id IS NOT NULL
                OR entry.tmdb_id IS DISTINCT FROM known.tmdb_id AND entry.tmdb_id IS NOT NULL
                OR entry.tvdb_id IS DISTINCT FROM known.tvdb_id AND entry.tvdb_id IS NOT NULL
                OR entry.poster_url IS DISTINCT FROM known.poster_url AND entry.poster_url IS NOT NULL
                OR entry.plex_url IS DISTINCT FROM known.plex_url AND entry.plex_url IS NOT NULL
                OR entry.content_rating IS DISTINCT FROM known.content_rating AND entry.content_rating IS NOT NULL
                OR entry.duration_minutes IS DISTINCT FROM known.duration_minutes AND entry.duration_minutes IS NOT NULL
                OR entry.audience_rating IS DISTINCT FROM known.audience_rating AND entry.audience_rating IS NOT NULL
                OR entry.seasons IS DISTINCT FROM known.seasons AND entry.seasons IS NOT NULL
                OR entry.tagline IS DISTINCT FROM known.tagline AND entry.tagline IS NOT NULL
                OR entry.backdrop_url IS DISTINCT FROM known.backdrop_url AND entry.backdrop_url IS NOT NULL
          ORDER BY entry.uid                      -- one lock order for all writers
                ON CONFLICT (uid) DO UPDATE
               SET title = excluded.title,
                   year = coalesce(excluded.year, item.year),
                   released_on = coalesce(excluded.released_on, item.released_on),
                   imdb_id = coalesce(excluded.imdb_id, item.imdb_id),
                   tmdb_id = coalesce(excluded.tmdb_id, item.tmdb_id),
                   tvdb_id = coalesce(excluded.tvdb_id, item.tvdb_id),
                   poster_url = coalesce(excluded.poster_url, item.poster_url),
                   plex_url = coalesce(excluded.plex_url, item.plex_url),
                   content_rating = coalesce(excluded.content_rating, item.content_rating),
                   duration_minutes = coalesce(excluded.duration_minutes, item.duration_minutes),
                   audience_rating = coalesce(excluded.audience_rating, item.audience_rating),
                   seasons = coalesce(excluded.seasons, item.seasons),
                   tagline = coalesce(excluded.tagline, item.tagline),
                   backdrop_url = coalesce(excluded.backdrop_url, item.backdrop_url)
         RETURNING xmax <> 0 AS was_there)        -- true for an updated row only
        SELECT count(*) FILTER (WHERE was_there)
          FROM written
        """, {"entries": Jsonb([_as_json(entry) for entry in entries])})


def add_wishes(conn: Connection, *, user_id: int, entries: Sequence[WatchlistEntry]) -> int:
    """Store that the person wants these titles, for the first time or again.

    Returns how many joined the wishlist, because no other person wants them.
    """
    return value(conn, """
        WITH added AS (
            INSERT INTO wishlist_item_sources AS source (item_id, user_id, first_added_at)
            SELECT item.id, %(user_id)s, now() - entry.position * interval '1 microsecond'
              FROM unnest(%(uids)s::text[], %(positions)s::integer[]) AS entry (uid, position)
              JOIN wishlist_items AS item USING (uid)
          ORDER BY item.uid
                ON CONFLICT (item_id, user_id) DO UPDATE
               SET removed_at = NULL,
                   returned_at = excluded.first_added_at,
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
        """, {
        "user_id": user_id,
        "uids": [entry.uid for entry in entries],
        "positions": [entry.position for entry in entries],
    })


def remove_wishes(conn: Connection, *, user_id: int, uids: Collection[str]) -> int:
    """Mark the person's wishes for these titles as removed now.

    Returns how many left the wishlist, because no other person wants them.
    """
    return value(conn, """
        WITH removed AS (
            UPDATE wishlist_item_sources AS source
               SET removed_at = now(),
                   last_seen_at = greatest(source.first_added_at, person.last_success_at),
                   kept_at = NULL
              FROM wishlist_items AS item,
                   plex_users AS person
             WHERE item.id = source.item_id
               AND person.id = source.user_id
               AND source.user_id = %(user_id)s
               AND source.removed_at IS NULL
               AND item.uid = ANY (%(uids)s)
         RETURNING source.item_id)
        SELECT count(*)
          FROM removed
         WHERE NOT EXISTS (
                   SELECT
                     FROM wishes
                    WHERE wishes.item_id = removed.item_id
                      AND wishes.user_id <> %(user_id)s
                      AND wishes.removed_at IS NULL)
        """, {"user_id": user_id, "uids": list(uids)})


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


def _as_json(entry: WatchlistEntry) -> dict[str, Any]:
    return vars(entry) | {"released_on": entry.released_on.isoformat() if entry.released_on else None}
