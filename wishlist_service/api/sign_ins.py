"""Signing in by link."""

from typing import Any

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict
from wishlist_service.models import PlexLink
from wishlist_service.queries import sign_ins, users
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import Fields

bp = Blueprint("links", __name__, url_prefix="/api/users")


@bp.post("/link")
def start_link() -> ResponseReturnValue:
    """Start the sign-in of somebody to be added."""
    fields = Fields.from_json(request)
    name = fields.text("name", maximum=100)
    fields.done()

    return _started(context().links.start(name=name))


@bp.post("/<id:user_id>/link")
def renew_link(user_id: int) -> ResponseReturnValue:
    """Start a sign-in that renews a person's token."""
    return _started(context().links.renew(user_id=user_id))


@bp.get("/link/<id:link_id>")
@needs_admin  # with the address a stranger could sign in under somebody's name
def get_link(link_id: int) -> ResponseReturnValue:
    """How a sign-in stands. What would have been a conflict with a token typed by hand is one here, too."""
    link = read(sign_ins.get_link, link_id=link_id)
    if link.status == "failed":
        raise Conflict(link.detail)
    if link.status == "pending":  # whoever waited for Plex may have been killed
        context().links.watch()
    return jsonify(_shown(link))


def _started(link_id: int) -> ResponseReturnValue:
    link = read(sign_ins.get_link, link_id=link_id)
    return jsonify(_shown(link)), 201, {"Location": url_for(".get_link", link_id=link_id)}


def _shown(link: PlexLink) -> dict[str, Any]:
    pending = link.status == "pending"
    return {
        "id": link.id,
        "name": link.name,
        "status": link.status,
        "url": context().links.url(link) if pending else None,
        "code": link.code if pending else None,
        "expires_at": link.expires_at,
        "created_at": link.created_at,
        "user": read(users.get_user, user_id=link.user_id) if link.status == "linked" and link.user_id else None,
    }
