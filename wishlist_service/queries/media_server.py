"""What the media server has of the wanted titles, and what came there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import rows, value
from wishlist_service.models import Wisher


@dataclass(frozen=True, kw_only=True)
class LibraryState:
    """When the media server is to be looked at.

    due: whether a look that was put off, or planned after a change, is due. asked: whether the server told that it has
    something new. whole_due: whether everything is to be compared. read_at: when a watchlist was last read in
    full.
    """

    now: datetime
    due: bool
    asked: bool
    whole_due: bool
    read_at: datetime | None
    has_titles: bool


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A wanted title.

    names: of all its records, like plex://… and imdb://…. available: None if it was never compared.
    compared: the names that the last look compared, none if nobody wanted it then. seasons: the maximum that the
    server had. left_lately: whether it was there and left within 30 days.
    """

    id: int
    media_type: str
    names: list[str]
    dismissed: bool
    available: bool | None
    compared: list[str]
    seasons: int | None
    left_lately: bool


@dataclass(frozen=True, kw_only=True)
class KnownSection:
    """A library that was read. The fields are the columns of library_sections."""

    id: str
    content_changed_at: int | None
    largest_key: int
    read_at: datetime


def get_state(conn: Connection) -> LibraryState:
    """Return when the media server is to be looked at. Never while there are no titles, so the first do not wait."""
    return rows(conn, LibraryState, """
        SELECT now() AS now,
               library_due_at <= now() AS due,
               library_asked_at IS NOT NULL AS asked,
               coalesce(library_whole_at NOT BETWEEN now() - interval '1 day' AND now(), true) AS whole_due,
               (SELECT max(list_read_at) FROM plex_users) AS read_at,
               EXISTS (SELECT FROM wishlist_items) AS has_titles
          FROM sync_state
        """)[0]


def ask_for_look(conn: Connection) -> None:
    """Record that the media server has something new. Writes nothing if a look is already asked for."""
    conn.execute("UPDATE sync_state SET library_asked_at = now() WHERE library_asked_at IS NULL")


def note_look(conn: Connection) -> None:
    """Record that a look begins, which answers what was asked before. Writes nothing if nothing was asked."""
    conn.execute("UPDATE sync_state SET library_asked_at = NULL WHERE library_asked_at IS NOT NULL")


def put_off(conn: Connection, *, jitter: float) -> float:
    """Record that the media server was not read, or the changes after that failed; return the seconds to the next try.

    After 1, 2, 4 ... 32 minutes, then hourly. The next try compares everything.
    """
    return value(conn, """
        UPDATE sync_state
           SET library_failures = library_failures + 1,
               library_whole_at = NULL,
               library_due_at = now() + least(interval '1 minute' * 2 ^ least(library_failures, 6) * %(jitter)s,
                                              interval '1 hour')
     RETURNING extract(epoch FROM library_due_at - now())::float8
        """, {"jitter": jitter})


def record_success(conn: Connection) -> None:
    """Record that the media server was read and nothing failed after that. Writes nothing if nothing failed before."""
    conn.execute("UPDATE sync_state SET library_failures = 0 WHERE library_failures > 0")


def bring_forward(conn: Connection, *, interval: timedelta) -> None:
    """Make the media server due if the last try failed, or else after `interval` at the latest."""
    conn.execute("""
        UPDATE sync_state
           SET library_due_at = now() + soon.wait
          FROM (SELECT CASE WHEN library_failures > 0 THEN interval '0' ELSE %(interval)s END AS wait
                  FROM sync_state) AS soon
         WHERE library_due_at > now() + soon.wait
        """, {"interval": interval})


def list_sections(conn: Connection) -> list[KnownSection]:
    """Return the libraries that were read."""
    return rows(conn, KnownSection, """
        SELECT id, content_changed_at, largest_key, read_at
          FROM library_sections
        """)


def list_types_to_compare(conn: Connection, *, collection: bool) -> list[str]:
    """Return the media types with wanted titles that are new, or have new ids, since they were compared.

    collection: also those with titles that are no longer wanted, were dismissed or no longer are.
    """
    return rows(conn, str, """
        SELECT DISTINCT item.media_type
          FROM wishlist_items AS item
     LEFT JOIN library_titles AS known ON known.item_id = item.id
         WHERE CASE WHEN item.wanted_count > 0
                    THEN known.names IS DISTINCT FROM item_names(item.id)
                         OR %(collection)s AND known.dismissed <> (item.dismissed_at IS NOT NULL)
                    ELSE %(collection)s AND known.names IS NOT NULL
                END
        """, {"collection": collection})


