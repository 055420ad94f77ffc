"""The shared wishlist."""

from functools import partial

from flask import Blueprint
from flask.typing import ResponseReturnValue

from wishlist_service.queries import wishlist
from wishlist_service.web.context import read, reply, reply_of_this_second
from wishlist_service.web.listing import item_json, list_page, read_listing

bp = Blueprint("wishlist", __name__, url_prefix="/api/wishlist")


@bp.get("")
def list_items() -> ResponseReturnValue:
    """A page of the wishlist."""
    return reply(partial(list_page, read_listing()))


@bp.get("/<uid:uids>")
def get_item(uids: list[str]) -> ResponseReturnValue:
    """One item, with everybody who wants or wanted it."""
    return reply(partial(item_json, uids))


@bp.get("/stats/summary")
def get_stats() -> ResponseReturnValue:
    """The wishlist in numbers."""
    return reply_of_this_second(lambda: f"{read(wishlist.get_stats)}\n")
