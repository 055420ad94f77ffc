"""Single titles: what to ask Plex about them, and what it answered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import row, rows, value
from wishlist_service.models import TitleDetails


@dataclass(frozen=True, kw_only=True)
class TitleQuestion:
    """A title to ask Plex about, and the person with whose encrypted token to ask."""

    item_id: int
    uid: str
    user_id: int
    plex_token: str = field(repr=False)


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
        SELECT newest.item_id, (listed_uids(newest.user_id, newest.item_id))[1] AS uid, newest.user_id,
               person.plex_token
          FROM newest
          JOIN wishlist_item_sources AS source USING (item_id, user_id)
          JOIN plex_users AS person ON person.id = newest.user_id
         WHERE source.removed_at IS NULL
           AND source.watchlisted_at IS NULL
           AND person.active
           AND person.plex_token IS NOT NULL
           AND person.sync_state IN ('ok', 'held')
      ORDER BY newest.id DESC
        """, {"run_id": run_id, "limit": limit})


def store_times(conn: Connection, *, times: Sequence[tuple[TitleQuestion, datetime]]) -> None:
    """Store when people put the titles on their watchlists."""
    conn.execute("""
        UPDATE wishlist_item_sources AS source
           SET watchlisted_at = told.watchlisted_at
          FROM unnest(%(uids)s::text[], %(user_ids)s::integer[], %(times)s::timestamptz[])
               AS told (uid, user_id, watchlisted_at)
          JOIN wishlist_records AS record USING (uid)     -- the title may have been joined with another one meanwhile
         WHERE source.item_id = record.item_id
           AND source.user_id = told.user_id
           AND source.removed_at IS NULL
        """, {
        "uids": [question.uid for question, _ in times],
        "user_ids": [question.user_id for question, _ in times],
        "times": [time for _, time in times],
    })


def end_times(conn: Connection, *, run_id: int) -> None:
    """Record that Plex was asked about the new wishes of the run."""
    conn.execute("UPDATE sync_runs SET times_due = false WHERE id = %(run_id)s", {"run_id": run_id})


def list_titles_due(conn: Connection, *, except_ids: Sequence[int], limit: int) -> list[TitleQuestion]:
    """Return wanted titles whose details are due, each with a person who has a working token.

    That is somebody who wants the title, or through whom a friend is read who wants it.
    except_ids: items to leave out.
    """
    return rows(conn, TitleQuestion, """
        SELECT item.id AS item_id, item.uid, reader.id AS user_id, reader.plex_token
          FROM wishlist_items AS item
         CROSS JOIN LATERAL (
               SELECT reader.id, reader.plex_token
                 FROM wishlist_item_sources AS source
                 JOIN plex_users AS person ON person.id = source.user_id
                 JOIN plex_users AS reader
                   ON reader.id = CASE person.source WHEN 'friend' THEN person.via_id ELSE person.id END
                WHERE source.item_id = item.id
                  AND source.removed_at IS NULL
                  AND person.active
                  AND reader.active
                  AND reader.plex_token IS NOT NULL
                  AND reader.sync_state IN ('ok', 'held', 'no_watchlist')
             ORDER BY reader.id
                LIMIT 1) AS reader
         WHERE item.details_due_at <= now()
           AND item.wanted_count > 0
           AND item.id <> ALL (%(except_ids)s::bigint[])
      ORDER BY item.details_due_at        -- by nothing else: after a first sync all titles are due at once
         LIMIT %(limit)s
        """, {"except_ids": except_ids, "limit": limit})


def store_details(conn: Connection, *, told: Sequence[tuple[str, TitleDetails | None]]) -> None:
    """Store the details of each title (uid, details), except external ids. What a watchlist told of it stays.

    A date or year goes if the page of this record had one when it was last asked for. What is still missing is asked
    about again later, see next_question_at().
    """
    conn.execute("""
        WITH told AS (
             SELECT *
               FROM jsonb_to_recordset(%(told)s) AS told (
                    asked_uid text, uid text, summary text, genres text[], year integer, released_on date,
                    poster_url text, plex_url text, content_rating text)),
             pages AS (
             UPDATE wishlist_records AS record
                SET page_tells_date = told.released_on IS NOT NULL,
                    page_tells_year = told.year IS NOT NULL
               FROM told
              WHERE record.uid = told.uid
                AND (record.page_tells_date, record.page_tells_year)
                    <> (told.released_on IS NOT NULL, told.year IS NOT NULL)),
             answer AS (
             SELECT DISTINCT ON (known.id)      -- of titles that were joined meanwhile, two records were asked about
                    known.id,
                    coalesce(told.summary, known.summary) AS summary,
                    coalesce(known.poster_url, told.poster_url) AS poster_url,
                    coalesce(known.plex_url, told.plex_url) AS plex_url,
                    coalesce(known.content_rating, told.content_rating) AS content_rating,
                    coalesce(told.genres, known.genres) AS genres,
                    coalesce(told.year, CASE WHEN told.uid IS NULL OR NOT page.page_tells_year THEN known.year END)
                        AS year,
                    coalesce(
                        told.released_on,
                        CASE WHEN told.uid IS NULL OR NOT page.page_tells_date THEN known.released_on END)
                        AS released_on
               FROM told
               JOIN wishlist_records AS asked ON asked.uid = told.asked_uid
               JOIN wishlist_items AS known ON known.id = asked.item_id
               JOIN wishlist_records AS page ON page.uid = coalesce(told.uid, told.asked_uid)
           ORDER BY known.id, told.uid DESC NULLS LAST)
        UPDATE wishlist_items AS item
           SET summary = answer.summary,
               poster_url = answer.poster_url,
               plex_url = answer.plex_url,
               content_rating = answer.content_rating,
               genres = answer.genres,
               year = answer.year,
               released_on = answer.released_on,
               first_asked_at = coalesce(item.first_asked_at, now()),
               details_due_at = CASE
                   WHEN answer.summary IS NULL
                     OR cardinality(answer.genres) = 0
                     OR answer.released_on IS NULL
                     OR CASE item.media_type WHEN 'movie' THEN item.tmdb_id ELSE item.tvdb_id END IS NULL
                   THEN next_question_at(coalesce(item.first_asked_at, now()))
               END
          FROM answer
         WHERE item.id = answer.id
        """, {"told": Jsonb([_as_json(*each) for each in told])})


def _as_json(uid: str, details: TitleDetails | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if details:
        day = details.released_on
        facts = vars(details) | {"external_ids": None, "released_on": day.isoformat() if day else None}
    return facts | {"asked_uid": uid}
