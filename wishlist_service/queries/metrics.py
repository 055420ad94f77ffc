"""The numbers of GET /metrics."""

from typing import Any

from psycopg import Connection

from wishlist_service.db import value


def get_numbers(conn: Connection) -> dict[str, Any]:
    """Return items by type, users by state, seconds since each was read, runs and requests to Plex by outcome.

    And of the titles that came to the media server how many there are, how many days they took in all, and how many
    of them took up to so many days (`buckets`).

    `users` counts paused people as "paused", whatever their state. `ages` leaves out people who were never read.
    """
    return value(conn, """
        SELECT json_build_object(
                   'items', (
                       SELECT json_build_object(
                                  'movie', coalesce(sum(items) FILTER (WHERE media_type = 'movie'), 0),
                                  'show', coalesce(sum(items) FILTER (WHERE media_type = 'show'), 0))
                         FROM wishlist_tallies
                        WHERE wanted_count > 0
                          AND NOT dismissed),
                   'users', (
                       SELECT coalesce(json_object_agg(state, people), '{}')
                         FROM (SELECT CASE WHEN active THEN sync_state ELSE 'paused' END AS state,
                                      count(*) AS people
                                 FROM plex_users
                             GROUP BY 1) AS states),
                   'ages', (
                       SELECT coalesce(
                                  json_agg(json_build_object(
                                               'id', id,
                                               'name', name,
                                               'seconds',
                                               greatest(0, extract(
                                                   epoch FROM now() - coalesce(last_success_at, created_at))))
                                           ORDER BY id),
                                  '[]')
                         FROM plex_user_reports
                        WHERE active
                          AND sync_state NOT IN ('no_watchlist', 'hidden', 'via_unavailable')),
                   'runs', (
                       SELECT coalesce(json_agg(row_to_json(ended)), '[]')
                         FROM (SELECT status,
                                      sum(runs) AS runs,
                                      sum(seconds) AS seconds
                                 FROM (SELECT status,
                                              count(*) AS runs,
                                              coalesce(sum(greatest(0, extract(
                                                   epoch FROM finished_at - started_at))), 0) AS seconds
                                         FROM sync_run_reports
                                        WHERE status NOT IN ('waiting', 'running')
                                     GROUP BY status
                                    UNION ALL
                                       SELECT label,
                                              coalesce(sum(total) FILTER (WHERE number = 'runs'), 0),
                                              coalesce(sum(total) FILTER (WHERE number = 'seconds'), 0)
                                         FROM deleted_runs
                                        WHERE number <> 'plex_requests'
                                     GROUP BY label) AS parts
                             GROUP BY status
                             ORDER BY status) AS ended),
                   'fulfilled', (
                       SELECT json_build_object(
                                  'titles', count(*),
                                  'days', coalesce(sum(days), 0),
                                  'buckets', (
                                      SELECT json_object_agg(bound, (
                                                 SELECT count(*)
                                                   FROM library_arrivals
                                                  WHERE new_seasons = 0
                                                    AND days <= bound))
                                        FROM unnest(ARRAY[1, 3, 7, 14, 30, 90, 180, 365]) AS bound))
                         FROM library_arrivals
                        WHERE new_seasons = 0),
                   'plex_requests', (
                       SELECT coalesce(json_object_agg(outcome, requests), '{}')
                         FROM (SELECT outcome, sum(requests) AS requests
                                 FROM (SELECT counted.key AS outcome, sum(counted.value::integer) AS requests
                                         FROM sync_runs
                                        CROSS JOIN LATERAL jsonb_each_text(plex_requests) AS counted
                                     GROUP BY counted.key
                                    UNION ALL
                                       SELECT label, total
                                         FROM deleted_runs
                                        WHERE number = 'plex_requests') AS parts
                             GROUP BY outcome) AS outcomes))
        """)
