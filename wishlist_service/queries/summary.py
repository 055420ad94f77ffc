"""The wishlist at a glance, for dashboards."""

from psycopg import Connection

from wishlist_service.db import value


def get_summary(conn: Connection) -> str:
    """The numbers and the latest titles as JSON text of less than 16 KiB.

    A failing person's list was not read when it was last tried.
    """
    return value(
        conn,
        """
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
                          AND sync_state NOT IN ('never', 'ok', 'held')),
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
                        WHERE bytes < 15000))::text   -- Home Assistant keeps no more than 16 KiB of one sensor
          FROM wishlist_tallies
         WHERE wanted_count > 0
           AND NOT dismissed
        """,
    )
