"""Messages: the addresses, what each was told, and what is new since."""

from dataclasses import dataclass, field
from datetime import datetime

from psycopg import Connection

from wishlist_service.db import rows, value


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
class Arrival:
    """A wanted title that came to the media server, or new seasons of it.

    seasons: how many are there; None for movies, and if unknown. new_seasons: how many of them are new; 0 if the title
    itself came. name: of who is told, or has waited longest. others: who wants it, too.
    """

    title: str
    year: int | None
    seasons: int | None
    new_seasons: int
    happened_at: datetime
    name: str
    since: datetime
    others: list[str]


@dataclass(frozen=True, kw_only=True)
class Told:
    """Up to which event, change of state and arrival there is news, or an address was told."""

    event_id: int
    change_id: int
    arrival_id: int


@dataclass(frozen=True, kw_only=True)
class Recipient(Told):
    """An address that may be told now, and what it is told of.

    user_id: whose it is; None for those of NOTIFY_URLS, which have no `address` here.
    address: encrypted. anywhere: whether it may lead to this network.
    """

    id: int
    user_id: int | None
    fingerprint: str
    address: str | None = field(repr=False)
    anywhere: bool
    tell_available: bool
    tell_trouble: bool
    tell_new_wishes: bool


def rename_address(conn: Connection, *, fingerprints: list[str]) -> None:
    """Store the address of NOTIFY_URLS under its first fingerprint if it is stored under another."""
    conn.execute("""
        UPDATE news_addresses
           SET fingerprint = %(first)s
         WHERE user_id IS NULL
           AND fingerprint = ANY (%(others)s)
           AND NOT EXISTS (SELECT FROM news_addresses WHERE user_id IS NULL AND fingerprint = %(first)s)
        """, {"first": fingerprints[0], "others": fingerprints[1:]})


def add_address(conn: Connection, *, fingerprint: str) -> None:
    """Add this address of NOTIFY_URLS unless it is known. It is told what is new from now on."""
    conn.execute("""
        INSERT INTO news_addresses (fingerprint, event_id, change_id, arrival_id)
        SELECT %(fingerprint)s,
               (SELECT coalesce(max(id), 0) FROM wishlist_events),
               (SELECT coalesce(max(id), 0) FROM sync_state_changes),
               (SELECT coalesce(max(id), 0) FROM library_arrivals)
            ON CONFLICT ON CONSTRAINT news_addresses_key DO NOTHING
        """, {"fingerprint": fingerprint})


def remove_other_addresses(conn: Connection, *, fingerprints: list[str]) -> None:
    """Remove all addresses of NOTIFY_URLS but these."""
    conn.execute("""
        DELETE FROM news_addresses
         WHERE user_id IS NULL
           AND fingerprint <> ALL (%(fingerprints)s)
        """, {"fingerprints": fingerprints})


def is_any_of_people(conn: Connection) -> bool:
    """Return whether a person has an address of their own."""
    return value(conn, "SELECT EXISTS (SELECT FROM news_addresses WHERE user_id IS NOT NULL)")


