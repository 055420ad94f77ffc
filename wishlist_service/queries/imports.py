"""People who are read through somebody else's sign-in, whom that one can read, and who must not come back unasked."""

from dataclasses import dataclass, field
from datetime import timedelta

from psycopg import Connection
from psycopg.errors import UniqueViolation

from wishlist_service.db import row, rows, value
from wishlist_service.errors import Conflict, NotFound


@dataclass(frozen=True, kw_only=True)
class Reader:
    """A person through whom others may be read, with the encrypted token."""

    id: int
    name: str
    active: bool
    source: str
    plex_token: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What is stored of a person who is read through somebody else. Token and PIN are encrypted."""

    via_id: int
    via_source: str
    plex_uuid: str
    plex_username: str
    plex_token: str | None = field(default=None, repr=False)
    plex_pin: str | None = field(default=None, repr=False)


def find_reader(conn: Connection, *, user_id: int) -> Reader | None:
    """Return the person as one through whom others may be read."""
    return row(conn, Reader, """
        SELECT id, name, active, source, plex_token
          FROM plex_users
         WHERE id = %(user_id)s
        """, {"user_id": user_id})


def list_account_owners(conn: Connection, *, uuids: list[str]) -> list[tuple[str, int]]:
    """Return uuid and id of the people here who have one of these Plex accounts."""
    return conn.execute("""
        SELECT plex_uuid, id
          FROM plex_users
         WHERE plex_uuid = ANY (%(uuids)s)
        """, {"uuids": uuids}).fetchall()


def find_free_name(conn: Connection, *, name: str) -> str:
    """Return the name, or if a person has it, the first free one of those with " (2)", " (3)" and so on.

    It is cut after 100 characters, the most that a person's name may have.
    """
    return value(conn, """
        SELECT candidate.name
          FROM (SELECT 1 AS number, left(%(name)s::text, 100) AS name
                 UNION ALL
                SELECT number, left(%(name)s::text, 90) || ' (' || number || ')'
                  FROM generate_series(2, 1000 + (SELECT count(*) FROM plex_users)) AS number) AS candidate
         WHERE NOT EXISTS (SELECT FROM plex_users WHERE lower(plex_users.name) = lower(candidate.name))
      ORDER BY candidate.number
         LIMIT 1
        """, {"name": name})


def add_imported(conn: Connection, *, user_id: int, name: str, person: Imported) -> None:
    """Add a person under an id of next_user_id(). Raises Conflict if the name or account is taken."""
    try:
        conn.execute("""
            INSERT INTO plex_users (
                   id, name, plex_token, plex_pin, via_id, via_source, plex_uuid, plex_username, account_checked)
                   OVERRIDING SYSTEM VALUE
            VALUES (%(user_id)s, %(name)s, %(plex_token)s, %(plex_pin)s, %(via_id)s, %(via_source)s,
                    %(plex_uuid)s, %(plex_username)s, true)
            """, vars(person) | {"user_id": user_id, "name": name})
    except UniqueViolation as error:
        if error.diag.constraint_name == "plex_users_account_key":
            raise Conflict("Another person has this Plex account.") from error
        raise Conflict(f"Another person has the name {name}. Choose another one.") from error


def move_imported(conn: Connection, *, user_id: int, person: Imported) -> None:
    """Have the person be read through somebody else from now on, and make them due.

    A token of their own stays in use; the rest is then what to return to without it. Raises NotFound.
    """
    cur = conn.execute("""
        UPDATE plex_users
           SET via_id = %(via_id)s,
               via_source = %(via_source)s,
               plex_pin = %(plex_pin)s,
               plex_token = CASE WHEN source = 'own' THEN plex_token ELSE %(plex_token)s END,
               sync_state = CASE WHEN source = 'own' THEN sync_state ELSE 'never' END,
               sync_detail = CASE WHEN source = 'own' THEN sync_detail END,
               list_etag = CASE WHEN source = 'own' THEN list_etag END,
               next_sync_at = CASE WHEN source = 'own' THEN next_sync_at ELSE now() END,
               updated_at = now()
         WHERE id = %(user_id)s
        """, vars(person) | {"user_id": user_id})
    if not cur.rowcount:
        raise NotFound(f"No user has id {user_id}.")


def tell_via_gaps(conn: Connection) -> None:
    """Give each friend whose list nobody can read at present the state via_unavailable. Their wishes stay."""
    conn.execute("""
        UPDATE plex_users AS person
           SET sync_state = 'via_unavailable',
               sync_detail = gap.via_gap
          FROM sync_people AS gap
         WHERE gap.id = person.id
           AND gap.source = 'friend'
           AND gap.via_gap IS NOT NULL
           AND (gap.sync_state <> 'via_unavailable' OR gap.sync_detail IS DISTINCT FROM gap.via_gap)
        """)


def make_readable_due(conn: Connection, *, via_id: int) -> None:
    """Make the people due who could not be read because of this person, whose sign-in works again."""
    conn.execute("""
        UPDATE plex_users
           SET next_sync_at = now()
         WHERE via_id = %(via_id)s
           AND source <> 'own'
           AND sync_state = 'via_unavailable'
        """, {"via_id": via_id})


def lock_pins(conn: Connection) -> list[tuple[int, str, str]]:
    """Return id, name and encrypted PIN of the people who have one, and lock them until this transaction ends."""
    return conn.execute("""
        SELECT id, name, plex_pin
          FROM plex_users
         WHERE plex_pin IS NOT NULL
      ORDER BY id
           FOR NO KEY UPDATE
        """).fetchall()


def replace_pin(conn: Connection, *, user_id: int, plex_pin: str) -> None:
    """Store the same PIN encrypted with another key."""
    conn.execute("""
        UPDATE plex_users
           SET plex_pin = %(plex_pin)s
         WHERE id = %(user_id)s
        """, {"user_id": user_id, "plex_pin": plex_pin})


def get_seconds_to_switch(conn: Connection) -> float:
    """Return how many seconds to wait before Plex may be asked for another switch. At most 0 if it may be now."""
    return value(conn, "SELECT extract(epoch FROM next_switch_at - clock_timestamp())::float FROM sync_state")


def put_off_switches(conn: Connection, *, wait: timedelta) -> None:
    """Allow the next switch only after that time."""
    conn.execute("UPDATE sync_state SET next_switch_at = clock_timestamp() + %(wait)s", {"wait": wait})


def get_erased_key(conn: Connection) -> str | None:
    """Return the encrypted key of the hashes of erased accounts, and lock it until this transaction ends."""
    return value(conn, "SELECT erased_key FROM sync_state FOR NO KEY UPDATE")


def set_erased_key(conn: Connection, *, erased_key: str) -> None:
    """Store the encrypted key of the hashes of erased accounts."""
    conn.execute("UPDATE sync_state SET erased_key = %(erased_key)s", {"erased_key": erased_key})


def add_erased_account(conn: Connection, *, account_hash: str) -> None:
    """Remember the account."""
    conn.execute("""
        INSERT INTO erased_accounts (account_hash)
        VALUES (%(account_hash)s)
            ON CONFLICT (account_hash) DO UPDATE
           SET erased_at = now()
        """, {"account_hash": account_hash})


def list_erased_accounts(conn: Connection) -> list[str]:
    """Return the hashes of all erased accounts."""
    return rows(conn, str, "SELECT account_hash FROM erased_accounts")


def remove_erased_account(conn: Connection, *, account_hash: str) -> None:
    """Forget the account: its person is here again."""
    conn.execute("DELETE FROM erased_accounts WHERE account_hash = %(account_hash)s", {"account_hash": account_hash})
