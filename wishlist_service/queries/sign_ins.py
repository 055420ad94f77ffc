"""Sign-ins at Plex: by link (plex_links), and of browsers that come back (plex_sign_ins)."""

from dataclasses import dataclass
from datetime import timedelta

from psycopg import Connection
from psycopg.errors import ForeignKeyViolation

from wishlist_service.db import row, value
from wishlist_service.errors import Conflict, NotFound
from wishlist_service.models import PlexLink, PlexPin


def is_name_taken(conn: Connection, *, name: str) -> bool:
    """Return whether a person has that name."""
    return value(conn, "SELECT EXISTS (SELECT FROM plex_users WHERE lower(name) = lower(%(name)s))", {"name": name})


def next_link_id(conn: Connection) -> int:
    """Return an id for a sign-in to be added. Its client identifier is encrypted for it."""
    return value(conn, "SELECT nextval(pg_get_serial_sequence('plex_links', 'id'))")


def add_link(
    conn: Connection, *, link_id: int, name: str | None, user_id: int | None, pin: PlexPin, client_identifier: str
) -> None:
    """Add a pending sign-in of a new person, or of the user with this id, under an id of next_link_id().

    client_identifier: encrypted. Raises NotFound for an unknown user.
    """
    try:
        conn.execute("""
            INSERT INTO plex_links (id, name, user_id, pin_id, code, client_identifier, expires_at)
                   OVERRIDING SYSTEM VALUE
            VALUES (%(link_id)s, %(name)s, %(user_id)s, %(pin_id)s, %(code)s, %(client_identifier)s,
                    now() + %(expires_in)s)
            """, {
            "link_id": link_id,
            "name": name,
            "user_id": user_id,
            "pin_id": pin.id,
            "code": pin.code,
            "client_identifier": client_identifier,
            "expires_in": pin.expires_in,
        })
    except ForeignKeyViolation as error:
        raise NotFound(f"No user has id {user_id}.") from error


def get_link(conn: Connection, *, link_id: int) -> PlexLink:
    """Return the sign-in. Raises NotFound."""
    link = row(conn, PlexLink, """
        SELECT link.id, coalesce(person.name, link.name) AS name, link.user_id,
               CASE WHEN link.status = 'pending' AND link.expires_at <= now() THEN 'expired' ELSE link.status
                END AS status,
               link.detail, link.pin_id, link.code, link.client_identifier, link.expires_at, link.created_at
          FROM plex_links AS link
     LEFT JOIN plex_users AS person ON person.id = link.user_id
         WHERE link.id = %(link_id)s
        """, {"link_id": link_id})
    if link is None:
        raise NotFound(f"No sign-in has id {link_id}. Sign-ins are deleted a day after they expire.")
    return link


def claim_link(conn: Connection, *, pause: timedelta) -> PlexLink | None:
    """Return a pending sign-in that Plex was not asked about for `pause`, and mark it as asked about now."""
    return row(conn, PlexLink, """
        UPDATE plex_links
           SET polled_at = now()
         WHERE id = (SELECT id
                       FROM plex_links
                      WHERE status = 'pending'
                        AND expires_at > now()
                        AND polled_at <= now() - %(pause)s
                   ORDER BY polled_at
                      LIMIT 1
                        FOR UPDATE SKIP LOCKED)
     RETURNING id, name, user_id, status, detail, pin_id, code, client_identifier, expires_at, created_at
        """, {"pause": pause})


def is_any_pending(conn: Connection) -> bool:
    """Return whether a sign-in is pending."""
    return value(conn, "SELECT EXISTS (SELECT FROM plex_links WHERE status = 'pending' AND expires_at > now())")


def finish_link(conn: Connection, *, link_id: int, user_id: int) -> None:
    """Record that the sign-in gave this person's token. Raises Conflict if it had already ended."""
    cur = conn.execute("""
        UPDATE plex_links
           SET status = 'linked',
               user_id = %(user_id)s
         WHERE id = %(link_id)s
           AND status = 'pending'
        """, {"link_id": link_id, "user_id": user_id})
    if not cur.rowcount:
        raise Conflict("This sign-in has already ended. Start a new one.")


