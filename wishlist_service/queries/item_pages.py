"""Pages of the wishlist. What an item shows is the view wishlist_documents, the filters are wishlist_matching()."""

from dataclasses import replace
from typing import Final, LiteralString

from psycopg import Connection

from wishlist_service.db import rows
from wishlist_service.models import ItemPage, Place, WishlistFilter

MOST_COUNTED: Final = 1000

_MATCHING: Final[LiteralString] = """
         wishlist_matching(
             %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s, %(every_user)s, %(min_wanted)s, %(status)s,
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
          LIMIT %(limit)s + 1                          -- one more tells whether there is a next page
         OFFSET %(offset)s
    """

# The total is known: the titles in the order of the list, as far as the page goes.
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

# Matches are collected to be counted, up to a limit, for a common word may be in half of all titles. If these are
# all, the page is of them; otherwise they are common enough to be met soon in the order of the list.
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

# What is shown of the page's titles only; all from one snapshot.
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
    conn: Connection, *, filters: WishlistFilter, sort: str, order: str, limit: int, offset: int, after: Place | None
) -> ItemPage:
    """A page of the wishlist, how many items match in all, and where the next page begins.

    What the tallies do not tell is counted up to MOST_COUNTED, the titles of some people exactly.
    """
    tallied = filters == replace(filters, search=None, user_ids=None, genre=None, available=None, missing=None)
    most_counted = None if tallied or filters.user_ids else MOST_COUNTED
    parameters = filters.parameters() | {
        "limit": limit,
        "offset": offset,
        "after_key": after and after.key,
        "after_added_at": after and after.added_at,
        "after_id": after and after.id,
        "most_counted": most_counted,
    }
    # never prepared: a plan for any filters can turn a search of 1 ms into one of 1 s
    page = rows(conn, ItemPage, _PAGES[sort, order, tallied], parameters, prepare=False)[0]
    if most_counted and page.total > most_counted:
        return replace(page, total=most_counted, total_is_exact=False)
    return page
