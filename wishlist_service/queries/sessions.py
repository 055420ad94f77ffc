"""Browsers that are signed in: sessions."""

from dataclasses import dataclass

from psycopg import Connection

from wishlist_service.db import row
from wishlist_service.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session. `role`: admin, member or reader. `due`: whether it has not been prolonged for a day."""

    role: str
    user_id: int | None
    key_mac: str | None
    due: bool


def find_session(conn: Connection, *, id_hash: str) -> Session | None:
    """Return the session with this hash of its id, unless it has ended."""
    return row(conn, Session, """
        SELECT CASE WHEN person.admin THEN 'admin' ELSE session.role END AS role,
               session.user_id,
               session.key_mac,
               session.expires_at < now() + interval '29 days' AS due
          FROM sessions AS session
     LEFT JOIN plex_users AS person ON person.id = session.user_id
         WHERE session.id_hash = %(id_hash)s
           AND session.expires_at > now()
           AND person.active IS NOT FALSE
        """, {"id_hash": id_hash})


def add_session(conn: Connection, *, id_hash: str, role: str, user_id: int | None, key_mac: str | None) -> None:
    """Add a session of 30 days. `role`: member with a user, else admin or reader with a MAC of the keys.

    Raises NotFound if the user is unknown or paused.
    """
    cur = conn.execute("""
        INSERT INTO sessions (id_hash, role, user_id, key_mac, expires_at)
        SELECT %(id_hash)s, %(role)s, %(user_id)s, %(key_mac)s, now() + interval '30 days'
         WHERE %(user_id)s::integer IS NULL
            OR EXISTS (SELECT
                         FROM plex_users
                        WHERE id = %(user_id)s
                          AND active
                          FOR SHARE) -- a pause at the same moment waits, and then ends this session
        """, {"id_hash": id_hash, "role": role, "user_id": user_id, "key_mac": key_mac})
    if not cur.rowcount:
        raise NotFound(f"No user has id {user_id}, or they are paused.")


def prolong_session(conn: Connection, *, id_hash: str) -> bool:
    """Make the session last another 30 days. Return False if another request just did, or if it has ended."""
    cur = conn.execute("""
        UPDATE sessions
           SET expires_at = now() + interval '30 days'
         WHERE id_hash = %(id_hash)s
           AND expires_at > now()
           AND expires_at < now() + interval '29 days'
        """, {"id_hash": id_hash})
    return cur.rowcount > 0


def remove_session(conn: Connection, *, id_hash: str) -> None:
    """End one session."""
    conn.execute("DELETE FROM sessions WHERE id_hash = %(id_hash)s", {"id_hash": id_hash})


def remove_sessions_of(conn: Connection, *, user_id: int) -> None:
    """End all sessions of a person."""
    conn.execute("DELETE FROM sessions WHERE user_id = %(user_id)s", {"user_id": user_id})


def remove_ended_sessions(conn: Connection) -> None:
    """Delete the sessions that have ended by themselves."""
    conn.execute("DELETE FROM sessions WHERE expires_at <= now()")
