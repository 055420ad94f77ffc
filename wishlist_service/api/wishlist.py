"""The shared wishlist."""

import json
from functools import partial

from flask import Blueprint
from flask.typing import ResponseReturnValue

from wishlist_service.api.listing import get_page, read_listing
from wishlist_service.api.parts import read, reply, reply_of_this_second
from wishlist_service.errors import NotFound
from wishlist_service.queries import wishlist

bp = Blueprint("wishlist", __name__, url_prefix="/api/wishlist")


@bp.get("")
def list_items() -> ResponseReturnValue:
    """A page of the wishlist."""
    return reply(list_page)


@bp.get("/<uid:uids>")
def get_item(uids: list[str]) -> ResponseReturnValue:
    """One item, with everybody who wants or wanted it."""
    return reply(partial(item_json, uids))


@bp.get("/stats/summary")
def get_stats() -> ResponseReturnValue:
    """The wishlist in numbers."""
    return reply_of_this_second(lambda: f"{read(wishlist.get_stats)}\n")


def list_page(*, user_id: int | None = None) -> str:
    """The page of the wishlist, or of what this person wants, that the parameters of the request ask for."""
    listing = read_listing(user_id=user_id)
    page, following = get_page(listing)
    rest = {
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "limit": listing.limit,
        "offset": listing.offset,
        "next": following,
    }
    # PostgreSQL made the JSON of the items: passing it through costs a third of building it here
    return f'{{"items":{page.items_json},{json.dumps(rest)[1:]}\n'


def item_json(uids: list[str]) -> str:
    """The item with one of these uids. Raises NotFound if nobody active ever wished for it."""
    item = read(wishlist.find_item, uids=uids)
    if item is None:
        raise NotFound(f"Nobody ever wished for {' or '.join(uids)}.")
    return f"{item}\n"
