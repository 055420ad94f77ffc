"""Single titles: what to ask Plex about them, and what it answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import row, rows, value
from wishlist_service.models import TitleDetails, TitleQuestion


def is_anything_due(conn: Connection) -> bool:
    """Return whether there is something to ask Plex about single titles."""
    return value(conn, """
        SELECT EXISTS (SELECT FROM sync_runs WHERE times_due)
            OR EXISTS (SELECT FROM wishlist_items WHERE details_due_at <= now() AND wanted_count > 0)
        """)


def find_run_with_times_due(conn: Connection) -> int | None:
    """Return the id of the first finished run whose new wishes Plex was not asked about."""
    return row(conn, int, """
        SELECT id
          FROM sync_run_reports
         WHERE id IN (SELECT id FROM sync_runs WHERE times_due)
           AND status NOT IN ('waiting', 'running')
      ORDER BY id
         LIMIT 1
        """)


def list_new_wishes(conn: Connection, *, run_id: int, limit: int) -> list[TitleQuestion]:
    """Return the newest wishes of a run whose time is unknown and whose person has a working token.

    limit: how many of the newest wishes to look at.
    """
    return rows(conn, TitleQuestion, """
        WITH added AS MATERIALIZED (        -- otherwise PostgreSQL reads all events backwards
            SELECT id, item_id, user_id
              FROM wishlist_events
             WHERE run_id = %(run_id)s
               AND kind <> 'removed'
               AND happened_at >= (SELECT started_at FROM sync_runs WHERE id = %(run_id)s)),
        newest AS (
            SELECT id, item_id, user_id
              FROM added
          ORDER BY id DESC
             LIMIT %(limit)s)
        SELECT newest.item_id, item.uid, newest.user_id, person.plex_token
          FROM newest
          JOIN wishlist_item_sources AS source USING (item_id, user_id)
          JOIN wishlist_items AS item ON item.id = newest.item_id
          JOIN plex_users AS person ON person.id = newest.user_id
         WHERE source.removed_at IS NULL
           AND source.watchlisted_at IS NULL
           AND person.active
           AND person.sync_state IN ('ok', 'held')
      ORDER BY newest.id DESC
        """, {"run_id": run_id, "limit": limit})


def store_times(conn: Connection, *, times: Sequence[tuple[TitleQuestion, datetime]]) -> None:
    """Store when people put the titles on their watchlists."""
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET watchlisted_at = told.watchlisted_at
          FROM unnest(%(item_ids)s::bigint[], %(user_ids)s::integer[], %(times)s::timestamptz[])
               AS told (item_id, user_id, watchlisted_at)
         WHERE source.item_id = told.item_id
           AND source.user_id = told.user_id
           AND source.removed_at IS NULL
        """, {
        "item_ids": [question.item_id for question, _ in times],
        "user_ids": [question.user_id for question, _ in times],
        "times": [time for _, time in times],
    })


def end_times(conn: Connection, *, run_id: int) -> None:
    """Record that Plex was asked about the new wishes of the run."""
    conn.execute("UPDATE sync_runs SET times_due = false WHERE id = %(run_id)s", {"run_id": run_id})


def list_titles_due(conn: Connection, *, except_ids: Sequence[int], limit: int) -> list[TitleQuestion]:
    """Return wanted titles whose details are due, each with a person who wants it and has a working token.

    except_ids: items to leave out.
    """
    return rows(conn, TitleQuestion, """
        SELECT item.id AS item_id, item.uid, person.id AS user_id, person.plex_token
          FROM wishlist_items AS item
         CROSS JOIN LATERAL (
               SELECT person.id, person.plex_token
                 FROM wishlist_item_sources AS source
                 JOIN plex_users AS person ON person.id = source.user_id
                WHERE source.item_id = item.id
                  AND source.removed_at IS NULL
                  AND person.active
                  AND person.sync_state IN ('ok', 'held')
             ORDER BY person.id
                LIMIT 1) AS person
         WHERE item.details_due_at <= now()
           AND item.wanted_count > 0
           AND item.id <> ALL (%(except_ids)s::bigint[])
      ORDER BY item.details_due_at        -- by nothing else: after a first sync all titles are due at once
         LIMIT %(limit)s
        """, {"except_ids": except_ids, "limit": limit})


def store_details(conn: Connection, *, told: Sequence[tuple[int, TitleDetails | None]]) -> None:
    """Store the details of each item. External ids from a watchlist stay.

    What is still missing is asked about again later, see next_question_at().
    """
    conn.execute("""
        UPDATE wishlist_items AS item
           SET summary = coalesce(told.summary, item.summary),
               genres = coalesce(told.genres, item.genres),
               imdb_id = coalesce(item.imdb_id, told.imdb_id),
               tmdb_id = coalesce(item.tmdb_id, told.tmdb_id),
               tvdb_id = coalesce(item.tvdb_id, told.tvdb_id),
               first_asked_at = coalesce(item.first_asked_at, now()),
               details_due_at = CASE
                   WHEN coalesce(told.summary, item.summary) IS NULL
                     OR cardinality(coalesce(told.genres, item.genres)) = 0
                     OR item.released_on IS NULL
                     OR CASE item.media_type WHEN 'movie' THEN coalesce(item.tmdb_id, told.tmdb_id)
                                             ELSE coalesce(item.tvdb_id, told.tvdb_id)
                        END IS NULL
                   THEN next_question_at(coalesce(item.first_asked_at, now()))
               END
          FROM jsonb_to_recordset(%(told)s) AS told (
               id bigint, summary text, genres text[], imdb_id text, tmdb_id integer, tvdb_id integer)
         WHERE item.id = told.id
        """, {"told": Jsonb([_as_json(*each) for each in told])})


def _as_json(item_id: int, details: TitleDetails | None) -> dict[str, Any]:
    return (vars(details) if details else {}) | {"id": item_id}
