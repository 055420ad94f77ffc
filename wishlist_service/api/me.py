"""Who asks."""

from flask import Blueprint, g, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.queries import users
from wishlist_service.web.context import read
from wishlist_service.web.fields import Fields

bp = Blueprint("me", __name__, url_prefix="/api/me")


@bp.get("")
def who_asks() -> ResponseReturnValue:
    """Return the role of the caller, and the person if they signed in with Plex."""
    Fields.from_query(request).done()
    user = read(users.get_user, user_id=g.user_id) if g.user_id is not None else None
    return jsonify({"role": g.role or "reader", "user": user})
