"""The shared wishlist, read. What an item shows is the view wishlist_documents, the filters are wishlist_matching()."""

from dataclasses import asdict
from typing import Any, Final, LiteralString

from psycopg import Connection
from psycopg.rows import class_row, scalar_row

from wishlist_service.models import ItemPage, WishlistFilter

# Page first, then the people of its rows only; total and page from one snapshot.
_PAGE: Final[LiteralString] = """
    SELECT (SELECT count(*)
              FROM wishlist_matching(
                       %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                       %(every_user)s, %(min_wanted)s, %(status)s)) AS total,
           (SELECT coalesce(json_agg(shown.document ORDER BY {order}), '[]')::text
              FROM (SELECT item.id, item.added_at, item.title, item.year, item.released_on,
                           (SELECT count(*)
                              FROM wishes
                             WHERE wishes.item_id = item.id
                               AND wishes.removed_at IS NULL) AS wanted_count
                      FROM wishlist_matching(
                               %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                               %(every_user)s, %(min_wanted)s, %(status)s) AS item
                  ORDER BY {order}
                     LIMIT %(limit)s
                    OFFSET %(offset)s) AS page
              JOIN (SELECT id AS item_id, document FROM wishlist_documents) AS shown ON shown.item_id = page.id
           ) AS items_json
    """

_ORDERS: Final[dict[tuple[str, str], LiteralString]] = {
    ("added_at", "desc"): "added_at DESC, id DESC",
    ("added_at", "asc"): "added_at, id",
    ("title", "desc"): "lower(title) DESC, id DESC",
    ("title", "asc"): "lower(title), id",
    ("year", "desc"): "year DESC NULLS LAST, id DESC",
    ("year", "asc"): "year NULLS LAST, id",
    ("wanted_count", "desc"): "wanted_count DESC, id DESC",
    ("wanted_count", "asc"): "wanted_count, id",
    ("released_on", "desc"): "released_on DESC NULLS LAST, id DESC",
    ("released_on", "asc"): "released_on NULLS LAST, id",
}

_PAGES: Final[dict[tuple[str, str], LiteralString]] = {
    chosen: _PAGE.replace("{order}", order) for chosen, order in _ORDERS.items()
}


def list_items(
    conn: Connection, *, filters: WishlistFilter, sort: str, order: str, limit: int, offset: int
) -> ItemPage:
    """A page of the wishlist and how many items match in all."""
    parameters = asdict(filters) | {
        "title_pattern": _contains(filters.search) if filters.search else None,
        "limit": limit,
        "offset": offset,
    }
    with conn.cursor(row_factory=class_row(ItemPage)) as cur:
        return next(cur.execute(_PAGES[sort, order], parameters))


def find_item(conn: Connection, *, uids: list[str]) -> dict[str, Any] | None:
    """The item with one of these uids as the API shows it, if an active person ever wanted it.

    `sources` tells who wants or wanted it, since when and until when, the first first.
    """
    row = conn.execute(
        """
        SELECT item.document, people.sources
          FROM wishlist_documents AS item
         CROSS JOIN LATERAL (
               SELECT json_agg(row_to_json(person) ORDER BY wishes.first_added_at, wishes.user_id) AS sources
                 FROM wishes
                CROSS JOIN LATERAL (
                      SELECT wishes.user_id AS id,
                             wishes.name,
                             rfc3339(wishes.first_added_at) AS first_added_at,
                             rfc3339(wishes.last_seen_at) AS last_seen_at,
                             rfc3339(wishes.removed_at) AS removed_at) AS person
                WHERE wishes.item_id = item.id) AS people
         WHERE item.uid = ANY (%(uids)s)
           AND people.sources IS NOT NULL
        """,
        {"uids": uids},
    ).fetchone()
    return row[0] | {"sources": row[1]} if row else None


def count_current_items(conn: Connection) -> int:
    """How many items somebody active wants at present."""
    with conn.cursor(row_factory=scalar_row) as cur:
        return next(
            cur.execute(
                """
            SELECT count(DISTINCT item_id)
              FROM wishes
             WHERE removed_at IS NULL
            """
            )
        )


def get_stats(conn: Connection) -> dict[str, Any]:
    """The numbers of the stats summary, ready to be shown."""
    with conn.cursor(row_factory=scalar_row) as cur:
        return next(
            cur.execute(
                """
            WITH item AS MATERIALIZED (
                SELECT item.id, item.media_type, item.year, item.added_at, people.wanted_count
                  FROM wishlist_items AS item
                  JOIN (SELECT item_id, count(*) FILTER (WHERE removed_at IS NULL) AS wanted_count
                          FROM wishes
                      GROUP BY item_id) AS people ON people.item_id = item.id)
            SELECT json_build_object(
                       'total_items', (SELECT count(*) FROM item WHERE wanted_count > 0),
                       'items_by_type', (
                           SELECT json_build_object(
                                      'movie', count(*) FILTER (WHERE media_type = 'movie'),
                                      'show', count(*) FILTER (WHERE media_type = 'show'))
                             FROM item
                            WHERE wanted_count > 0),
                       'items_by_year', (
                           SELECT coalesce(
                                      json_agg(json_build_object('year', year, 'items', items)
                                               ORDER BY year DESC NULLS LAST),
                                      '[]')
                             FROM (SELECT year, count(*) AS items
                                     FROM item
                                    WHERE wanted_count > 0
                                 GROUP BY year) AS years),
                       'items_by_user', (
                           SELECT coalesce(
                                      json_agg(json_build_object('id', id, 'name', name, 'items', wishlist_size)
                                               ORDER BY id),
                                      '[]')
                             FROM plex_user_reports
                            WHERE active),
                       'wanted_by_several', (SELECT count(*) FROM item WHERE wanted_count > 1),
                       'added_last_7_days', (
                           SELECT count(*)
                             FROM item
                            WHERE wanted_count > 0
                              AND added_at > now() - interval '7 days'),
                       'removed_items', (SELECT count(*) FROM item WHERE wanted_count = 0),
                       'users_active', (SELECT count(*) FROM plex_users WHERE active),
                       'last_success_at', (SELECT rfc3339(max(last_success_at)) FROM plex_users WHERE active))
            """
            )
        )


def _contains(text: str) -> str:
    """The ILIKE pattern for `text` anywhere, with %, _ and the backslash taken literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
