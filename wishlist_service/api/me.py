"""Who asks."""

from flask import Blueprint, g, jsonify
from flask.typing import ResponseReturnValue

from wishlist_service.api.users import masked
from wishlist_service.queries import users
from wishlist_service.web.context import read

bp = Blueprint("me", __name__, url_prefix="/api/me")


@bp.get("")
def who_asks() -> ResponseReturnValue:
    """Return the role of the caller, and the person if they signed in with Plex."""
    user = masked(read(users.get_user, user_id=g.user_id)) if g.user_id is not None else None
    return jsonify({"role": g.role or "reader", "user": user})
