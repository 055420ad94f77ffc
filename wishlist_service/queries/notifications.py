"""Notifications: the addresses, what each was told, and what is new since."""

from dataclasses import dataclass
from datetime import datetime

from psycopg import Connection

from wishlist_service.db import row, rows


@dataclass(frozen=True, kw_only=True)
class NewWish:
    """A person newly wants a title."""

    name: str
    title: str
    year: int | None


@dataclass(frozen=True, kw_only=True)
class ListError:
    """A person's watchlist is held, or their token is refused: the state change with this id."""

    change_id: int
    user_id: int
    name: str
    plex_username: str | None
    account_known: bool
    sync_state: str
    sync_detail: str | None


@dataclass(frozen=True, kw_only=True)
class Told:
    """Up to which event and change of state there is news, or an address was told."""

    event_id: int
    change_id: int


def rename_address(conn: Connection, *, fingerprints: list[str]) -> None:
    """Store the address under its first fingerprint if it is stored under another."""
    conn.execute("""
        UPDATE news_addresses
           SET fingerprint = %(first)s
         WHERE fingerprint = ANY (%(others)s)
           AND NOT EXISTS (SELECT FROM news_addresses WHERE fingerprint = %(first)s)
        """, {"first": fingerprints[0], "others": fingerprints[1:]})


def add_address(conn: Connection, *, fingerprint: str) -> None:
    """Add this address unless it is known. It is told what is new from now on."""
    conn.execute("""
        INSERT INTO news_addresses (fingerprint, event_id, change_id)
        SELECT %(fingerprint)s,
               (SELECT coalesce(max(id), 0) FROM wishlist_events),
               (SELECT coalesce(max(id), 0) FROM sync_state_changes)
            ON CONFLICT (fingerprint) DO NOTHING
        """, {"fingerprint": fingerprint})


def remove_other_addresses(conn: Connection, *, fingerprints: list[str]) -> None:
    """Remove all addresses but these."""
    conn.execute(
        "DELETE FROM news_addresses WHERE fingerprint <> ALL (%(fingerprints)s)", {"fingerprints": fingerprints})


def find_due_address(conn: Connection, *, fingerprint: str) -> Told | None:
    """Return up to where this address was told; None while it must wait after a failed try."""
    return row(conn, Told, """
        SELECT event_id, change_id
          FROM news_addresses
         WHERE fingerprint = %(fingerprint)s
           AND due_at <= now()
        """, {"fingerprint": fingerprint})


def get_present(conn: Connection, *, told: Told) -> Told:
    """Return up to where there is news since `told`. Events of a running run, and those after them, wait."""
    return rows(conn, Told, """
        SELECT coalesce((
               SELECT min(event.id) - 1
                 FROM wishlist_events AS event
                WHERE event.id > %(event_id)s
                  AND event.run_id IN (
                          SELECT id
                            FROM sync_run_reports
                           WHERE id IN (SELECT id FROM sync_runs WHERE status IN ('waiting', 'running'))
                             AND status = 'running')),
               (SELECT max(id) FROM wishlist_events WHERE id > %(event_id)s),
               %(event_id)s) AS event_id,
               coalesce((
               SELECT max(id)
                 FROM sync_state_changes
                WHERE id > %(change_id)s),
               %(change_id)s) AS change_id
        """, {"event_id": told.event_id, "change_id": told.change_id})[0]


def list_new_wishes(conn: Connection, *, after: int, upto: int) -> list[NewWish]:
    """Return the present wishes of the events after `after` up to `upto`, person by person, without first imports."""
    return rows(conn, NewWish, """
        SELECT person.name, item.title, item.year
          FROM (SELECT event.user_id, event.item_id, max(event.id) AS id
                  FROM wishlist_events AS event
                 WHERE event.id > %(after)s
                   AND event.id <= %(upto)s
                   AND event.kind <> 'removed'
                   AND NOT event.first_import
              GROUP BY event.user_id, event.item_id) AS added
          JOIN wishlist_item_sources AS source USING (user_id, item_id)
          JOIN wishlist_items AS item ON item.id = added.item_id
          JOIN plex_users AS person ON person.id = added.user_id
         WHERE source.removed_at IS NULL
           AND item.dismissed_at IS NULL
           AND person.active
      ORDER BY person.id, added.id DESC        -- newest first
        """, {"after": after, "upto": upto})


def list_errors(conn: Connection, *, after: int, upto: int) -> list[ListError]:
    """Return the errors after the one change and up to the other that no later change has fixed.

    And the ends of errors that were told before.
    """
    return rows(conn, ListError, """
        SELECT change.id AS change_id, change.user_id, person.name, person.plex_username,
               person.plex_uuid IS NOT NULL AS account_known,
               change.sync_state, change.sync_detail
          FROM sync_state_changes AS change
          JOIN plex_users AS person ON person.id = change.user_id
         WHERE change.id > %(after)s
           AND change.id <= %(upto)s
           AND change.sync_state <> 'ok'
           AND (change.sync_state <> 'read_again'
                OR (SELECT max(earlier.id)
                      FROM sync_state_changes AS earlier
                     WHERE earlier.user_id = change.user_id
                       AND earlier.id < change.id) <= %(after)s)
           AND person.active
           AND NOT EXISTS (
                   SELECT
                     FROM sync_state_changes AS later
                    WHERE later.user_id = change.user_id
                      AND later.id > change.id)
      ORDER BY change.id
        """, {"after": after, "upto": upto})


def store_told(conn: Connection, *, fingerprint: str, told: Told) -> None:
    """Record up to where the address was told."""
    conn.execute("""
        UPDATE news_addresses
           SET event_id = %(event_id)s,
               change_id = %(change_id)s,
               failures = 0,
               due_at = now()
         WHERE fingerprint = %(fingerprint)s
        """, {"fingerprint": fingerprint, "event_id": told.event_id, "change_id": told.change_id})


def put_off(conn: Connection, *, fingerprint: str) -> tuple[int, datetime]:
    """Record a failed try; return how many failed in a row, and when to try again: after 1, 2, 4 … minutes."""
    return next(
        conn.execute("""
            UPDATE news_addresses
               SET failures = failures + 1,
                   due_at = now() + least(interval '1 minute' * 2 ^ least(failures, 20), interval '6 hours')
             WHERE fingerprint = %(fingerprint)s
         RETURNING failures, due_at
            """, {"fingerprint": fingerprint})
    )
