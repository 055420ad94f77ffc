"""People and their encrypted tokens: plex_users. The view plex_user_reports has the columns of PlexUser."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection
from psycopg.errors import UniqueViolation

from wishlist_service.db import row, rows, value
from wishlist_service.errors import Conflict, NotFound
from wishlist_service.models import PlexUser, SealedToken

NAME_TAKEN: Final = "Another person has this name (upper and lower case count as the same). Choose another one."

_CONFLICTS = {
    "plex_users_name_key": NAME_TAKEN,
    "plex_users_token_key": "Another person has this token.",
    "plex_users_account_key": "Another person has this Plex account.",
}


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How fresh the wishlist is: what of it is not up to date, when it was last read, and when a list is due.

    outdated: the ids of the people whose list is not up to date.
    """

    outdated: list[int]
    last_success_at: datetime | None
    next_sync_at: datetime | None
    syncing: bool


def next_user_id(conn: Connection) -> int:
    """Return an id for a person to be added. Their token is encrypted for it."""
    return value(conn, "SELECT nextval(pg_get_serial_sequence('plex_users', 'id'))")


def add_user(conn: Connection, *, user_id: int, name: str, token: SealedToken) -> None:
    """Add a person under an id of next_user_id(). Raises Conflict if the name, token or account is taken."""
    try:
        conn.execute("""
            INSERT INTO plex_users (
                   id, name, plex_token, token_fingerprint, token_masked, plex_uuid, plex_username, account_checked)
                   OVERRIDING SYSTEM VALUE
            VALUES (%(user_id)s, %(name)s, %(plex_token)s, %(token_fingerprint)s, %(token_masked)s,
                    %(uuid)s, %(username)s, %(uuid)s::text IS NOT NULL)
            """, vars(token) | {"user_id": user_id, "name": name})
    except UniqueViolation as error:
        raise _conflict(error) from error


def list_users(
    conn: Connection,
    *,
    active: bool | None = None,
    source: str | None = None,
    via_id: int | None = None,
    limit: int,
    offset: int,
    by_name: bool = False,
) -> list[PlexUser]:
    """Return people in the order they were added, or by name. A filter that is None filters nothing."""
    return rows(conn, PlexUser, """
        SELECT *
          FROM plex_user_reports
         WHERE (%(active)s::boolean IS NULL OR active = %(active)s)
           AND (%(source)s::text IS NULL OR source = %(source)s)
           AND (%(via_id)s::integer IS NULL OR (via ->> 'id')::integer = %(via_id)s)
      ORDER BY CASE WHEN %(by_name)s THEN lower(name) END, id
         LIMIT %(limit)s
        OFFSET %(offset)s
        """, {
        "active": active,
        "source": source,
        "via_id": via_id,
        "limit": limit,
        "offset": offset,
        "by_name": by_name,
    })


def list_names(conn: Connection) -> list[tuple[int, str]]:
    """Return id and name of the first thousand people, in the order they were added."""
    return conn.execute("SELECT id, name FROM plex_user_reports ORDER BY id LIMIT 1000").fetchall()


def get_freshness(conn: Connection, *, outdated_after: timedelta) -> Freshness:
    """Return how fresh the lists of the active people are.

    outdated_after: how old the last success of a list may be. A watchlist that is hidden or missing is not counted.
    """
    found = row(conn, Freshness, """
        SELECT coalesce(array_agg(id ORDER BY id) FILTER (
                            WHERE sync_state NOT IN ('no_watchlist', 'hidden', 'via_unavailable')
                              AND coalesce(last_success_at, created_at) < now() - %(outdated_after)s), '{}')
                   AS outdated,
               min(last_success_at)
                   FILTER (WHERE sync_state NOT IN ('no_watchlist', 'hidden', 'via_unavailable')) AS last_success_at,
               min(next_sync_at) AS next_sync_at,
               EXISTS (SELECT FROM sync_run_reports WHERE status = 'running') AS syncing
          FROM plex_users
         WHERE active
        """, {"outdated_after": outdated_after})
    assert found
    return found


def count_users(
    conn: Connection, *, active: bool | None = None, source: str | None = None, via_id: int | None = None
) -> int:
    """Return how many people there are. A filter that is None filters nothing."""
    return value(conn, """
        SELECT count(*)
          FROM plex_users
         WHERE (%(active)s::boolean IS NULL OR active = %(active)s)
           AND (%(source)s::text IS NULL OR source = %(source)s)
           AND (%(via_id)s::integer IS NULL OR via_id = %(via_id)s)
        """, {"active": active, "source": source, "via_id": via_id})


