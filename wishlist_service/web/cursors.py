"""Cursors: where the next page of a sorted list begins, as a text that only this module understands."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar

from wishlist_service.models import EventPlace, Place
from wishlist_service.web.fields import LARGEST_ID, Fields

_LONGEST: Final = 3000  # a title may have 500 characters
_LARGEST: Final = 2**63 - 1

AnyPlace = TypeVar("AnyPlace", Place, EventPlace)


def make_cursor(sort: str, order: str, place: Sequence[Any]) -> str:
    """The cursor of what follows this place, given as JSON values.

    The sort key, added_at and id of an item; for the sort "events", when an event happened and its id.
    """
    text = json.dumps([sort, order, *place], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(query: Fields, name: str, *, sort: str, order: str) -> Place | None:
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
