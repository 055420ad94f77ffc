"""Reads the wishlist: single items, numbers and pages.

The view wishlist_documents makes an item's JSON; wishlist_matching() has the filters.
"""

from dataclasses import replace
from typing import Final, LiteralString

from psycopg import Connection

from wishlist_service.db import row, rows, value
from wishlist_service.models import ItemPage, Place, WishlistFilter


def get_generation(conn: Connection) -> int:
    """Return a number that grows with every change of what the wishlist shows."""
    return value(conn, "SELECT generation FROM sync_state")


def find_item(conn: Connection, *, uids: list[str]) -> str | None:
    """Return the item with one of these one or two uids as JSON text; None if no active person wanted it.

    `sources` lists who wants or wanted it, since when and until when, earliest first.
    """
    return row(conn, str, """
        SELECT left(item.document::text, -1) || ',"summary":' || coalesce(to_json(stored.summary)::text, 'null')
            || ',"sources":' || people.sources || '}'
          FROM wishlist_documents AS item
          JOIN wishlist_items AS stored ON stored.id = item.id
         CROSS JOIN LATERAL (
               SELECT json_agg(row_to_json(person) ORDER BY wishes.first_added_at, wishes.user_id) AS sources
                 FROM wishes
                CROSS JOIN LATERAL (
                      SELECT wishes.user_id AS id,
                             wishes.name,
                             rfc3339(wishes.first_added_at) AS first_added_at,
                             rfc3339(wishes.watchlisted_at) AS watchlisted_at,
                             rfc3339(wishes.last_seen_at) AS last_seen_at,
                             rfc3339(wishes.removed_at) AS removed_at) AS person
                WHERE wishes.item_id = item.id) AS people
         WHERE item.id = (SELECT item_meant(%(uids)s))
           AND people.sources IS NOT NULL
        """, {"uids": uids})


def list_genres(conn: Connection, *, most_titles: int) -> list[str]:
    """Return the genres of the wanted titles that were added last."""
    return rows(conn, str, """
        SELECT DISTINCT unnest(latest.genres) AS genre
          FROM (SELECT genres
                  FROM wishlist_items
                 WHERE wanted_count > 0
                   AND dismissed_at IS NULL
              ORDER BY added_at DESC, id DESC
                 LIMIT %(most_titles)s) AS latest
      ORDER BY genre
        """, {"most_titles": most_titles})


def count_current_items(conn: Connection) -> int:
    """Return how many items active people want at present."""
    return value(conn, """
        SELECT coalesce(sum(items), 0)
          FROM wishlist_tallies
         WHERE wanted_count > 0
           AND NOT dismissed
        """)


def get_stats(conn: Connection) -> str:
    """Return the numbers of the wishlist as JSON text."""
    return value(conn, """
        SELECT json_build_object(
                   'total_items', coalesce(sum(items) FILTER (WHERE wanted_count > 0), 0),
                   'items_by_type', json_build_object(
                       'movie', coalesce(sum(items) FILTER (WHERE wanted_count > 0 AND media_type = 'movie'), 0),
                       'show', coalesce(sum(items) FILTER (WHERE wanted_count > 0 AND media_type = 'show'), 0)),
                   'items_by_year', (
                       SELECT coalesce(
                                  json_agg(json_build_object('year', year, 'items', items)
                                           ORDER BY year DESC NULLS LAST),
                                  '[]')
                         FROM (SELECT year, sum(items) AS items
                                 FROM wishlist_tallies
                                WHERE wanted_count > 0
                                  AND NOT dismissed
                                  AND items > 0
                             GROUP BY year) AS years),
                   'items_by_user', (
                       SELECT coalesce(
                                  json_agg(json_build_object('id', id, 'name', name, 'items', wishlist_size)
                                           ORDER BY id),
                                  '[]')
                         FROM plex_user_reports
                        WHERE active),
                   'wanted_by_several', coalesce(sum(items) FILTER (WHERE wanted_count > 1), 0),
                   'added_last_7_days', (
                       SELECT count(*)
                         FROM wishlist_items
                        WHERE wanted_count > 0
                          AND dismissed_at IS NULL
                          AND added_at > now() - interval '7 days'),
                   'removed_items', coalesce(sum(items) FILTER (WHERE wanted_count = 0), 0),
                   'fulfilled_last_30_days', (
                       SELECT count(DISTINCT item_id)
                         FROM library_arrivals
                        WHERE new_seasons = 0
                          AND happened_at > now() - interval '30 days'),
                   'median_days_to_library', (
                       SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY days))::numeric, 1)
                         FROM library_arrivals
                        WHERE new_seasons = 0),
                   'users_active', (SELECT count(*) FROM plex_users WHERE active),
                   'last_success_at', (SELECT rfc3339(max(last_success_at)) FROM plex_users WHERE active))::text
          FROM wishlist_tallies
         WHERE NOT dismissed
        """)