def end_link(conn: Connection, *, link_id: int, status: str, detail: str | None) -> bool:
    """End the sign-in without a token; return False if it had already ended."""
    cur = conn.execute("""
        UPDATE plex_links
           SET status = %(status)s,
               detail = %(detail)s
         WHERE id = %(link_id)s
           AND status = 'pending'
        """, {"link_id": link_id, "status": status, "detail": detail})
    return cur.rowcount > 0


def remove_old_links(conn: Connection) -> None:
    """Delete the sign-ins that expired more than a day ago."""
    conn.execute("DELETE FROM plex_links WHERE expires_at < now() - interval '1 day'")


def lock_client_identifiers(conn: Connection) -> list[tuple[int, str]]:
    """Return id and encrypted client identifier of every sign-in, and lock them until this transaction ends."""
    return conn.execute("SELECT id, client_identifier FROM plex_links ORDER BY id FOR NO KEY UPDATE").fetchall()


def replace_client_identifier(conn: Connection, *, link_id: int, client_identifier: str) -> None:
    """Store the same client identifier encrypted with another key."""
    conn.execute("""
        UPDATE plex_links
           SET client_identifier = %(client_identifier)s
         WHERE id = %(link_id)s
        """, {"link_id": link_id, "client_identifier": client_identifier})


@dataclass(frozen=True, kw_only=True)
class BrowserSignIn:
    """A browser that was at Plex. `address`: of this service. `wanted`: the path to show after the sign-in."""

    pin_id: int
    address: str
    wanted: str
    invitation_id: int | None


def add_browser_sign_in(
    conn: Connection, *, browser_hash: str, pin: PlexPin, address: str, wanted: str, invitation_id: int | None
) -> None:
    """Remember that this browser goes to Plex with this PIN."""
    conn.execute("""
        INSERT INTO plex_sign_ins (browser_hash, pin_id, address, wanted, invitation_id, expires_at)
        VALUES (%(browser_hash)s, %(pin_id)s, %(address)s, %(wanted)s, %(invitation_id)s, now() + %(expires_in)s)
        """, {
        "browser_hash": browser_hash,
        "pin_id": pin.id,
        "address": address,
        "wanted": wanted,
        "invitation_id": invitation_id,
        "expires_in": pin.expires_in,
    })


def find_browser_sign_in(conn: Connection, *, browser_hash: str) -> BrowserSignIn | None:
    """Return the sign-in of this browser, unless it has ended."""
    return row(conn, BrowserSignIn, """
        SELECT pin_id, address, wanted, invitation_id
          FROM plex_sign_ins
         WHERE browser_hash = %(browser_hash)s
        """, {"browser_hash": browser_hash})


def end_browser_sign_in(conn: Connection, *, browser_hash: str) -> bool:
    """End the sign-in of this browser, so that it works once. Return False if it had already ended."""
    cur = conn.execute("""
        DELETE FROM plex_sign_ins
         WHERE browser_hash = %(browser_hash)s
        """, {"browser_hash": browser_hash})
    return cur.rowcount > 0


def remove_old_browser_sign_ins(conn: Connection) -> None:
    """Delete those that never came back, a day after they expired."""
    conn.execute("DELETE FROM plex_sign_ins WHERE expires_at < now() - interval '1 day'")


def is_claimed(conn: Connection) -> bool:
    """Return whether there ever was a person or an invitation."""
    return value(conn, "SELECT claimed FROM sync_state")


def claim(conn: Connection) -> bool:
    """Claim the installation for the caller's transaction; return False if it was claimed. Others wait meanwhile."""
    return conn.execute("UPDATE sync_state SET claimed = true WHERE NOT claimed").rowcount > 0
