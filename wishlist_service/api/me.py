"""Who asks, their own watchlist, and the messages that they get."""

from flask import Blueprint, Response, g, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.api.users import masked
from wishlist_service.notify import addresses
from wishlist_service.queries import users
from wishlist_service.queries.addresses import get_settings
from wishlist_service.web import actions
from wishlist_service.web.auth import needs_person
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import item_json

bp = Blueprint("me", __name__, url_prefix="/api/me")


@bp.get("")
def who_asks() -> ResponseReturnValue:
    """Return the role of the caller, and the person if they signed in with Plex."""
    user = masked(read(users.get_user, user_id=g.user_id)) if g.user_id is not None else None
    return jsonify({"role": g.role or "reader", "user": user})


@bp.get("/notifications")
@needs_person
def get_notifications() -> ResponseReturnValue:
    """Return what the person wants to be told, and where."""
    Fields.from_query(request).done()
    return jsonify(read(get_settings, user_id=g.user_id))


@bp.put("/notifications")
@needs_person
def change_notifications() -> ResponseReturnValue:
    """Change that. Fields that are absent stay as they are."""
    fields = Fields.from_json(request)
    urls = fields.texts("urls", maximum=2000, count=addresses.MAXIMUM)
    available, trouble, new_wishes = (fields.flag(name) for name in ("available", "trouble", "new_wishes"))
    fields.done()

    shared = context()
    addresses.change_own(
        shared.config, shared.pool, shared.cipher,
        user_id=g.user_id, anywhere=g.is_admin, urls=urls,
        available=available, trouble=trouble, new_wishes=new_wishes,
    )  # fmt: skip
    return jsonify(read(get_settings, user_id=g.user_id))


@bp.post("/notify-test")
@needs_person
def send_test() -> ResponseReturnValue:
    """Send a test message to each address of the person."""
    Fields.from_query(request).done()
    shared = context()
    items = addresses.send_test(shared.config, shared.pool, shared.cipher, user_id=g.user_id)
    return jsonify({"items": items})


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
