"""What is asked of the wishlist and its history, and what they answer: frozen values."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WishlistFilter:
    """The filters of the wishlist; None does not filter."""

    search: str | None = None
    year: int | None = None
    media_type: str | None = None
    user_ids: list[int] | None = None
    every_user: bool = False
    min_wanted: int | None = None
    status: str = "current"
    genre: str | None = None
    available: bool | None = None
    missing: str | None = None

    def parameters(self) -> dict[str, Any]:
        """What wishlist_matching() in sql/ is called with, by name: %, _ and the backslash are ordinary characters."""
        text = self.search and re.sub(r"([\\%_])", r"\\\1", self.search)
        return vars(self) | {"title_pattern": text and f"%{text}%", "genre": self.genre and self.genre.lower()}


@dataclass(frozen=True)
class Place:
    """A place in a sorted list: that of the item with this sort key, added_at and id."""

    key: datetime | date | str | int
    added_at: datetime
    id: int


@dataclass(frozen=True)
class EventPlace:
    """A place in the history: that of the event with this id."""

    happened_at: datetime
    id: int


@dataclass(frozen=True)
class EventPage:
    """A page of events as JSON text, when its last one happened and that one's id, and whether there are more."""

    items_json: str
    last: list[Any] | None
    more: bool


@dataclass(frozen=True)
class ItemPage:
    """A page of items as JSON text made by PostgreSQL, and how many match in all.

    total_is_exact: False when there are more, which were not counted.
    next: the last item's sort key, added_at and id, as JSON values; None at the end of the list.
    """

    total: int
    items_json: str
    next: list[Any] | None
    total_is_exact: bool = True


@dataclass(frozen=True)
class Feed:
    """A whole reply for another program, and how many of the titles asked for it cannot carry."""

    body: str
    skipped: int


@dataclass(frozen=True)
class Knowledge:
    """Whether any present person's list was ever read, and the library looked through; which people give no list."""

    of_lists: bool
    of_library: bool
    paused: list[int]
    unread: list[int]
