"""Invitations: an address that lives for days, at which a person signs in with Plex."""

import logging
import secrets
from datetime import timedelta
from typing import Final

from psycopg import Connection

from wishlist_service.config import Config
from wishlist_service.errors import Conflict, Gone
from wishlist_service.queries import invitations, sign_ins, users
from wishlist_service.queries.invitations import Invitation
from wishlist_service.tokens import hash_of

logger = logging.getLogger(__name__)

MAXIMUM_DAYS: Final = 90
DEFAULT_DAYS: Final = 14
MAXIMUM_USES: Final = 50
PATH: Final = "/join/"
_RANDOM_BYTES: Final = 24


def make(
    conn: Connection,
    *,
    name: str | None = None,
    days: int = DEFAULT_DAYS,
    uses: int = 1,
    user_id: int | None = None,
    invited_by: int | None = None,
) -> tuple[int, str]:
    """Make an invitation, in a transaction of the caller's. Return its id and the path that opens it.

    The path is not stored, so nobody can be shown it again.
    Raises NotFound for an unknown user, and Conflict if the name is taken or the account of the user is not known.
    """
    if name is not None and sign_ins.is_name_taken(conn, name=name):
        raise Conflict(users.NAME_TAKEN)
    if user_id is not None and users.get_account(conn, user_id=user_id)[0] is None:
        raise Conflict(
            "Plex has not yet said which account this person has, so an invitation could be used by anybody. "
            f"Send a sign-in link instead: POST /api/users/{user_id}/link"
        )
    secret = secrets.token_urlsafe(_RANDOM_BYTES)
    invitations.remove_old_invitations(conn)
    invitation_id = invitations.add_invitation(
        conn,
        address_hash=hash_of(secret),
        name=name,
        user_id=user_id,
        invited_by=invited_by,
        uses=uses,
        lasts=timedelta(days=days),
    )
    logger.info("invitation made invitation=%s user=%s uses=%s days=%s", invitation_id, user_id, uses, days)
    return invitation_id, PATH + secret


def find(conn: Connection, *, secret: str) -> Invitation | None:
    """Return the invitation whose path ends so, whether or not it still works."""
    invitation_id = invitations.find_invitation_id(conn, address_hash=hash_of(secret))
    return None if invitation_id is None else invitations.get_invitation(conn, invitation_id=invitation_id)


def check(invitation: Invitation) -> None:
    """Raise Gone with the reason if the invitation no longer works."""
    if invitation.is_withdrawn:
        raise Gone("This invitation was withdrawn. Ask for a new one.")
    if invitation.is_expired:
        raise Gone("This invitation has expired. Ask for a new one.")
    if not invitation.uses_left:
        raise Gone("This invitation is used up. Ask for a new one.")


def own_address(conn: Connection, config: Config) -> str | None:
    """Return the address of this service without a slash at its end, for a link that no browser asked for."""
    if config.public_url:
        return config.public_url.removesuffix(config.url_base) + config.url_base
    return invitations.find_own_address(conn)
