"""Single titles: what to ask Plex about them, and what it answered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import row, rows
from wishlist_service.models import TitleDetails, TitleQuestion


def find_run_with_times_due(conn: Connection) -> int | None:
    """Return the id of the first finished run whose new wishes Plex was not asked about."""
    return row(conn, int, """
        SELECT id
          FROM sync_run_reports
         WHERE id IN (SELECT id FROM sync_runs WHERE times_due)
           AND status <> 'running'
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


def list_titles_due(conn: Connection, *, limit: int) -> list[TitleQuestion]:
    """Return wanted titles whose details are due, each with a person who wants it and has a working token."""
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
      ORDER BY item.details_due_at        -- by nothing else: after a first sync all titles are due at once
         LIMIT %(limit)s
        """, {"limit": limit})


def store_details(conn: Connection, *, told: Sequence[tuple[int, TitleDetails | None, timedelta | None]]) -> None:
    """Store the details of each item (id, details, when to ask again). External ids from a watchlist stay."""
    conn.execute("""
        UPDATE wishlist_items AS item
           SET summary = coalesce(told.summary, item.summary),
               genres = coalesce(told.genres, item.genres),
               imdb_id = coalesce(item.imdb_id, told.imdb_id),
               tmdb_id = coalesce(item.tmdb_id, told.tmdb_id),
               tvdb_id = coalesce(item.tvdb_id, told.tvdb_id),
               details_due_at = now() + told.again_seconds * interval '1 second'
          FROM jsonb_to_recordset(%(told)s) AS told (
               id bigint, summary text, genres text[], imdb_id text, tmdb_id integer, tvdb_id integer,
               again_seconds double precision)
         WHERE item.id = told.id
        """, {"told": Jsonb([_as_json(*each) for each in told])})


def _as_json(item_id: int, details: TitleDetails | None, again_in: timedelta | None) -> dict[str, Any]:
    facts = vars(details) if details else {}
    return facts | {"id": item_id, "again_seconds": again_in and again_in.total_seconds()}
