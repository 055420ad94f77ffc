"""Plex's records of the titles, which of them the watchlists show, and titles that turn out to be one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import rows
from wishlist_service.models import WatchlistEntry


@dataclass(frozen=True, kw_only=True)
class Record:
    """One of Plex's records of a title, with its external ids, sorted."""

    uid: str
    item_id: int
    external_ids: list[str]


def list_new_or_changed(conn: Connection, *, entries: Sequence[WatchlistEntry]) -> set[str]:
    """Return the uids of entries whose record is unknown or has other external ids. No ids change nothing."""
    return set(rows(conn, str, """
        SELECT entry.uid
          FROM unnest(%(uids)s::text[], %(ids)s::text[]) AS entry (uid, ids)
     LEFT JOIN wishlist_records AS known USING (uid)
         WHERE known.uid IS NULL
            OR entry.ids <> '' AND string_to_array(entry.ids, ' ') <> known.external_ids
        """, {
        "uids": [entry.uid for entry in entries],
        "ids": [" ".join(sorted(entry.external_ids)) for entry in entries],
    }))


def list_related(conn: Connection, *, uids: Collection[str], ids: Collection[str]) -> list[Record]:
    """Return all records of each title that has a record of one of these uids, or with one of these external ids."""
    return rows(conn, Record, """
        SELECT uid, item_id, external_ids
          FROM wishlist_records
         WHERE item_id = ANY (ARRAY(
                   SELECT item_id FROM wishlist_records WHERE uid = ANY (%(uids)s)
                    UNION
                   -- each id by itself: for many at once, PostgreSQL reads the whole table
                   SELECT record.item_id
                     FROM unnest(%(ids)s::text[]) AS given (id)
                     JOIN wishlist_records AS record ON record.external_ids @> ARRAY[given.id]))
      ORDER BY item_id, uid
        """, {"uids": list(uids), "ids": list(ids)})


def find_item_ids(conn: Connection, *, uids: Collection[str]) -> dict[str, int]:
    """Return the id of each title by the uids of its records; unknown uids are left out."""
    return dict(conn.execute("""
        SELECT uid, item_id
          FROM wishlist_records
         WHERE uid = ANY (%(uids)s)
        """, {"uids": list(uids)}).fetchall())


def find_item_ids_by_key(conn: Connection, *, keys: Collection[str]) -> dict[str, int]:
    """Return the id of each title by the uids of its records that have one of these rating keys."""
    uids = [f"plex://{media_type}/{key}" for key in keys for media_type in ("movie", "show")]
    return find_item_ids(conn, uids=uids) if uids else {}


def join_items(conn: Connection, *, older: int, younger: int) -> None:
    """Make two titles one. show_newest() must follow in the same transaction."""
    conn.execute("SELECT join_items(%(older)s, %(younger)s)", {"older": older, "younger": younger})


def store_records(conn: Connection, *, records: Sequence[Record]) -> None:
    """Store records of known titles. show_newest() must follow in the same transaction."""
    conn.execute("""
        INSERT INTO wishlist_records AS known (uid, item_id, external_ids)
        SELECT told.uid, told.item_id, told.external_ids
          FROM jsonb_to_recordset(%(records)s) AS told (uid text, item_id bigint, external_ids text[])
      ORDER BY told.uid
            ON CONFLICT (uid) DO UPDATE
           SET external_ids = excluded.external_ids
         WHERE excluded.external_ids <> '{}'
        """, {"records": Jsonb([vars(record) for record in records])})