def list_due(conn: Connection) -> list[Recipient]:
    """Return the addresses of NOTIFY_URLS and active people, without those that must wait after a failed try."""
    return rows(conn, Recipient, """
        SELECT address.id, address.user_id, address.fingerprint, address.address, address.anywhere,
               address.event_id, address.change_id, address.arrival_id,
               coalesce(person.tell_available, true) AS tell_available,
               coalesce(person.tell_trouble, true) AS tell_trouble,
               coalesce(person.tell_new_wishes, true) AS tell_new_wishes
          FROM news_addresses AS address
     LEFT JOIN plex_users AS person ON person.id = address.user_id
         WHERE address.due_at <= now()
           AND coalesce(person.active, true)
      ORDER BY address.user_id NULLS FIRST, address.id
        """)


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
               %(change_id)s) AS change_id,
               coalesce((
               SELECT max(id)
                 FROM library_arrivals
                WHERE id > %(arrival_id)s),
               %(arrival_id)s) AS arrival_id
        """, {"event_id": told.event_id, "change_id": told.change_id, "arrival_id": told.arrival_id})[0]


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


def list_errors(conn: Connection, *, after: int, upto: int, user_id: int | None) -> list[ListError]:
    """Return the errors after the one change and up to the other that no later change has fixed.

    And the ends of errors that were told before. user_id: of this person's list only; None for all.
    """
    return rows(conn, ListError, """
        SELECT change.id AS change_id, change.user_id, person.name, person.plex_username,
               person.plex_uuid IS NOT NULL AS account_known,
               change.sync_state, change.sync_detail
          FROM sync_state_changes AS change
          JOIN plex_users AS person ON person.id = change.user_id
         WHERE change.id > %(after)s
           AND change.id <= %(upto)s
           AND (%(user_id)s::integer IS NULL OR change.user_id = %(user_id)s)
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
        """, {"after": after, "upto": upto, "user_id": user_id})


def list_arrivals(conn: Connection, *, after: int, upto: int, user_id: int | None) -> list[Arrival]:
    """Return what came to the media server after the one arrival and up to the other.

    user_id: only what this person is told of; None for everything that an active person is told of.
    """
    return rows(conn, Arrival, """
        SELECT item.title, item.year, arrival.seasons, arrival.new_seasons, arrival.happened_at,
               told.name, told.since,
               ARRAY(
                   SELECT person.name
                     FROM plex_users AS person
                    WHERE person.active
                      AND person.id <> told.user_id
                      AND (person.id IN (
                               SELECT user_id
                                 FROM arrival_wishers
                                WHERE arrival_id = arrival.id)
                           OR person.id IN (
                               SELECT user_id
                                 FROM wishlist_item_sources
                                WHERE item_id = item.id
                                  AND removed_at IS NULL))
                 ORDER BY person.id) AS others
          FROM library_arrivals AS arrival
          JOIN wishlist_items AS item ON item.id = arrival.item_id
         CROSS JOIN LATERAL (
               SELECT wisher.user_id, wisher.since, person.name
                 FROM arrival_wishers AS wisher
                 JOIN plex_users AS person ON person.id = wisher.user_id
                WHERE wisher.arrival_id = arrival.id
                  AND (%(user_id)s::integer IS NULL OR wisher.user_id = %(user_id)s)
                  AND person.active
             ORDER BY wisher.since, wisher.user_id
                LIMIT 1) AS told
         WHERE arrival.id > %(after)s
           AND arrival.id <= %(upto)s
           AND item.dismissed_at IS NULL
      ORDER BY arrival.id
        """, {"after": after, "upto": upto, "user_id": user_id})


def store_told(conn: Connection, *, address_id: int, told: Told) -> None:
    """Record up to where the address was told."""
    conn.execute("""
        UPDATE news_addresses
           SET event_id = %(event_id)s,
               change_id = %(change_id)s,
               arrival_id = %(arrival_id)s,
               failures = 0,
               due_at = now()
         WHERE id = %(id)s
        """, {
            "id": address_id, "event_id": told.event_id, "change_id": told.change_id, "arrival_id": told.arrival_id})


def skip_arrivals(conn: Connection) -> None:
    """Record that every address was told what came to the media server, after a restore: it may have been."""
    conn.execute("""
        UPDATE news_addresses
           SET arrival_id = (SELECT coalesce(max(id), 0) FROM library_arrivals)
        """)


def put_off(conn: Connection, *, address_id: int) -> tuple[int, datetime] | None:
    """Record a failed try; return how many failed in a row, and when to try again: after 1, 2, 4 … minutes.

    None if the address was removed meanwhile.
    """
    return conn.execute("""
        UPDATE news_addresses
           SET failures = failures + 1,
               due_at = now() + least(interval '1 minute' * 2 ^ least(failures, 20), interval '6 hours')
         WHERE id = %(id)s
     RETURNING failures, due_at
        """, {"id": address_id}).fetchone()
