"""A page of the wishlist, as a query string asks for it: the same for the API and for the wall."""

import json
from dataclasses import dataclass, replace

from flask import request

from wishlist_service.errors import NotFound
from wishlist_service.models import ItemPage, Place, WishlistFilter
from wishlist_service.queries import wishlist
from wishlist_service.web.context import read
from wishlist_service.web.cursors import make_cursor, read_cursor
from wishlist_service.web.fields import LARGEST_ID, Fields
from wishlist_service.web.filters import REPEATABLE, read_filters


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is asked for; sort and order as they apply, whether given or not."""

    filters: WishlistFilter
    sort: str
    order: str
    after: Place | None
    limit: int
    offset: int


def read_listing(*, user_id: int | None = None) -> Listing:
    """What this request's query string asks for, of all titles or of this person's. Raises Invalid."""
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = replace(
        read_filters(query, user_id=user_id),
        status=query.choice("status", ("current", "removed", "all", "dismissed"), default=None) or "current",
    )
    sort = query.choice("sort", ("added_at", "title", "year", "wanted_count", "released_on"), default=None)
    sort = sort or "added_at"
    order = query.choice("order", ("asc", "desc"), default=None) or ("asc" if sort == "title" else "desc")
    after = read_cursor(query, "after", sort=sort, order=order)
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    if after and offset:
        query.fault("offset", "cannot be given together with after.")
    query.done()
    return Listing(filters=filters, sort=sort, order=order, after=after, limit=limit, offset=offset)


def get_page(listing: Listing) -> tuple[ItemPage, str | None]:
    """The page, and the cursor of the next one; None at the end."""
    page = read(wishlist.list_items, **vars(listing))
    return page, make_cursor(listing.sort, listing.order, page.next) if page.next else None


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
