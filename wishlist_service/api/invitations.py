"""Invitations: addresses at which people sign in with Plex and join."""

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.errors import FieldError, Invalid, NotFound
from wishlist_service.people.invitations import DEFAULT_DAYS, MAXIMUM_DAYS, MAXIMUM_USES
from wishlist_service.queries import invitations
from wishlist_service.queries.invitations import Invitation
from wishlist_service.web import actions
from wishlist_service.web.addresses import address_of_browser
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import Fields

bp = Blueprint("invitations", __name__, url_prefix="/api/invitations")


@bp.post("")
def invite() -> ResponseReturnValue:
    """Make an invitation. Its address is in this reply alone."""
    fields = Fields.from_json(request)
    name = fields.optional_text("name", maximum=100)
    days = fields.integer("days", minimum=1, maximum=MAXIMUM_DAYS, default=DEFAULT_DAYS)
    uses = fields.integer("uses", minimum=1, maximum=MAXIMUM_USES, default=1)
    user_id = fields.id("user_id") if "user_id" in fields else None
    if user_id is not None and name is not None:
        fields.error("name", "cannot be given together with user_id: that person has a name.")
    fields.done()

    try:
        invitation, url = actions.invite(address_of_browser(), name=name, days=days, uses=uses, user_id=user_id)
    except NotFound as error:
        raise Invalid([FieldError("user_id", str(error))]) from error
    return jsonify(_shown(invitation, url)), 201


@bp.get("")
@needs_admin
def list_invitations() -> ResponseReturnValue:
    """Return the invitations that were not withdrawn. Nobody can be shown their addresses again."""
    Fields.from_query(request).done()
    found = read(invitations.list_invitations)
    return jsonify({"items": [_shown(each, None) for each in found], "total": len(found)})


@bp.delete("/<id:invitation_id>")
def withdraw(invitation_id: int) -> ResponseReturnValue:
    """Make an invitation useless."""
    Fields.from_query(request).done()
    with context().pool.connection() as conn:
        invitations.withdraw_invitation(conn, invitation_id=invitation_id)
    return "", 204


def _shown(invitation: Invitation, url: str | None) -> dict[str, Any]:
    return {
        "id": invitation.id,
        "url": url,
        "name": invitation.name,
        "user_id": invitation.user_id,
        "uses_left": invitation.uses_left,
        "expires_at": invitation.expires_at,
        "created_at": invitation.created_at,
    }