def list_wanted(conn: Connection, *, media_types: Sequence[str]) -> list[Wanted]:
    """Return the wanted titles of these types, dismissed ones included."""
    return rows(conn, Wanted, """
        SELECT item.id, item.media_type, named.names,
               item.dismissed_at IS NOT NULL AS dismissed,
               item.available,
               coalesce(known.names, '{}') AS compared,
               known.seasons,
               coalesce(known.left_at > now() - interval '30 days', false) AS left_lately
          FROM wishlist_items AS item
     LEFT JOIN library_titles AS known ON known.item_id = item.id
         CROSS JOIN LATERAL (SELECT item_names(item.id) AS names) AS named
         WHERE item.wanted_count > 0
           AND item.media_type = ANY (%(media_types)s)
        """, {"media_types": list(media_types)})


def list_play_urls(conn: Connection, *, item_ids: list[int]) -> dict[int, str]:
    """Return where Plex plays these titles, by their ids; without those that the media server does not have."""
    return dict(
        conn.execute("""
            SELECT id, play_url
              FROM wishlist_items
             WHERE id = ANY (%(item_ids)s)
               AND available
               AND play_url IS NOT NULL
            """, {"item_ids": item_ids}).fetchall()
    )


def store_available(conn: Connection, *, titles: Sequence[dict[str, Any]]) -> int:
    """Store whether the media server has each title, whether surely, and where Plex plays it.

    titles: their id, available, sure and play_url. Returns for how many that changed.
    """
    return conn.execute("""
        UPDATE wishlist_items AS item
           SET available = looked.available,
               available_since = CASE WHEN item.available AND looked.available THEN item.available_since
                                      WHEN looked.available THEN now()
                                  END,
               available_sure = looked.sure,
               play_url = looked.play_url
          FROM jsonb_to_recordset(%(titles)s) AS looked (id bigint, available boolean, sure boolean, play_url text)
         WHERE item.id = looked.id
           AND (item.available, item.available_sure, item.play_url)
               IS DISTINCT FROM (looked.available, looked.sure, looked.play_url)
        """, {"titles": Jsonb(titles)}).rowcount


def store_compared(conn: Connection, *, titles: Sequence[dict[str, Any]]) -> None:
    """Store which names of each title were compared, how many seasons are there, and that it left.

    titles: their id, names, dismissed, seasons, left and came. left: whether the last look found it and this one does
    not. came: whether it is there anew, so that earlier seasons do not count.
    """
    conn.execute("""
        INSERT INTO library_titles (item_id, names, dismissed, seasons, left_at)
        SELECT looked.id, looked.names, looked.dismissed, largest.seasons,
               CASE WHEN looked."left" THEN now() ELSE known.left_at END
          FROM jsonb_to_recordset(%(titles)s)
               AS looked (id bigint, names text[], dismissed boolean, seasons integer, "left" boolean, came boolean)
          JOIN wishlist_items AS item ON item.id = looked.id        -- it may have been erased since
     LEFT JOIN library_titles AS known ON known.item_id = looked.id
         CROSS JOIN LATERAL (
               SELECT CASE WHEN looked.came THEN looked.seasons
                           ELSE greatest(looked.seasons, known.seasons)
                       END AS seasons) AS largest
         WHERE looked."left"
            OR (known.names, known.dismissed, known.seasons)
               IS DISTINCT FROM (looked.names, looked.dismissed, largest.seasons)
            ON CONFLICT (item_id) DO UPDATE
           SET names = excluded.names,
               dismissed = excluded.dismissed,
               seasons = excluded.seasons,
               left_at = excluded.left_at
        """, {"titles": Jsonb(titles)})


def forget_unwanted(conn: Connection, *, media_types: Sequence[str]) -> None:
    """Record that titles of these types that nobody wants were not compared. From now on, one may leave unseen."""
    conn.execute("""
        UPDATE library_titles AS known
           SET names = NULL,
               left_at = CASE WHEN item.available THEN now() ELSE known.left_at END
          FROM wishlist_items AS item
         WHERE item.id = known.item_id
           AND item.wanted_count = 0
           AND item.media_type = ANY (%(media_types)s)
           AND known.names IS NOT NULL
        """, {"media_types": list(media_types)})


