"""A list as a query string asks for it: filters, order, and the place where the next page begins.

A cursor names such a place, as a text that only this module understands.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, TypeVar

from flask import request

from wishlist_service.errors import NotFound
from wishlist_service.models import EventPlace, ItemPage, Place, WishlistFilter
from wishlist_service.queries import wishlist
from wishlist_service.queries.users import list_missing_user_ids
from wishlist_service.web.context import read
from wishlist_service.web.fields import LARGEST_ID, Fields

REPEATABLE: Final = "user"
MEDIA_TYPES: Final = ("movie", "show")
IDS: Final = ("imdb", "tmdb", "tvdb")
_LONGEST: Final = 3000  # a title may have 500 characters
_LARGEST: Final = 2**63 - 1

AnyPlace = TypeVar("AnyPlace", Place, EventPlace)


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
    """Return what this request's query string asks for, of all titles or of this person's. Raises Invalid."""
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = replace(
        read_filters(query, user_id=user_id),
        status=query.choice("status", ("current", "removed", "all", "dismissed"), default=None) or "current",
    )
    sort = query.choice("sort", ("added_at", "title", "year", "wanted_count", "released_on"), default=None)
    sort = sort or "added_at"
    order = query.choice("order", ("asc", "desc"), default=None) or ("asc" if sort == "title" else "desc")
    after = _read_cursor(query, "after", sort=sort, order=order)
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    if after and offset:
        query.fault("offset", "cannot be given together with after.")
    query.done()
    return Listing(filters=filters, sort=sort, order=order, after=after, limit=limit, offset=offset)


def read_filters(
    query: Fields,
    *,
    user_id: int | None = None,
    media_types: tuple[str, ...] = MEDIA_TYPES,
    missing: tuple[str, ...] = IDS,
) -> WishlistFilter:
    """Return the filters that pages, feeds and downloads share; of what is wanted at present.

    user_id: whose wishes they are, if that is settled already.
    media_types, missing: what a list can be asked for. Other words are refused, for the reply could only be
    empty, and an empty list has programs clean up. One type alone is also what is meant if none is given.
    """
    only_type = media_types[0] if len(media_types) == 1 else None
    return WishlistFilter(
        search=query.optional_text("search", maximum=200),
        year=query.integer("year", minimum=1, maximum=9999),
        media_type=query.choice("media_type", media_types, default=only_type),
        user_ids=read_user_ids(query) if user_id is None else [user_id],
        every_user=user_id is None and query.choice("match", ("any", "all"), default="any") == "all",
        min_wanted=query.integer("min_wanted", minimum=1, maximum=LARGEST_ID),
        genre=query.optional_text("genre", maximum=100),
        available=query.flag("available"),
        missing=query.choice("missing", missing, default=None),
    )


def read_feed_filters(
    *,
    media_types: tuple[str, ...] = MEDIA_TYPES,
    missing: tuple[str, ...] = IDS,
    ignored: dict[str, tuple[str, ...]] | None = None,
) -> WishlistFilter:
    """Return the filters where nothing else can be asked for. Raises Invalid.

    ignored: parameters without a meaning here that a program adds by itself, and the values it gives them.
    """
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query, media_types=media_types, missing=missing)
    for name, values in (ignored or {}).items():
        query.choice(name, values, default=None)
    query.done()
    return filters


def read_user_ids(query: Fields) -> list[int] | None:
    """Return the people that the parameter `user` names, and note each unknown id; None if it was not given."""
    user_ids = query.integers("user", minimum=1, maximum=LARGEST_ID)
    for user_id in read(list_missing_user_ids, user_ids=user_ids) if user_ids else []:
        query.fault("user", f"No user has id {user_id}.")
    return user_ids


def get_page(listing: Listing) -> tuple[ItemPage, str | None]:
    """Return the page, and the cursor of the next one; None at the end."""
    page = read(wishlist.list_items, **vars(listing))
    return page, make_cursor(listing.sort, listing.order, page.next) if page.next else None


def list_page(listing: Listing) -> str:
    """Return the page as the API shows it."""
    page, following = get_page(listing)
    rest = {
        "total": page.total,
        "total_is_exact": page.total_is_exact,
        "limit": listing.limit,
        "offset": listing.offset,
        "next": following,
    }
    # PostgreSQL made the JSON of the items: passing it through costs a third of building it here.
    return f'{{"items":{page.items_json},{json.dumps(rest)[1:]}\n'


def item_json(uids: list[str]) -> str:
    """Return the item with one of these uids. Raises NotFound if nobody active ever wished for it."""
    item = read(wishlist.find_item, uids=uids)
    if item is None:
        raise NotFound(f"No such title: {' or '.join(uids)}.")
    return f"{item}\n"


def make_cursor(sort: str, order: str, place: Sequence[Any]) -> str:
    """The cursor of what follows this place, given as JSON values.

    The sort key, added_at and id of an item; for the sort "events", when an event happened and its id.
    """
    text = json.dumps([sort, order, *place], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(query: Fields, name: str, *, sort: str, order: str) -> Place | None:
    """The place that a parameter names; None if absent. It must come from a list sorted the same way."""

    def place(key: Any, added_at: Any, item_id: Any) -> Place:
        return Place(key=_KEYS[sort](key), added_at=datetime.fromisoformat(added_at), id=_integer(item_id, _LARGEST))

    return _read(query, name, sort, order, place)


def read_event_cursor(query: Fields, name: str, *, order: str) -> EventPlace | None:
    """The place in the history that a parameter names; None if absent."""

    def place(happened_at: Any, event_id: Any) -> EventPlace:
        return EventPlace(happened_at=datetime.fromisoformat(happened_at), id=_integer(event_id, _LARGEST))

    return _read(query, name, "events", order, place)


def _read(query: Fields, name: str, sort: str, order: str, place: Callable[..., AnyPlace]) -> AnyPlace | None:
    cursor = query.optional_text(name, maximum=_LONGEST) or ""
    if not 1 <= len(cursor) <= _LONGEST:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        made_for_sort, made_for_order, *values = json.loads(text)
        if (made_for_sort, made_for_order) != (sort, order):
            query.fault(name, "comes from a list with another sort or order.")
            return None
        return place(*values)
    except (ValueError, TypeError, RecursionError):
        query.fault(name, "must be the next of an earlier reply, as it stands there.")
        return None


def _integer(value: object, largest: int = LARGEST_ID) -> int:
    if type(value) is not int or not 0 <= value <= largest:  # True is an int, too
        raise ValueError("no number of the database")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text of the database")
    value.encode()  # half surrogates raise a ValueError
    return value


_KEYS: Final[dict[str, Callable[[Any], datetime | date | str | int]]] = {
    "added_at": datetime.fromisoformat,
    "title": _text,
    "year": _integer,
    "wanted_count": _integer,
    "released_on": date.fromisoformat,
}
