"""The shared wishlist."""

import json
from dataclasses import replace
from functools import partial

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from wishlist_service.api.cursors import make_cursor, read_cursor
from wishlist_service.api.fields import LARGEST_ID, Fields
from wishlist_service.api.filters import REPEATABLE, read_filters
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
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = replace(
        read_filters(query, user_id=user_id),
        status=query.choice("status", ("current", "removed", "all", "dismissed"), default=None) or "current",
    )
    sort = query.choice("sort", ("added_at", "title", "year", "wanted_count", "released_on"), default=None)
    sort = sort or "added_at"
    order = query.choice("order", ("asc", "desc"), default=None) or ("asc" if sort == "title" else "desc")
    after = read_cursor(query, "after", sort=sort, order=order)
    limit = query.integer("limit", least=1, most=500, default=50)
    offset = query.integer("offset", least=0, most=LARGEST_ID, default=0)
    if after and offset:
        query.fault("offset", "cannot be given together with after.")
    query.done()

    page = read(wishlist.list_items, filters=filters, sort=sort, order=order, limit=limit, offset=offset, after=after)
    rest = {
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "limit": limit,
        "offset": offset,
        "next": make_cursor(sort, order, page.next) if page.next else None,
    }
    # PostgreSQL made the JSON of the items: passing it through costs a third of building it here
    return f'{{"items":{page.items_json},{json.dumps(rest)[1:]}\n'


def item_json(uids: list[str]) -> str:
    """The item with one of these uids. Raises NotFound if nobody active ever wished for it."""
    item = read(wishlist.find_item, uids=uids)
    if item is None:
        raise NotFound(f"Nobody ever wished for {' or '.join(uids)}.")
    return f"{item}\n"
