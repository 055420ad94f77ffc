"""The addresses at which people get messages of their own, and what they want to be told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import row, rows
from wishlist_service.errors import NotFound
from wishlist_service.models import NewAddress


@dataclass(frozen=True, kw_only=True)
class StoredAddress:
    """An address of a person. `address` is encrypted, `masked` may be shown.

    anywhere: whether it may lead to this machine or a private network.
    """

    id: int
    fingerprint: str
    address: str = field(repr=False)
    masked: str
    anywhere: bool


@dataclass(frozen=True, kw_only=True)
class NotificationSettings:
    """What a person wants to be told, as the API shows it. `urls` are masked."""

    urls: list[str]
    available: bool
    trouble: bool
    new_wishes: bool


def list_addresses(conn: Connection, *, user_id: int) -> list[StoredAddress]:
    """Return the addresses of a person."""
    return rows(conn, StoredAddress, """
        SELECT id, fingerprint, address, masked, anywhere
          FROM news_addresses
         WHERE user_id = %(user_id)s
      ORDER BY id
        """, {"user_id": user_id})


def replace_addresses(
    conn: Connection, *, user_id: int, addresses: Sequence[NewAddress], keep_ids: Sequence[int] = ()
) -> None:
    """Give a person these addresses beside those of `keep_ids`. A new one is told what is new from now on.

    One that the person has already goes on where it was told.
    """
    conn.execute("""
        WITH given AS (
             SELECT given.*
               FROM ROWS FROM (
                        jsonb_to_recordset(%(addresses)s)
                        AS (fingerprints text[], address text, masked text, anywhere boolean))
                    WITH ORDINALITY AS given (fingerprints, address, masked, anywhere, place)),
             removed AS (
             DELETE FROM news_addresses AS known
              WHERE user_id = %(user_id)s
                AND id <> ALL (%(keep_ids)s)
                AND NOT EXISTS (SELECT FROM given WHERE known.fingerprint = ANY (given.fingerprints))),
             changed AS (
             UPDATE news_addresses AS known
                SET anywhere = given.anywhere
               FROM given
              WHERE known.user_id = %(user_id)s
                AND known.fingerprint = ANY (given.fingerprints)
                AND known.anywhere <> given.anywhere)
        INSERT INTO news_addresses (user_id, fingerprint, address, masked, anywhere, event_id, change_id, arrival_id)
        SELECT %(user_id)s, given.fingerprints[1], given.address, given.masked, given.anywhere,
               (SELECT coalesce(max(id), 0) FROM wishlist_events),
               (SELECT coalesce(max(id), 0) FROM sync_state_changes),
               (SELECT coalesce(max(id), 0) FROM library_arrivals)
          FROM given
         WHERE NOT EXISTS (
                   SELECT
                     FROM news_addresses AS known
                    WHERE known.user_id = %(user_id)s
                      AND known.fingerprint = ANY (given.fingerprints))
      ORDER BY given.place
            ON CONFLICT (user_id, fingerprint) DO NOTHING  -- another request has just given it
        """, {
            "user_id": user_id,
            "keep_ids": list(keep_ids),
            "addresses": Jsonb([vars(address) for address in addresses])})


def get_settings(conn: Connection, *, user_id: int) -> NotificationSettings:
    """Return what a person wants to be told, and where. Raises NotFound."""
    found = row(conn, NotificationSettings, """
        SELECT masked_addresses(id) AS urls,
               tell_available AS available,
               tell_trouble AS trouble,
               tell_new_wishes AS new_wishes
          FROM plex_users
         WHERE id = %(user_id)s
        """, {"user_id": user_id})
    if found is None:
        raise NotFound(f"No user has id {user_id}.")
    return found


def update_settings(
    conn: Connection, *, user_id: int, available: bool | None, trouble: bool | None, new_wishes: bool | None
) -> None:
    """Store what a person wants to be told; None changes nothing."""
    conn.execute("""
        UPDATE plex_users
           SET tell_available = coalesce(%(available)s, tell_available),
               tell_trouble = coalesce(%(trouble)s, tell_trouble),
               tell_new_wishes = coalesce(%(new_wishes)s, tell_new_wishes)
         WHERE id = %(user_id)s
        """, {"user_id": user_id, "available": available, "trouble": trouble, "new_wishes": new_wishes})


def lock_addresses(conn: Connection) -> list[tuple[int, int, str, str]]:
    """Return id, person's id and name, and encrypted address of all; lock them until this transaction ends."""
    return conn.execute("""
        SELECT address.id, person.id, person.name, address.address
          FROM news_addresses AS address
          JOIN plex_users AS person ON person.id = address.user_id
      ORDER BY address.id
           FOR NO KEY UPDATE OF address
        """).fetchall()


def replace_ciphertext(conn: Connection, *, address_id: int, address: str, fingerprint: str) -> None:
    """Store the same address encrypted with another key."""
    conn.execute("""
        UPDATE news_addresses
           SET address = %(address)s,
               fingerprint = %(fingerprint)s
         WHERE id = %(id)s
        """, {"id": address_id, "address": address, "fingerprint": fingerprint})
