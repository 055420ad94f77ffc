"""The shared wishlist, read. What an item shows is the view wishlist_documents, the filters are wishlist_matching()."""

from dataclasses import replace
from typing import Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from wishlist_service.page_models import ItemPage, Place, WishlistFilter

MOST_COUNTED: Final = 1000

# Page first, then the people of its rows only; all from one snapshot. What the tallies do not tell is
# counted; matches of a search up to a limit, for a common word may be in half of all titles.
_PAGE: Final[LiteralString] = """
    WITH matching AS {materialized} (
         SELECT item.id, item.added_at, {key} AS key
           FROM wishlist_matching(
                    %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                    %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item),
         page AS (
         SELECT id, added_at, key
           FROM matching
          WHERE %(after_id)s::bigint IS NULL
             OR (key, added_at, id) {beyond} (%(after_key)s::{kind}, %(after_added_at)s::timestamptz, %(after_id)s)
       ORDER BY key {onward}, added_at {onward}, id {onward}
          LIMIT %(limit)s + 1                          -- one more tells whether there is a next page
         OFFSET %(offset)s),
         shown AS (
         SELECT id, added_at, key
           FROM page
       ORDER BY key {onward}, added_at {onward}, id {onward}
          LIMIT %(limit)s)
    SELECT CASE WHEN num_nonnulls(%(title_pattern)s::text, %(user_ids)s::integer[], %(genre)s::text,
                                  %(available)s::boolean, %(missing)s::text) = 0
                THEN (SELECT coalesce(sum(items), 0)
                        FROM wishlist_tallies
                       WHERE dismissed = (%(status)s = 'dismissed')
                         AND (%(year)s::integer IS NULL OR year = %(year)s)
                         AND (%(media_type)s::text IS NULL OR media_type = %(media_type)s)
                         AND (%(min_wanted)s::integer IS NULL OR wanted_count >= %(min_wanted)s)
                         AND (%(status)s <> 'current' OR wanted_count > 0)
                         AND (%(status)s <> 'removed' OR wanted_count = 0))
                ELSE (SELECT count(*)
                        FROM (SELECT FROM matching LIMIT %(most_counted)s::integer + 1) AS counted)
            END AS total,
           (SELECT coalesce(
                       json_agg(item.document ORDER BY key {onward}, added_at {onward}, shown.id {onward}),
                       '[]')::text
              FROM shown
              JOIN wishlist_documents AS item ON item.id = shown.id) AS items_json,
           (SELECT json_build_array(key, added_at, id)
              FROM shown
             WHERE (SELECT count(*) FROM page) > %(limit)s
          ORDER BY key {backward}, added_at {backward}, id {backward}
             LIMIT 1) AS next
    """

# What a sort compares: what is unknown comes last in either direction. There is an index on each of these expressions.
_KEYS: Final[dict[tuple[str, str], tuple[LiteralString, LiteralString]]] = {
    ("added_at", "desc"): ("item.added_at", "timestamptz"),
    ("added_at", "asc"): ("item.added_at", "timestamptz"),
    ("title", "desc"): ("lower(item.title)", "text"),
    ("title", "asc"): ("lower(item.title)", "text"),
    ("year", "desc"): ("coalesce(item.year, 0)", "integer"),
    ("year", "asc"): ("coalesce(item.year, 9999)", "integer"),
    ("wanted_count", "desc"): ("item.wanted_count", "integer"),
    ("wanted_count", "asc"): ("item.wanted_count", "integer"),
    ("released_on", "desc"): ("coalesce(item.released_on, '0001-01-01')", "date"),
    ("released_on", "asc"): ("coalesce(item.released_on, '9999-12-31')", "date"),
}

# The titles of some people are few: they are collected once, for the page and the total.
_PAGES: Final[dict[tuple[str, str, bool], LiteralString]] = {
    (sort, order, of_people): _PAGE.format(
        materialized="MATERIALIZED" if of_people else "NOT MATERIALIZED",
        key=key,
        kind=kind,
        beyond="<" if order == "desc" else ">",
        onward="DESC" if order == "desc" else "ASC",
        backward="ASC" if order == "desc" else "DESC",
    )
    for (sort, order), (key, kind) in _KEYS.items()
    for of_people in (True, False)
}


def get_generation(conn: Connection) -> int:
    """A number that grows with every change of what the wishlist shows."""
    with conn.cursor(row_factory=scalar_row) as cur:
        return next(
            cur.execute(
                """
            SELECT generation
              FROM sync_state
            """
            )
        )


def list_items(
    conn: Connection, *, filters: WishlistFilter, sort: str, order: str, limit: int, offset: int, after: Place | None
) -> ItemPage:
    """A page of the wishlist, how many items match in all, and where the next page begins.

    What the tallies do not tell is counted up to MOST_COUNTED, the titles of some people exactly.
    """
    tallied = filters == replace(filters, search=None, genre=None, available=None, missing=None)
    most_counted = None if tallied or filters.user_ids else MOST_COUNTED
    parameters = filters.parameters() | {
        "limit": limit,
        "offset": offset,
        "after_key": after and after.key,
        "after_added_at": after and after.added_at,
        "after_id": after and after.id,
        "most_counted": most_counted,
    }
    with conn.cursor(row_factory=class_row(ItemPage)) as cur:
        # never prepared: a plan for any filters can turn a search of 1 ms into one of 1 s
        page = next(cur.execute(_PAGES[sort, order, bool(filters.user_ids)], parameters, prepare=False))
    if most_counted and page.total > most_counted:
        return replace(page, total=most_counted, total_is_exact=False)
    return page


def find_item(conn: Connection, *, uids: list[str]) -> str | None:
    """The item with one of these one or two uids as JSON text, if an active person ever wanted it.

    `sources` tells who wants or wanted it, since when and until when, the first first.
    """
    with conn.cursor(row_factory=scalar_row) as cur:
        return cur.execute(
            """
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
             WHERE item.uid IN (%(uid)s, %(or_uid)s)
               AND people.sources IS NOT NULL
            """,
            {"uid": uids[0], "or_uid": uids[-1]},
        ).fetchone()


def list_genres(conn: Connection, *, most_titles: int) -> list[str]:
    """The genres of the titles added last that somebody wants."""
    with conn.cursor(row_factory=scalar_row) as cur:
        return cur.execute(
            """
            SELECT DISTINCT unnest(latest.genres) AS genre
              FROM (SELECT genres
                      FROM wishlist_items
                     WHERE wanted_count > 0
                       AND dismissed_at IS NULL
                  ORDER BY added_at DESC, id DESC
                     LIMIT %(most_titles)s) AS latest
          ORDER BY genre
            """,
            {"most_titles": most_titles},
        ).fetchall()


def count_current_items(conn: Connection) -> int:
    """How many items somebody active wants at present."""
    with conn.cursor(row_factory=scalar_row) as cur:
        return next(
            cur.execute(
                """
            SELECT coalesce(sum(items), 0)
              FROM wishlist_tallies
             WHERE wanted_count > 0
               AND NOT dismissed
            """
            )
        )


def get_stats(conn: Connection) -> str:
    """The numbers of the stats summary as JSON text."""
    with conn.cursor(row_factory=scalar_row) as cur:
        return next(
            cur.execute(
                """
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
                       'users_active', (SELECT count(*) FROM plex_users WHERE active),
                       'last_success_at', (SELECT rfc3339(max(last_success_at)) FROM plex_users WHERE active))::text
              FROM wishlist_tallies
             WHERE NOT dismissed
            """
            )
        )