def add_titles(conn: Connection, *, entries: Sequence[WatchlistEntry], titles: Mapping[str, str]) -> None:
    """Add new titles with their records. `titles`: by the uid of a record, that of the entry whose facts are shown.

    They count as wanted by one person, so add_wishes() must follow in the same transaction.
    """
    conn.execute("""
        WITH entry AS (
             SELECT *
               FROM jsonb_to_recordset(%(entries)s) AS entry (
                    uid text, media_type text, title text, year integer, released_on date, external_ids text[],
                    poster_url text, plex_url text, content_rating text, duration_minutes integer,
                    audience_rating numeric(3, 1), seasons integer, tagline text, backdrop_url text,
                    position integer, of_uid text)),
             added AS (
             INSERT INTO wishlist_items (
                    uid, media_type, title, year, released_on, imdb_id, tmdb_id, tvdb_id,
                    poster_url, plex_url, content_rating, duration_minutes, audience_rating, seasons, tagline,
                    backdrop_url, added_at, last_wish_at, details_due_at, wanted_count, wish_count)
             SELECT uid, media_type, title, year, released_on,
                    shown_id('imdb', external_ids, NULL),
                    shown_id('tmdb', external_ids, NULL)::integer,
                    shown_id('tvdb', external_ids, NULL)::integer,
                    poster_url, plex_url, content_rating, duration_minutes, audience_rating, seasons, tagline,
                    backdrop_url,
                    -- all are added at one time: this keeps the order of the watchlist
                    now() - position * interval '1 microsecond',
                    now() - position * interval '1 microsecond',
                    -- earlier, so that titles whose ids feeds need are asked about first
                    now() - CASE WHEN shown_id(CASE media_type WHEN 'movie' THEN 'tmdb' ELSE 'tvdb' END,
                                               external_ids, NULL) IS NULL
                                 THEN interval '1 year' ELSE interval '0' END,
                    1, 1                          -- as add_wishes() would set them: one write, not two
               FROM entry
              WHERE uid = of_uid
           ORDER BY uid                           -- one lock order for all writers
          RETURNING id, uid)
        INSERT INTO wishlist_records (uid, item_id, external_ids)
        SELECT entry.uid, added.id, entry.external_ids
          FROM entry
          JOIN added ON added.uid = entry.of_uid
        """, {"entries": Jsonb([_as_json(entry) | {"of_uid": titles[entry.uid]} for entry in entries])})


def show_newest(conn: Connection, *, item_ids: Collection[int]) -> set[int]:
    """Give titles the uid of their newest record, and the external ids of the newest on a watchlist that has any.

    Returns the ids of titles that changed.
    """
    return set(rows(conn, int, """
        UPDATE wishlist_items AS item
           SET uid = newest.uid,
               first_uid = CASE WHEN item.uid <> newest.uid THEN coalesce(item.first_uid, item.uid)
                                ELSE item.first_uid
                            END,
               imdb_id = shown.imdb_id,
               tmdb_id = shown.tmdb_id,
               tvdb_id = shown.tvdb_id
          FROM wishlist_items AS known
         CROSS JOIN LATERAL (
               SELECT uid
                 FROM wishlist_records
                WHERE item_id = known.id
             ORDER BY seen DESC, uid DESC
                LIMIT 1) AS newest
         CROSS JOIN LATERAL (
               SELECT coalesce((
                      SELECT record.external_ids
                        FROM wishlist_records AS record
                       WHERE record.item_id = known.id
                         AND record.external_ids <> '{}'
                    ORDER BY EXISTS (SELECT FROM watchlist_rows AS listed WHERE listed.uid = record.uid) DESC,
                             record.seen DESC, record.uid DESC
                       LIMIT 1), '{}') AS ids) AS chosen
         CROSS JOIN LATERAL (
               SELECT shown_id('imdb', chosen.ids, known.imdb_id) AS imdb_id,
                      shown_id('tmdb', chosen.ids, known.tmdb_id::text)::integer AS tmdb_id,
                      shown_id('tvdb', chosen.ids, known.tvdb_id::text)::integer AS tvdb_id) AS shown
         WHERE known.id = ANY (%(item_ids)s)
           AND item.id = known.id
           AND (item.uid, item.imdb_id, item.tmdb_id, item.tvdb_id)
               IS DISTINCT FROM (newest.uid, shown.imdb_id, shown.tmdb_id, shown.tvdb_id)
     RETURNING item.id
        """, {"item_ids": list(item_ids)}))


def remove_rows(conn: Connection, *, user_id: int, except_uids: Collection[str]) -> list[int]:
    """Forget what the watchlist of the person no longer shows; return the titles of which it showed one of several."""
    return rows(conn, int, """
        WITH gone AS (
             DELETE FROM watchlist_rows AS listed
              WHERE listed.user_id = %(user_id)s
                AND NOT EXISTS (
                        SELECT
                          FROM unnest(%(except_uids)s::text[]) AS shown (uid)
                         WHERE shown.uid = listed.uid)
          RETURNING uid)
        SELECT DISTINCT record.item_id
          FROM gone
          JOIN wishlist_records AS record USING (uid)
         WHERE EXISTS (
                   SELECT
                     FROM wishlist_records AS other
                    WHERE other.item_id = record.item_id
                      AND other.uid <> record.uid)
        """, {"user_id": user_id, "except_uids": list(except_uids)})


