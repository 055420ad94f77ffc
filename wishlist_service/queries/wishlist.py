"""The shared wishlist, read: single items and numbers; the pages are in item_pages.py."""

from psycopg import Connection

from wishlist_service.db import row, rows, value


def get_generation(conn: Connection) -> int:
    """A number that grows with every change of what the wishlist shows."""
    return value(
        conn,
        """
        SELECT generation
          FROM sync_state
        """,
    )


def find_item(conn: Connection, *, uids: list[str]) -> str | None:
    """The item with one of these one or two uids as JSON text, if an active person ever wanted it.

    `sources` tells who wants or wanted it, since when and until when, the first first.
    """
    return row(
        conn,
        str,
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
    )


def list_genres(conn: Connection, *, most_titles: int) -> list[str]:
    """The genres of the titles added last that somebody wants."""
    return rows(
        conn,
        str,
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
    )


def count_current_items(conn: Connection) -> int:
    """How many items somebody active wants at present."""
    return value(
        conn,
        """
        SELECT coalesce(sum(items), 0)
          FROM wishlist_tallies
         WHERE wanted_count > 0
           AND NOT dismissed
        """,
    )


def get_stats(conn: Connection) -> str:
    """The numbers of the stats summary as JSON text."""
    return value(
        conn,
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
        """,
    )