def add_arrivals(conn: Connection, *, arrivals: Sequence[dict[str, Any]], looked_at: datetime | None) -> None:
    """Record what came to the media server since the last look, at `looked_at`, and who wanted it before it came.

    arrivals: id of the title, seasons, new_seasons, read_at, when its libraries were last read, and added_at in seconds
    since 1970, None if unknown. added_at tells what was first, the wish or the title. If it is unknown, or before the
    libraries were last read without the title, the wish must have begun before the last look.

    looked_at: None if the caller does not know; then read_at counts.
    """
    conn.execute("""
        WITH wisher AS (
             SELECT came.id AS item_id, came.seasons, came.new_seasons, source.user_id,
                    least(began.at, source.watchlisted_at) AS since
               FROM jsonb_to_recordset(%(arrivals)s)
                    AS came (id bigint, seasons integer, new_seasons integer, added_at bigint, read_at timestamptz)
               JOIN wishlist_items AS item ON item.id = came.id
               JOIN wishlist_item_sources AS source ON source.item_id = came.id
               JOIN plex_users AS person ON person.id = source.user_id
              CROSS JOIN LATERAL (
                    SELECT greatest(source.first_added_at, max(event.happened_at)) AS at
                      FROM wishlist_events AS event
                     WHERE event.item_id = source.item_id
                       AND event.user_id = source.user_id
                       AND event.kind = 'came_back') AS began
              WHERE source.removed_at IS NULL
                AND item.dismissed_at IS NULL
                AND person.active
                AND (began.at <= came.read_at
                     OR CASE WHEN to_timestamp(came.added_at) >= date_trunc('second', came.read_at)
                             THEN to_timestamp(came.added_at)
                                  >= date_trunc('second', least(began.at, source.watchlisted_at))
                             ELSE began.at <= %(looked_at)s
                         END)),
             arrival AS (
             INSERT INTO library_arrivals (item_id, seasons, new_seasons, days)
             SELECT item_id, seasons, new_seasons,
                    greatest(0, extract(epoch FROM now() - min(since)) / 86400)
               FROM wisher
           GROUP BY item_id, seasons, new_seasons
           ORDER BY item_id
          RETURNING id, item_id)
        INSERT INTO arrival_wishers (arrival_id, user_id, since)
        SELECT arrival.id, wisher.user_id, wisher.since
          FROM arrival
          JOIN wisher USING (item_id)
        """, {"arrivals": Jsonb(arrivals), "looked_at": looked_at})


def store_sections(conn: Connection, *, sections: Sequence[dict[str, Any]], read_at: datetime) -> None:
    """Store which libraries were read, as of `read_at`.

    sections: id, content_changed_at and largest_key of all that are there; largest_key is None for one not read now.
    """
    conn.execute("""
        WITH there AS (
             SELECT id, content_changed_at, largest_key
               FROM jsonb_to_recordset(%(sections)s) AS there (id text, content_changed_at bigint, largest_key bigint)),
             gone AS (
             DELETE FROM library_sections
              WHERE id NOT IN (SELECT id FROM there))
        INSERT INTO library_sections AS known (id, content_changed_at, largest_key, read_at)
        SELECT id, content_changed_at, largest_key, %(read_at)s
          FROM there
         WHERE largest_key IS NOT NULL
            ON CONFLICT (id) DO UPDATE
           SET content_changed_at = excluded.content_changed_at,
               largest_key = greatest(known.largest_key, excluded.largest_key),
               read_at = excluded.read_at
        """, {"sections": Jsonb(sections), "read_at": read_at})


def plan_look(conn: Connection, *, whole: bool, interval: timedelta) -> None:
    """Record that libraries were read, whether all of them were, and when the next look is due."""
    conn.execute("""
        UPDATE sync_state
           SET library_due_at = now() + %(interval)s,
               library_whole_at = CASE WHEN %(whole)s THEN now() ELSE library_whole_at END
        """, {"whole": whole, "interval": interval})


def forget_sections(conn: Connection) -> None:
    """Make the next look the first one, which tells nobody what it finds."""
    conn.execute("DELETE FROM library_sections")


def list_wishers_of_available(conn: Connection, *, uid: str | None, grace: timedelta) -> list[Wisher]:
    """Return the wishes for titles that both are surely available and wanted for longer than `grace`.

    People without a working token are left out. `uid`: for this title only; None does not filter.
    """
    return rows(conn, Wisher, """
        SELECT person.id, person.name, person.plex_token, item.uid,
               listed_uids(person.id, item.id) AS uids, true AS wants
          FROM wishlist_items AS item
          JOIN wishlist_item_sources AS source ON source.item_id = item.id
          JOIN plex_users AS person ON person.id = source.user_id
         WHERE item.available
           AND item.available_sure
           AND (%(uid)s::text IS NULL OR item.uid = %(uid)s)
           AND item.available_since <= now() - %(grace)s
           AND item.wanted_count > 0
           AND source.removed_at IS NULL
           AND source.first_added_at <= now() - %(grace)s
           AND NOT EXISTS (
                   SELECT
                     FROM wishlist_events AS event
                    WHERE event.item_id = source.item_id
                      AND event.user_id = source.user_id
                      AND event.kind = 'came_back'
                      AND event.happened_at > now() - %(grace)s)
           AND person.active
           AND person.plex_token IS NOT NULL
           AND person.sync_state NOT IN ('token_rejected', 'token_unreadable', 'no_watchlist')
      ORDER BY item.id, person.id
        """, {"uid": uid, "grace": grace})