def get_summary(conn: Connection) -> str:
    """Return the main numbers and the latest titles as JSON text of less than 16 KiB.

    `users_failing` counts people whose watchlist was not read at the last try.
    """
    return value(conn, """
        WITH newest AS (
             SELECT id, title, year, media_type, added_at
               FROM wishlist_matching(NULL, NULL, NULL, NULL, false, NULL, 'current', NULL, NULL, NULL)
           ORDER BY added_at DESC, id DESC
              LIMIT 20),
             recent AS (
             SELECT newest.id, newest.added_at, row_to_json(shown) AS line
               FROM newest
              CROSS JOIN LATERAL (
                    SELECT CASE WHEN length(newest.title) > 100
                                THEN left(newest.title, 99) || '…'
                                ELSE newest.title
                            END AS title) AS cut
              CROSS JOIN LATERAL (
                    SELECT name
                      FROM wishes
                     WHERE item_id = newest.id
                       AND removed_at IS NULL
                  ORDER BY first_added_at, user_id
                     LIMIT 1) AS wisher
              CROSS JOIN LATERAL (
                    SELECT cut.title,
                           newest.year,
                           newest.media_type,
                           rfc3339(newest.added_at) AS added_at,
                           wisher.name AS added_by,
                           cut.title || coalesce(' (' || newest.year || ')', '') AS name,
                           wisher.name AS label) AS shown)
        SELECT json_build_object(
                   'total', coalesce(sum(items), 0),
                   'movies', coalesce(sum(items) FILTER (WHERE media_type = 'movie'), 0),
                   'shows', coalesce(sum(items) FILTER (WHERE media_type = 'show'), 0),
                   'wanted_by_several', coalesce(sum(items) FILTER (WHERE wanted_count > 1), 0),
                   'available', CASE WHEN sum(items) FILTER (WHERE available IS NOT NULL) > 0
                                     THEN coalesce(sum(items) FILTER (WHERE available), 0)
                                 END,
                   'users', (SELECT count(*) FROM plex_users WHERE active),
                   'users_failing', (
                       SELECT count(*)
                         FROM plex_users
                        WHERE active
                          AND sync_state NOT IN (
                                  'never', 'ok', 'held', 'no_watchlist', 'hidden', 'via_unavailable')),
                   'last_sync', (
                       SELECT rfc3339(finished_at)
                         FROM sync_runs
                        WHERE finished_at IS NOT NULL
                     ORDER BY id DESC
                        LIMIT 1),
                   'last_sync_ok', (
                       SELECT status = 'succeeded'
                         FROM sync_runs
                        WHERE finished_at IS NOT NULL
                     ORDER BY id DESC
                        LIMIT 1),
                   'recent', (
                       SELECT coalesce(json_agg(line ORDER BY added_at DESC, id DESC), '[]')
                         FROM (SELECT id, added_at, line,
                                      sum(octet_length(line::text) + 2) OVER (ORDER BY added_at DESC, id DESC)
                                          AS bytes
                                 FROM recent) AS counted
                        WHERE bytes < 15000))::text   -- Home Assistant stores at most 16 KiB of a sensor
          FROM wishlist_tallies
         WHERE wanted_count > 0
           AND NOT dismissed
        """)


MOST_COUNTED: Final = 1000

_MATCHING: Final[LiteralString] = """
         wishlist_matching(
             %(search)s, %(year)s, %(media_type)s, %(user_ids)s, %(every_user)s, %(min_wanted)s, %(status)s,
             %(genre)s, %(available)s, %(missing)s)
    """

_ROWS: Final[LiteralString] = """
         SELECT id, added_at, {key} AS key
           FROM {source} AS item
          WHERE {condition}
            AND (%(after_id)s::bigint IS NULL
                 OR ({key}, added_at, id) {beyond}
                    (%(after_key)s::{kind}, %(after_added_at)s::timestamptz, %(after_id)s))
       ORDER BY key {onward}, added_at {onward}, id {onward}
          LIMIT %(limit)s + 1                          -- one more shows whether there is a next page
         OFFSET %(offset)s
    """

# With a total from the tallies, PostgreSQL reads titles in the order of the list, only up to the end of the page.
_TALLIED: Final[LiteralString] = """
    WITH total AS (
         SELECT coalesce(sum(items), 0) AS items
           FROM wishlist_tallies
          WHERE dismissed = (%(status)s = 'dismissed')
            AND (%(year)s::integer IS NULL OR year = %(year)s)
            AND (%(media_type)s::text IS NULL OR media_type = %(media_type)s)
            AND (%(min_wanted)s::integer IS NULL OR wanted_count >= %(min_wanted)s)
            AND (%(status)s <> 'current' OR wanted_count > 0)
            AND (%(status)s <> 'removed' OR wanted_count = 0)),
         page AS ({matching})
    """