def add_rows(conn: Connection, *, user_id: int, entries: Sequence[WatchlistEntry]) -> list[int]:
    """Store what the watchlist of the person shows for the first time.

    Returns the titles of which it shows one of several records.
    """
    return rows(conn, int, """
        WITH added AS (
             INSERT INTO watchlist_rows (user_id, uid, tells_date, tells_year)
             SELECT %(user_id)s, entry.uid, entry.tells_date, entry.tells_year
               FROM unnest(%(uids)s::text[], %(dates)s::boolean[], %(years)s::boolean[])
                    AS entry (uid, tells_date, tells_year)
              WHERE NOT EXISTS (
                        SELECT
                          FROM watchlist_rows AS known
                         WHERE known.user_id = %(user_id)s
                           AND known.uid = entry.uid)
          RETURNING uid)
        SELECT DISTINCT record.item_id
          FROM added
          JOIN wishlist_records AS record USING (uid)
         WHERE EXISTS (
                   SELECT
                     FROM wishlist_records AS other
                    WHERE other.item_id = record.item_id
                      AND other.uid <> record.uid)
        """, _rows_as_arrays(user_id, entries))


def update_facts(conn: Connection, *, user_id: int, entries: Sequence[WatchlistEntry]) -> set[int]:
    """Update the facts of titles that differ from this person's watchlist; return the ids of these titles.

    Of several records of a title, the newest on any watchlist counts. A fact that Plex no longer gives stays. But a
    date or year goes if this row had one when it was last read.
    """
    return set(rows(conn, int, """
        UPDATE wishlist_items AS item
           SET title = entry.title,
               year = told.year,
               released_on = told.released_on,
               poster_url = coalesce(entry.poster_url, known.poster_url),
               plex_url = coalesce(entry.plex_url, known.plex_url),
               content_rating = coalesce(entry.content_rating, known.content_rating)
          FROM jsonb_to_recordset(%(entries)s) AS entry (
               uid text, title text, year integer, released_on date, poster_url text, plex_url text,
               content_rating text)
          JOIN wishlist_records AS record USING (uid)
          JOIN wishlist_items AS known ON known.id = record.item_id
          JOIN watchlist_rows AS listed ON listed.user_id = %(user_id)s AND listed.uid = entry.uid
         CROSS JOIN LATERAL (
               SELECT coalesce(entry.year, CASE WHEN NOT listed.tells_year THEN known.year END) AS year,
                      coalesce(entry.released_on, CASE WHEN NOT listed.tells_date THEN known.released_on END)
                          AS released_on) AS told
         WHERE item.id = known.id
           AND (entry.title <> known.title
                OR told.year IS DISTINCT FROM known.year
                OR told.released_on IS DISTINCT FROM known.released_on
                OR entry.poster_url <> coalesce(known.poster_url, '')
                OR entry.plex_url <> coalesce(known.plex_url, '')
                OR entry.content_rating <> coalesce(known.content_rating, ''))
           AND NOT EXISTS (
                   SELECT
                     FROM wishlist_records AS newer
                     JOIN watchlist_rows AS shown ON shown.uid = newer.uid
                    WHERE newer.item_id = record.item_id
                      AND (newer.seen, newer.uid) > (record.seen, record.uid))
     RETURNING item.id
        """, {"user_id": user_id, "entries": Jsonb([_as_json(entry) for entry in entries])}))


def update_rows(conn: Connection, *, user_id: int, entries: Sequence[WatchlistEntry]) -> None:
    """Store which rows of the watchlist came with a date and a year, where it differs. After update_facts()."""
    conn.execute("""
        UPDATE watchlist_rows AS listed
           SET tells_date = entry.tells_date,
               tells_year = entry.tells_year
          FROM unnest(%(uids)s::text[], %(dates)s::boolean[], %(years)s::boolean[])
               AS entry (uid, tells_date, tells_year)
         WHERE listed.user_id = %(user_id)s
           AND listed.uid = entry.uid
           AND (listed.tells_date, listed.tells_year) <> (entry.tells_date, entry.tells_year)
        """, _rows_as_arrays(user_id, entries))


def forget_rows(conn: Connection, *, user_id: int, uids: Collection[str]) -> None:
    """Forget these records, which were taken off the watchlist of the person."""
    conn.execute("""
        DELETE FROM watchlist_rows
         WHERE user_id = %(user_id)s
           AND uid = ANY (%(uids)s)
        """, {"user_id": user_id, "uids": list(uids)})


def _as_json(entry: WatchlistEntry) -> dict[str, Any]:
    return vars(entry) | {
        "released_on": entry.released_on.isoformat() if entry.released_on else None,
        "external_ids": sorted(entry.external_ids),
    }


def _rows_as_arrays(user_id: int, entries: Sequence[WatchlistEntry]) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "uids": [entry.uid for entry in entries],
        "dates": [entry.released_on is not None for entry in entries],
        "years": [entry.year is not None for entry in entries],
    }
