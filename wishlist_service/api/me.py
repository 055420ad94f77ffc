"""Who asks, and their own watchlist."""

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.api.users import masked
from wishlist_service.queries import users
from wishlist_service.web import actions
from wishlist_service.web.auth import needs_person
from wishlist_service.web.context import read
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import item_json

bp = Blueprint("me", __name__, url_prefix="/api/me")


@bp.get("")
def who_asks() -> ResponseReturnValue:
    """Return the role of the caller, and the person if they signed in with Plex."""
    user = masked(read(users.get_user, user_id=g.user_id)) if g.user_id is not None else None
    return jsonify({"role": g.role or "reader", "user": user})


@bp.put("/wishlist/<uid:uids>")
@needs_person
def want(uids: list[str]) -> ResponseReturnValue:
    """Put a title on the person's own watchlist at Plex."""
    return _change(uids, wanted=True)


@bp.delete("/wishlist/<uid:uids>")
@needs_person
def stop_wanting(uids: list[str]) -> ResponseReturnValue:
    """Take a title off it."""
    return _change(uids, wanted=False)


def _change(uids: list[str], *, wanted: bool) -> ResponseReturnValue:
    Fields.from_query(request).done()
    actions.change_own_watchlist(uids, wanted=wanted)
    return Response(item_json(uids), content_type="application/json")
