"""What a query string asks of a list: filters, order, and the place where a page starts.

A cursor is such a place as a text. Only this module reads it.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
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
    """What is asked for. `sort` and `order` are those that apply, given or not."""

    filters: WishlistFilter
    sort: str
    order: str
    seed: int | None
    after: Place | None
    limit: int
    offset: int


def read_listing(*, user_id: int | None = None, default_sort: str = "added_at") -> Listing:
    """Return what this request's query string asks for: of all titles, or of those of this person. Raises Invalid."""
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = replace(
        read_filters(query, user_id=user_id),
        status=query.choice("status", ("current", "removed", "all", "dismissed"), default=None) or "current",
    )
    sort = query.choice("sort", tuple(_KEYS), default=None) or default_sort
    order = query.choice("order", ("asc", "desc"), default=None) or default_order(sort)
    seed = query.integer("seed", minimum=0, maximum=LARGEST_ID)
    if sort == "random" and "seed" not in query:
        query.error("seed", "is missing. Give a whole number: the same one gives the same order.")
    elif sort != "random" and seed is not None:
        query.error("seed", "can only be given together with sort=random.")
    after = _read_cursor(query, _cursor_sort(sort, seed), order, partial(_item_place, sort))
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    if after and offset:
        query.error("offset", "cannot be given together with after.")
    query.done()
    return Listing(filters=filters, sort=sort, order=order, seed=seed, after=after, limit=limit, offset=offset)


def default_order(sort: str) -> str:
    """Return the order that applies if none is given."""
    return "asc" if sort in ("title", "random") else "desc"


def read_filters(
    query: Fields,
    *,
    user_id: int | None = None,
    media_types: tuple[str, ...] = MEDIA_TYPES,
    missing: tuple[str, ...] = IDS,
) -> WishlistFilter:
    """Return the filters that pages, feeds and downloads share, for titles that are wanted now.

    user_id: the person whose wishes are listed, if the path names one.
    media_types, missing: the words that this list accepts. Other words could only give an empty list, and an empty
    list makes programs delete titles. If there is only one media type, it is the default.
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
    """Return the filters of a request that can ask for nothing else. Raises Invalid.

    ignored: parameters that a program adds and that mean nothing here, with the values it sends.
    """
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query, media_types=media_types, missing=missing)
    for name, values in (ignored or {}).items():
        query.choice(name, values, default=None)
    query.done()
    return filters


def read_user_ids(query: Fields) -> list[int] | None:
    """Return the ids in the parameter `user`; None if absent. Each unknown id is an error."""
    user_ids = query.integers("user", minimum=1, maximum=LARGEST_ID)
    for user_id in read(list_missing_user_ids, user_ids=user_ids) if user_ids else []:
        query.error("user", f"No user has id {user_id}.")
    return user_ids


def get_page(listing: Listing) -> tuple[ItemPage, str | None]:
    """Return the page, and the cursor of the next page; None at the end."""
    page = read(wishlist.list_items, **vars(listing))
    sort = _cursor_sort(listing.sort, listing.seed)
    return page, make_cursor(sort, listing.order, page.next) if page.next else None


def list_page(listing: Listing) -> str:
    """Return the page as the API shows it."""
    page, following = get_page(listing)
    rest = {"total": page.total, "total_is_exact": page.total_is_exact, "limit": listing.limit}
    rest |= {"offset": listing.offset, "next": following}
    # PostgreSQL made the JSON of the items. Making it here would take three times as long.
    return f'{{"items":{page.items_json},{json.dumps(rest)[1:]}\n'


def item_json(uids: list[str]) -> str:
    """Return the item with one of these uids. Raises NotFound if no active person ever wanted it."""
    item = read(wishlist.find_item, uids=uids)
    if item is None:
        raise NotFound(f"No such title: {' or '.join(uids)}.")
    return f"{item}\n"


def make_cursor(sort: str, order: str, place: Sequence[Any]) -> str:
    """Return the cursor of what follows this place, which is given as JSON values.

    For items: sort key, added_at and id. For the sort "events": when an event happened, and its id.
    """
    text = json.dumps([sort, order, *place], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_event_cursor(query: Fields, *, order: str) -> EventPlace | None:
    """Return the place in the history that the parameter `after` names; None if absent."""
    return _read_cursor(query, "events", order, _event_place)


def _read_cursor(query: Fields, sort: str, order: str, make_place: Callable[..., AnyPlace]) -> AnyPlace | None:
    """Return the place that `after` names; None if absent. The cursor must come from a list in the same order."""
    cursor = query.optional_text("after", maximum=_LONGEST) or ""
    if not 1 <= len(cursor) <= _LONGEST:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        made_for_sort, made_for_order, *values = json.loads(text)
        if (made_for_sort, made_for_order) == (sort, order):
            return make_place(*values)
        query.error("after", "comes from a list with another sort or order.")
    except (ValueError, TypeError, RecursionError):
        query.error("after", "must be an unchanged `next` of an earlier reply.")
    return None


def _cursor_sort(sort: str, seed: int | None) -> str:
    # each seed is an order of its own
    return sort if seed is None else f"{sort}-{seed}"


def _item_place(sort: str, key: Any, added_at: Any, item_id: Any) -> Place:
    return Place(key=_KEYS[sort](key), added_at=datetime.fromisoformat(added_at), id=_integer(item_id, _LARGEST))


def _event_place(happened_at: Any, event_id: Any) -> EventPlace:
    return EventPlace(happened_at=datetime.fromisoformat(happened_at), id=_integer(event_id, _LARGEST))


def _integer(value: object, largest: int = LARGEST_ID) -> int:
    if type(value) is not int or not 0 <= value <= largest:  # True is an int, too
        raise ValueError("not a number that the database can hold")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text that the database can hold")
    value.encode()  # raises ValueError for half surrogates
    return value


_KEYS: Final[dict[str, Callable[[Any], datetime | date | str | int]]] = {
    "added_at": datetime.fromisoformat,
    "last_wish_at": datetime.fromisoformat,
    "title": _text,
    "year": _integer,
    "wanted_count": _integer,
    "released_on": date.fromisoformat,
    "random": lambda key: _integer(key, _LARGEST),
}