# Without tallies, matches are collected to count them, up to a limit: a common word may be in half of all titles.
# Below the limit, the page is made from the collected ones. Otherwise matches are so frequent that reading in the
# order of the list finds a page of them soon.
_COLLECTED: Final[LiteralString] = """
    WITH collected AS MATERIALIZED (
         SELECT id, added_at, {key} AS key
           FROM {source} AS item
          LIMIT %(most_counted)s::integer + 1),
         total AS MATERIALIZED (
         SELECT count(*) AS items,
                coalesce(count(*) > %(most_counted)s, false) AS beyond_limit
           FROM collected),
         page AS (({matching_collected}) UNION ALL ({matching}))
    """

# JSON is made for the titles of the page only.
_SHOWN: Final[LiteralString] = """,
         place AS (
         SELECT array_agg(id ORDER BY key {onward}, added_at {onward}, id {onward}) AS ids,
                array_agg(key ORDER BY key {onward}, added_at {onward}, id {onward}) AS keys,
                array_agg(added_at ORDER BY key {onward}, added_at {onward}, id {onward}) AS moments
           FROM page)
    SELECT total.items AS total,
           item_documents(ids[:%(limit)s]) AS items_json,
           CASE WHEN cardinality(ids) > %(limit)s
                THEN json_build_array(keys[%(limit)s], moments[%(limit)s], ids[%(limit)s])
            END AS next
      FROM total, place
    """

# What a sort compares. Unknown values come last in either direction. Each of these expressions has an index, except
# the random one, which must go through all matches. Its numbers are not negative, as those of every cursor.
_KEYS: Final[dict[tuple[str, str], tuple[LiteralString, LiteralString]]] = {
    ("added_at", "desc"): ("item.added_at", "timestamptz"),
    ("added_at", "asc"): ("item.added_at", "timestamptz"),
    ("last_wish_at", "desc"): ("item.last_wish_at", "timestamptz"),
    ("last_wish_at", "asc"): ("item.last_wish_at", "timestamptz"),
    ("random", "desc"): ("(hashint8extended(item.id, %(seed)s::bigint) & 9223372036854775807)", "bigint"),
    ("random", "asc"): ("(hashint8extended(item.id, %(seed)s::bigint) & 9223372036854775807)", "bigint"),
    ("title", "desc"): ("sort_title(item.title)", "text"),
    ("title", "asc"): ("sort_title(item.title)", "text"),
    ("year", "desc"): ("coalesce(item.year, 0)", "integer"),
    ("year", "asc"): ("coalesce(item.year, 9999)", "integer"),
    ("wanted_count", "desc"): ("item.wanted_count", "integer"),
    ("wanted_count", "asc"): ("item.wanted_count", "integer"),
    ("released_on", "desc"): ("coalesce(item.released_on, '0001-01-01')", "date"),
    ("released_on", "asc"): ("coalesce(item.released_on, '9999-12-31')", "date"),
}


def _page_statement(sort: str, order: str, *, tallied: bool) -> LiteralString:
    key, kind = _KEYS[sort, order]
    beyond: LiteralString = "<" if order == "desc" else ">"
    onward: LiteralString = "DESC" if order == "desc" else "ASC"

    def rows(source: LiteralString, key: LiteralString, condition: LiteralString) -> LiteralString:
        return _ROWS.format(source=source, key=key, kind=kind, beyond=beyond, onward=onward, condition=condition)

    if tallied:
        page = _TALLIED.format(matching=rows(_MATCHING, key, "true"))
    else:
        page = _COLLECTED.format(
            key=key,
            source=_MATCHING,
            matching_collected=rows("collected", "item.key", "NOT (SELECT beyond_limit FROM total)"),
            matching=rows(_MATCHING, key, "(SELECT beyond_limit FROM total)"),
        )
    return page + _SHOWN.format(onward=onward)


_PAGES: Final[dict[tuple[str, str, bool], LiteralString]] = {
    (sort, order, tallied): _page_statement(sort, order, tallied=tallied)
    for sort, order in _KEYS
    for tallied in (True, False)
}


def list_items(
    conn: Connection,
    *,
    filters: WishlistFilter,
    sort: str = "added_at",
    order: str = "desc",
    seed: int | None = None,
    limit: int,
    offset: int = 0,
    after: Place | None = None,
) -> ItemPage:
    """Return a page of the wishlist, how many items match in all, and where the next page begins.

    With filters that the tallies do not have, matches are counted up to MOST_COUNTED; with user_ids, exactly.
    """
    tallied = filters == replace(filters, search=None, user_ids=None, genre=None, available=None, missing=None)
    most_counted = None if tallied or filters.user_ids else MOST_COUNTED
    parameters = filters.parameters() | {
        "seed": seed,
        "limit": limit,
        "offset": offset,
        "after_key": after and after.key,
        "after_added_at": after and after.added_at,
        "after_id": after and after.id,
        "most_counted": most_counted,
    }
    # never prepared: one plan for all filters can make a search take 1 s instead of 1 ms
    page = rows(conn, ItemPage, _PAGES[sort, order, tallied], parameters, prepare=False)[0]
    if most_counted and page.total > most_counted:
        return replace(page, total=most_counted, total_is_exact=False)
    return page
