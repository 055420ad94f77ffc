"""Added, removed and returned titles: wishlist_events, shown by the view wishlist_event_documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from wishlist_service.db import rows, value
from wishlist_service.errors import Gone
from wishlist_service.models import EventPlace


@dataclass(frozen=True)
class EventPage:
    """A page of events as JSON text, time and id of the last one, and whether there are more."""

    items_json: str
    last: list[Any] | None
    more: bool


def list_history(
    conn: Connection,
    *,
    user_ids: Sequence[int] | None,
    uids: Sequence[str] | None,
    kind: str | None,
    since: datetime | None,
    after: EventPlace | None,
    limit: int,
) -> EventPage:
    """Return a page of events, newest first. None does not filter; `uids` are those that one title may have."""
    return rows(conn, EventPage, """
        WITH page AS (
             SELECT id, happened_at
               FROM wishlist_events
              WHERE (%(after_id)s::bigint IS NULL OR id < %(after_id)s)
                AND (%(user_ids)s::integer[] IS NULL OR user_id = ANY (%(user_ids)s))
                AND (%(uids)s::text[] IS NULL
                     OR item_id = (SELECT item_meant(%(uids)s)))
                AND (%(kind)s::text IS NULL OR kind = %(kind)s)
                AND (%(since)s::timestamptz IS NULL OR happened_at >= %(since)s)
           ORDER BY id DESC
              LIMIT %(limit)s + 1),               -- one more shows whether there is a next page
             shown AS (
             SELECT id, happened_at
               FROM page
           ORDER BY id DESC
              LIMIT %(limit)s)
        SELECT (SELECT coalesce(json_agg(event.document ORDER BY event.id DESC), '[]')::text
                  FROM shown
                  JOIN wishlist_event_documents AS event ON event.id = shown.id) AS items_json,
               (SELECT json_build_array(happened_at, id)
                  FROM shown
              ORDER BY id
                 LIMIT 1) AS last,
               (SELECT count(*) FROM page) > %(limit)s AS more
        """, {
        "user_ids": user_ids, "uids": uids, "kind": kind, "since": since,
        "after_id": after and after.id, "limit": limit,
    }, prepare=False)[0]  # each set of filters needs its own plan


def list_diary(conn: Connection, *, user_id: int | None, before: int | None, limit: int) -> EventPage:
    """Return a page of the history, newest first, in which a first import is one line. None does not filter.

    Each item has `event` and `titles`: null, or the size of a first import, of which `event` is the last.
    """
    # Each step yields one line. A step skips a whole import: one statement wrote its events, so they share one time
    # and their ids follow each other.
    return rows(conn, EventPage, """
        WITH RECURSIVE line (number, id, happened_at, first_id, titles) AS (
             SELECT 0, NULL::bigint, NULL::timestamptz, coalesce(%(before)s::bigint, 9223372036854775807), 0::bigint
          UNION ALL
             SELECT line.number + 1, newest.id, newest.happened_at, coalesce(import.first_id, newest.id),
                    import.titles
               FROM line
              CROSS JOIN LATERAL (
                    SELECT id, user_id, first_import, happened_at
                      FROM wishlist_events
                     WHERE id < line.first_id
                       AND (%(user_id)s::integer IS NULL OR user_id = %(user_id)s)
                  ORDER BY id DESC
                     LIMIT 1) AS newest
              CROSS JOIN LATERAL (
                    SELECT min(id) AS first_id, count(*) AS titles
                      FROM wishlist_events
                     WHERE newest.first_import
                       AND user_id = newest.user_id
                       AND id <= newest.id
                       AND first_import
                       AND happened_at = newest.happened_at) AS import
              WHERE line.number <= %(limit)s),     -- one more shows whether there is a next page
             shown AS (
             SELECT id, happened_at, first_id, titles
               FROM line
              WHERE number BETWEEN 1 AND %(limit)s)
        SELECT (SELECT coalesce(
                           json_agg(json_build_object('event', event.document, 'titles', nullif(shown.titles, 0))
                                    ORDER BY shown.id DESC),
                           '[]')::text
                  FROM shown
                  JOIN wishlist_event_documents AS event ON event.id = shown.id) AS items_json,
               (SELECT json_build_array(happened_at, first_id)
                  FROM shown
              ORDER BY id
                 LIMIT 1) AS last,
               (SELECT count(*) FROM line) > %(limit)s + 1 AS more
        """, {"user_id": user_id, "before": before, "limit": limit},
        prepare=False)[0]  # all people and one person need different plans


def list_news(conn: Connection, *, since: datetime, limit: int) -> str:
    """Return what is new on the wall since then as a JSON array, newest first.

    Each has `kind`, `happened_at` and either `item` (as the API shows it) or, for a first import, `titles`. `kind` is
    added, too (others wanted it before), came_back, available or joined; `user` is null for available.
    """
    return value(conn, """
        WITH recent AS (
             SELECT event.id, event.kind, event.item_id, event.user_id, event.first_import, event.happened_at
               FROM wishlist_events AS event
               JOIN plex_users AS person ON person.id = event.user_id
              WHERE event.happened_at >= %(since)s
                AND event.kind <> 'removed'
                AND person.active),
             news AS (
             SELECT CASE WHEN recent.kind = 'added' AND EXISTS (
                              SELECT
                                FROM wishes
                               WHERE wishes.item_id = recent.item_id
                                 AND wishes.user_id <> recent.user_id
                                 AND wishes.removed_at IS NULL
                                 AND wishes.first_added_at < recent.happened_at - interval '1 second')
                         THEN 'too'
                         ELSE recent.kind
                     END AS kind,
                    recent.happened_at, recent.item_id, recent.user_id, NULL::bigint AS titles
               FROM recent
               JOIN wishlist_item_sources AS source USING (item_id, user_id)
              WHERE NOT recent.first_import
                AND source.removed_at IS NULL
          UNION ALL
             SELECT 'joined', max(happened_at), NULL, user_id, count(*)
               FROM recent
              WHERE first_import
           GROUP BY user_id
          UNION ALL
             SELECT 'available', available_since, id, NULL, NULL
               FROM wishlist_items
              WHERE available
                AND available_since >= %(since)s
                AND wanted_count > 0),
             shown AS (
             SELECT news.*
               FROM news
          LEFT JOIN wishlist_items AS item ON item.id = news.item_id
              WHERE item.dismissed_at IS NULL
           ORDER BY news.happened_at DESC, news.item_id DESC
              LIMIT %(limit)s)
        SELECT coalesce(
                   json_agg(json_build_object(
                                'kind', shown.kind,
                                'happened_at', rfc3339(shown.happened_at),
                                'item', item.document,
                                'user', CASE WHEN person.id IS NOT NULL
                                             THEN json_build_object('id', person.id, 'name', person.name)
                                         END,
                                'titles', shown.titles)
                            ORDER BY shown.happened_at DESC, shown.item_id DESC),
                   '[]')::text
          FROM shown
     LEFT JOIN wishlist_documents AS item ON item.id = shown.item_id
     LEFT JOIN plex_user_reports AS person ON person.id = shown.user_id
        """, {"since": since, "limit": limit})


def list_arrived(conn: Connection, *, since: datetime, limit: int) -> str:
    """Return the wanted titles that came to the media server since then, as list_news() does, newest first.

    They stay in it when they are no longer wanted.
    """
    return value(conn, """
        SELECT coalesce(
                   json_agg(json_build_object(
                                'kind', 'available', 'happened_at', rfc3339(arrived.at), 'item', item.document)
                            ORDER BY arrived.at DESC, item.id DESC),
                   '[]')::text
          FROM (SELECT arrival.item_id, max(arrival.happened_at) AS at
                  FROM library_arrivals AS arrival
                  JOIN wishlist_items AS title ON title.id = arrival.item_id
                 WHERE arrival.new_seasons = 0
                   AND arrival.happened_at >= %(since)s
                   AND title.wish_count > 0
                   AND title.dismissed_at IS NULL
              GROUP BY arrival.item_id
              ORDER BY at DESC, arrival.item_id DESC
                 LIMIT %(limit)s) AS arrived
          JOIN wishlist_documents AS item ON item.id = arrived.item_id
        """, {"since": since, "limit": limit})


def count_arrived(conn: Connection, *, since: datetime) -> int:
    """Return how many titles list_arrived() has without a limit."""
    return value(conn, """
        SELECT count(DISTINCT arrival.item_id)
          FROM library_arrivals AS arrival
          JOIN wishlist_items AS title ON title.id = arrival.item_id
         WHERE arrival.new_seasons = 0
           AND arrival.happened_at >= %(since)s
           AND title.wish_count > 0
           AND title.dismissed_at IS NULL
        """, {"since": since})


def list_changes(conn: Connection, *, after: EventPlace, limit: int) -> EventPage:
    """Return a page of events, oldest first.

    Raises Gone if the database was restored from a backup that is older than the place, or if a standby without the
    place was promoted. Ids are then assigned a second time, so some new events would come before the place.
    """
    # known: the id was assigned, no event up to it is newer than the place, and no failover has lost it
    known, *page = next(
        conn.execute("""
            WITH page AS (
                 SELECT id, happened_at
                   FROM wishlist_events
                  WHERE id > %(after_id)s
               ORDER BY id
                  LIMIT %(limit)s + 1),               -- one more shows whether there is a next page
                 shown AS (
                 SELECT id, happened_at
                   FROM page
               ORDER BY id
                  LIMIT %(limit)s)
            SELECT %(after_id)s <= coalesce(pg_sequence_last_value('wishlist_events_id_seq'), 0)
                   AND coalesce(
                           (SELECT happened_at
                              FROM wishlist_events
                             WHERE id <= %(after_id)s
                          ORDER BY id DESC
                             LIMIT 1) <= %(after_happened_at)s,
                           true)
                   AND NOT EXISTS (
                           SELECT
                             FROM failovers
                            WHERE %(after_id)s > last_id
                              AND %(after_id)s <= drawn_id
                              AND %(after_happened_at)s > last_at)
                   AND NOT EXISTS (               -- no change was stored since a failover
                           SELECT
                             FROM sync_state
                            WHERE timeline <> current_timeline()
                              AND %(after_id)s > (SELECT coalesce(max(id), 0) FROM wishlist_events)) AS known,
                   (SELECT coalesce(json_agg(event.document ORDER BY event.id), '[]')::text
                      FROM shown
                      JOIN wishlist_event_documents AS event ON event.id = shown.id) AS items_json,
                   (SELECT json_build_array(happened_at, id)
                      FROM shown
                  ORDER BY id DESC
                     LIMIT 1) AS last,
                   (SELECT count(*) FROM page) > %(limit)s AS more
            """, {"after_id": after.id, "after_happened_at": after.happened_at, "limit": limit},
            prepare=False)  # a plan for any place and limit expects a tenth of all events
    )
    if not known:
        raise Gone(
            "This cursor is no longer valid: a failover lost its event, or the database was restored from an older "
            "backup. Start over without `after`."
        )
    return EventPage(*page)


def delete_left_over(conn: Connection) -> int:
    """Delete the events of people who are not there, and return how many.

    No event of a person who is there is deleted, because /api/changes replays from the beginning.
    """
    events, _ = next(
        conn.execute("""
            WITH deleted AS (
                 DELETE FROM wishlist_events
                  WHERE NOT EXISTS (SELECT FROM plex_users WHERE plex_users.id = wishlist_events.user_id)
              RETURNING id)
            SELECT count(*),
                   CASE WHEN count(*) > 0 THEN next_generation() END
              FROM deleted
            """)
    )
    return events
