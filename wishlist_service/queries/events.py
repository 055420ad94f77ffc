"""What was added, removed or came back: rows of wishlist_events. What an event shows is wishlist_event_documents."""

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection
from psycopg.rows import class_row

from wishlist_service.errors import Gone
from wishlist_service.page_models import EventPage, EventPlace


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
    """A page of events, the newest first; None does not filter. `uids` are those one title may have."""
    with conn.cursor(row_factory=class_row(EventPage)) as cur:
        return next(
            cur.execute(
                """
            WITH page AS (
                 SELECT id, happened_at
                   FROM wishlist_events
                  WHERE (%(after_id)s::bigint IS NULL OR id < %(after_id)s)
                    AND (%(user_ids)s::integer[] IS NULL OR user_id = ANY (%(user_ids)s))
                    AND (%(uids)s::text[] IS NULL
                         OR item_id = ANY (ARRAY(SELECT id FROM wishlist_items WHERE uid = ANY (%(uids)s))))
                    AND (%(kind)s::text IS NULL OR kind = %(kind)s)
                    AND (%(since)s::timestamptz IS NULL OR happened_at >= %(since)s)
               ORDER BY id DESC
                  LIMIT %(limit)s + 1),               -- one more tells whether there is a next page
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
            """,
                {
                    "user_ids": user_ids,
                    "uids": uids,
                    "kind": kind,
                    "since": since,
                    "after_id": after and after.id,
                    "limit": limit,
                },
                prepare=False,  # each choice of filters has a plan of its own
            )
        )


def list_changes(conn: Connection, *, after: EventPlace, limit: int) -> EventPage:
    """A page of events, the oldest first.

    Raises Gone if the place is of another history than this one: the database was restored from a backup that is
    older than it. Ids are then given out a second time, and what follows the place would not be all that is new.
    """
    # known: the id was given out, and what stands there or before it is not younger
    known, *page = next(
        conn.execute(
            """
            WITH page AS (
                 SELECT id, happened_at
                   FROM wishlist_events
                  WHERE id > %(after_id)s
               ORDER BY id
                  LIMIT %(limit)s + 1),               -- one more tells whether there is a next page
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
                           true) AS known,
                   (SELECT coalesce(json_agg(event.document ORDER BY event.id), '[]')::text
                      FROM shown
                      JOIN wishlist_event_documents AS event ON event.id = shown.id) AS items_json,
                   (SELECT json_build_array(happened_at, id)
                      FROM shown
                  ORDER BY id DESC
                     LIMIT 1) AS last,
                   (SELECT count(*) FROM page) > %(limit)s AS more
            """,
            {"after_id": after.id, "after_happened_at": after.happened_at, "limit": limit},
            prepare=False,  # a plan for any place and limit expects a tenth of all events
        )
    )
    if not known:
        raise Gone(
            "This cursor is of a history that is no longer here: the database was restored from an older backup. "
            "Start over, without after."
        )
    return EventPage(*page)
