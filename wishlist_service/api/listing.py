"""A page of the wishlist, as a query string asks for it: the same for the API and for the wall."""

from dataclasses import dataclass, replace

from flask import request

from wishlist_service.api.cursors import make_cursor, read_cursor
from wishlist_service.api.fields import LARGEST_ID, Fields
from wishlist_service.api.filters import REPEATABLE, read_filters
from wishlist_service.api.parts import read
from wishlist_service.page_models import ItemPage, Place, WishlistFilter
from wishlist_service.queries import item_pages


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
    limit = query.integer("limit", least=1, most=500, default=50)
    offset = query.integer("offset", least=0, most=LARGEST_ID, default=0)
    if after and offset:
        query.fault("offset", "cannot be given together with after.")
    query.done()
    return Listing(filters=filters, sort=sort, order=order, after=after, limit=limit, offset=offset)


def get_page(listing: Listing) -> tuple[ItemPage, str | None]:
    """The page, and the cursor of the next one; None at the end."""
    page = read(item_pages.list_items, **vars(listing))
    return page, make_cursor(listing.sort, listing.order, page.next) if page.next else None
