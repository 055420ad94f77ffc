"""Invitations, and the address of this service that they begin with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.errors import ForeignKeyViolation

from wishlist_service.db import row, rows, value
from wishlist_service.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class Invitation:
    """An invitation.

    name: what the person is or will be called; None for what Plex calls them. invited_by: the name of the admin who
    made it, None if it was made with a key.
    """

    id: int
    name: str | None
    user_id: int | None
    invited_by: str | None
    uses_left: int
    is_withdrawn: bool
    is_expired: bool
    expires_at: datetime
    created_at: datetime

    @property
    def works(self) -> bool:
        """Whether somebody may still use it."""
        return self.uses_left > 0 and not (self.is_withdrawn or self.is_expired)


def add_invitation(
    conn: Connection,
    *,
    address_hash: str,
    name: str | None,
    user_id: int | None,
    invited_by: int | None,
    uses: int,
    lasts: timedelta,
) -> int:
    """Add an invitation and return its id. Raises NotFound for an unknown user."""
    try:
        return value(conn, """
            INSERT INTO invitations (address_hash, name, user_id, invited_by, uses_left, expires_at)
            VALUES (%(address_hash)s, %(name)s, %(user_id)s, %(invited_by)s, %(uses)s, now() + %(lasts)s)
         RETURNING id
            """, {
            "address_hash": address_hash,
            "name": name,
            "user_id": user_id,
            "invited_by": invited_by,
            "uses": uses,
            "lasts": lasts,
        })
    except ForeignKeyViolation as error:
        raise NotFound(f"No user has id {user_id}.") from error


def get_invitation(conn: Connection, *, invitation_id: int) -> Invitation:
    """Return the invitation. Raises NotFound."""
    found = row(conn, Invitation, """
        SELECT invitation.id, coalesce(person.name, invitation.name) AS name, invitation.user_id,
               admin.name AS invited_by, invitation.uses_left, invitation.withdrawn_at IS NOT NULL AS is_withdrawn,
               invitation.expires_at <= now() AS is_expired, invitation.expires_at, invitation.created_at
          FROM invitations AS invitation
     LEFT JOIN plex_users AS person ON person.id = invitation.user_id
     LEFT JOIN plex_users AS admin ON admin.id = invitation.invited_by
         WHERE invitation.id = %(invitation_id)s
        """, {"invitation_id": invitation_id})
    if found is None:
        raise NotFound(f"No invitation has id {invitation_id}.")
    return found


def find_invitation_id(conn: Connection, *, address_hash: str) -> int | None:
    """Return the id of the invitation with this address."""
    return value(conn, """
        SELECT max(id)
          FROM invitations
         WHERE address_hash = %(address_hash)s
        """, {"address_hash": address_hash})


def list_invitations(conn: Connection) -> list[Invitation]:
    """Return the invitations that were not withdrawn, the newest first."""
    return rows(conn, Invitation, """
        SELECT invitation.id, coalesce(person.name, invitation.name) AS name, invitation.user_id,
               admin.name AS invited_by, invitation.uses_left, false AS is_withdrawn,
               invitation.expires_at <= now() AS is_expired, invitation.expires_at, invitation.created_at
          FROM invitations AS invitation
     LEFT JOIN plex_users AS person ON person.id = invitation.user_id
     LEFT JOIN plex_users AS admin ON admin.id = invitation.invited_by
         WHERE invitation.withdrawn_at IS NULL
      ORDER BY invitation.id DESC
        """)


def use_invitation(conn: Connection, *, invitation_id: int) -> bool:
    """Count one use of the invitation. Return False if it has none left, has expired or was withdrawn."""
    used = conn.execute("""
        UPDATE invitations
           SET uses_left = uses_left - 1
         WHERE id = %(invitation_id)s
           AND uses_left > 0
           AND expires_at > now()
           AND withdrawn_at IS NULL
        """, {"invitation_id": invitation_id})
    return used.rowcount > 0


def withdraw_invitation(conn: Connection, *, invitation_id: int) -> None:
    """Make the invitation useless. Raises NotFound, also if that was done before."""
    withdrawn = conn.execute("""
        UPDATE invitations
           SET withdrawn_at = now()
         WHERE id = %(invitation_id)s
           AND withdrawn_at IS NULL
        """, {"invitation_id": invitation_id})
    if not withdrawn.rowcount:
        raise NotFound(f"No invitation has id {invitation_id}.")


def remove_old_invitations(conn: Connection) -> None:
    """Delete the invitations that expired more than 30 days ago."""
    conn.execute("DELETE FROM invitations WHERE expires_at < now() - interval '30 days'")


def find_own_address(conn: Connection) -> str | None:
    """Return the address at which an admin last signed in or made an invitation."""
    return value(conn, "SELECT own_address FROM sync_state")


def store_own_address(conn: Connection, *, address: str) -> None:
    """Store the address of this service, if it is another one than before."""
    conn.execute("""
        UPDATE sync_state
           SET own_address = %(address)s
         WHERE own_address IS DISTINCT FROM %(address)s
        """, {"address": address})