def list_missing_user_ids(conn: Connection, *, user_ids: list[int]) -> list[int]:
    """Return the ids that no user has."""
    return rows(conn, int, """
        SELECT wanted.id
          FROM unnest(%(user_ids)s::integer[]) AS wanted (id)
         WHERE NOT EXISTS (SELECT FROM plex_users WHERE plex_users.id = wanted.id)
      ORDER BY wanted.id
        """, {"user_ids": user_ids})


def get_user(conn: Connection, *, user_id: int) -> PlexUser:
    """Return the person. Raises NotFound."""
    user = row(conn, PlexUser, "SELECT * FROM plex_user_reports WHERE id = %(user_id)s", {"user_id": user_id})
    if user is None:
        raise NotFound(f"No user has id {user_id}.")
    return user


def find_token_owner(conn: Connection, *, fingerprints: list[str]) -> tuple[int, str] | None:
    """Return id and name of the person with this token. `fingerprints`: one for each key."""
    return conn.execute("""
        SELECT id, name
          FROM plex_users
         WHERE token_fingerprint = ANY (%(fingerprints)s)
        """, {"fingerprints": fingerprints}).fetchone()


def find_account_owner(conn: Connection, *, uuid: str) -> tuple[int, str, str] | None:
    """Return id, name and source of the person with this Plex account."""
    return conn.execute("""
        SELECT id, name, source
          FROM plex_users
         WHERE plex_uuid = %(uuid)s
        """, {"uuid": uuid}).fetchone()


def find_only_admin(conn: Connection) -> str | None:
    """Return the name of the person with the mark admin who is not paused. None if there is none, or more than one."""
    names = rows(conn, str, "SELECT name FROM plex_users WHERE admin AND active LIMIT 2")
    return names[0] if len(names) == 1 else None


def find_pause(conn: Connection, *, user_id: int) -> str | None:
    """Return who paused the person: "self" or "admin"; None if they are not paused, or not here."""
    return row(conn, str, """
        SELECT CASE WHEN paused_by_self THEN 'self' ELSE 'admin' END
          FROM plex_users
         WHERE id = %(user_id)s
           AND NOT active
        """, {"user_id": user_id})


def get_account(conn: Connection, *, user_id: int) -> tuple[str | None, str | None]:
    """Return uuid and username of the person's Plex account, None if unknown. Raises NotFound."""
    account = conn.execute("""
        SELECT plex_uuid, plex_username
          FROM plex_users
         WHERE id = %(user_id)s
        """, {"user_id": user_id}).fetchone()
    if account is None:
        raise NotFound(f"No user has id {user_id}.")
    return account


def update_user(
    conn: Connection,
    *,
    user_id: int,
    name: str | None = None,
    active: bool | None = None,
    by_self: bool = False,
    admin: bool | None = None,
) -> None:
    """Rename, pause, resume or mark a person; None changes nothing. Raises NotFound, and Conflict if the name is taken.

    by_self: whether the person does it. They cannot resume themselves after an admin paused them: raises NotFound.
    Triggers end their sessions when they are paused or lose the mark.
    """
    try:
        cur = conn.execute("""
            UPDATE plex_users
               SET name = coalesce(%(name)s, name),
                   active = coalesce(%(active)s, active),
                   paused_by_self = CASE WHEN %(active)s::boolean IS NULL THEN paused_by_self
                                         ELSE %(by_self)s AND NOT %(active)s
                                     END,
                   admin = coalesce(%(admin)s, admin),
                   next_sync_at = CASE WHEN %(active)s::boolean AND NOT active THEN now() ELSE next_sync_at END,
                   updated_at = now()
             WHERE id = %(user_id)s
               AND (active OR paused_by_self OR NOT %(by_self)s)
            """, {"user_id": user_id, "name": name, "active": active, "by_self": by_self, "admin": admin})
    except UniqueViolation as error:
        raise _conflict(error) from error
    if not cur.rowcount:
        raise NotFound(f"No user has id {user_id}.")


def update_token(conn: Connection, *, user_id: int, token: SealedToken) -> None:
    """Give a person another token and make their watchlist due.

    Raises NotFound, and Conflict if the token or account is taken.
    """
    try:
        cur = conn.execute("""
            UPDATE plex_users
               SET plex_token = %(plex_token)s,
                   token_fingerprint = %(token_fingerprint)s,
                   token_masked = %(token_masked)s,
                   plex_uuid = coalesce(%(uuid)s, plex_uuid),
                   plex_username = coalesce(%(username)s, plex_username),
                   account_checked = %(uuid)s::text IS NOT NULL,
                   account_read_at = now(),
                   sync_state = 'never',
                   sync_detail = NULL,
                   list_etag = NULL,
                   held_removals = NULL,
                   miscount = NULL,
                   odd_rows_since = NULL,
                   missed = '{}',
                   token_refused_at = NULL,
                   failures = 0,
                   wait_until = NULL,
                   next_sync_at = now(),
                   updated_at = now()
             WHERE id = %(user_id)s
            """, vars(token) | {"user_id": user_id})
    except UniqueViolation as error:
        raise _conflict(error) from error
    if not cur.rowcount:
        raise NotFound(f"No user has id {user_id}.")


def drop_token(conn: Connection, *, user_id: int) -> None:
    """Make a person be read as before they had a token of their own.

    Raises NotFound, and Conflict if they have none, or were never read through somebody else.
    """
    cur = conn.execute("""
        UPDATE plex_users
           SET plex_token = NULL,
               token_fingerprint = NULL,
               token_masked = NULL,
               account_checked = true,
               sync_state = 'never',
               sync_detail = NULL,
               list_etag = NULL,
               held_removals = NULL,
               miscount = NULL,
               odd_rows_since = NULL,
               missed = '{}',
               token_refused_at = NULL,
               next_sync_at = now(),
               updated_at = now()
         WHERE id = %(user_id)s
           AND source = 'own'
           AND via_source IS NOT NULL
        """, {"user_id": user_id})
    if not cur.rowcount:
        user = get_user(conn, user_id=user_id)
        if user.source == "own":
            raise Conflict(f"{user.name} was never read through somebody else, so the token is needed.")
        raise Conflict(f"{user.name} has no token of their own.")


def remove_user(conn: Connection, *, user_id: int) -> None:
    """Delete a person, their token and their wishes. Raises NotFound."""
    if not conn.execute("DELETE FROM plex_users WHERE id = %(user_id)s", {"user_id": user_id}).rowcount:
        raise NotFound(f"No user has id {user_id}.")


def _conflict(error: UniqueViolation) -> Conflict:
    return Conflict(_CONFLICTS[error.diag.constraint_name or ""])


def list_tokens(conn: Connection, *, active: bool | None = None) -> list[tuple[int, str, str]]:
    """Return id, name and encrypted token of the people who have one; `active` None returns all."""
    return conn.execute("""
        SELECT id, name, plex_token
          FROM plex_users
         WHERE plex_token IS NOT NULL
           AND (%(active)s::boolean IS NULL OR active = %(active)s)
      ORDER BY id
        """, {"active": active}).fetchall()


def list_tokens_of_unknown_accounts(conn: Connection) -> list[tuple[int, str, str]]:
    """Return id, name and encrypted token of the active people whose Plex account is not known."""
    return conn.execute("""
        SELECT id, name, plex_token
          FROM plex_users
         WHERE plex_uuid IS NULL
           AND plex_token IS NOT NULL
           AND active
      ORDER BY id
        """).fetchall()


def lock_tokens(conn: Connection) -> list[tuple[int, str, str]]:
    """Return what list_tokens() returns, and lock it until this transaction ends."""
    return conn.execute("""
        SELECT id, name, plex_token
          FROM plex_users
         WHERE plex_token IS NOT NULL
      ORDER BY id
           FOR NO KEY UPDATE
        """).fetchall()


def replace_ciphertext(conn: Connection, *, user_id: int, plex_token: str, token_fingerprint: str) -> None:
    """Store the same token encrypted with another key. Only a person's own token has a fingerprint."""
    conn.execute("""
        UPDATE plex_users
           SET plex_token = %(plex_token)s,
               token_fingerprint = CASE WHEN source = 'own' THEN %(token_fingerprint)s END
         WHERE id = %(user_id)s
        """, {"user_id": user_id, "plex_token": plex_token, "token_fingerprint": token_fingerprint})
