"""Joins the pages of a watchlist into a complete one, or refuses them. No network.

Plex's rules, as observed: a page has `offset`, `size` and the `totalSize` of the watchlist. It may be shorter than
requested. An empty page has no `Metadata`. XML replies have `Video` and `Directory` instead. A watchlist may change
between two pages; only the counts show it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from wishlist_service.errors import PlexChanged
from wishlist_service.models import Miscount, Watchlist, WatchlistEntry
from wishlist_service.plex.rows import parse_entry, rating_key

MOST_TITLES: Final = 50_000


class ListChanged(Exception):
    """The pages do not match: read the watchlist again. `twice`: the rows that came more than once."""

    def __init__(self, reason: str, *, twice: frozenset[str] = frozenset()) -> None:
        super().__init__(reason)
        self.twice = twice


@dataclass(frozen=True)
class Page:
    """One page: its rows as Plex sent them, and its counts."""

    rows: list[Any]
    total: int
    size: int
    offset: int | None

    @classmethod
    def from_reply(cls, body: object) -> "Page":
        """Return the page in a decoded reply. Raises PlexChanged if there is none."""
        container = body.get("MediaContainer") if isinstance(body, Mapping) else None
        if not isinstance(container, Mapping):
            raise PlexChanged(_not_understood("no MediaContainer"))
        rows: list[Any] = []
        for name in ("Metadata", "Video", "Directory"):
            part = container.get(name)
            if part is None:
                continue
            if not isinstance(part, list):
                raise PlexChanged(_not_understood(f"{name} is not a list"))
            rows += part
        total = _count(container.get("totalSize"))
        if total is None or total > MOST_TITLES:
            raise PlexChanged(_not_understood(f"totalSize is {ascii(container.get('totalSize'))[:20]}"))
        size = _count(container.get("size"))
        return cls(
            rows=rows, total=total, size=len(rows) if size is None else size, offset=_count(container.get("offset"))
        )


class PageReader:
    """Joins pages. Returns a watchlist only if its pages match and are complete.

    miscounting: whether to read on, to the first empty page, if Plex shows more or fewer rows than it counts.
    """

    def __init__(self, *, miscounting: bool = False) -> None:
        self._miscounting = miscounting
        self._size_gap = 0
        self.received = 0
        self.total = 0
        self.complete = False
        self._etag: str | None = None
        self._entries: dict[str, WatchlistEntry] = {}
        self._unreadable: set[str] = set()
        self._unidentified = 0
        self._twice: set[str] = set()

    def add(self, page: Page, *, etag: str | None) -> None:
        """Add the next page. Raises ListChanged if it contradicts itself or an earlier page."""
        first = not self.received
        if page.size != len(page.rows) and not self._miscounting:
            raise ListChanged(f"a page of {page.size} rows held {len(page.rows)}")
        if page.offset not in (None, self.received):
            raise ListChanged(f"asked for row {self.received}, got row {page.offset}")
        if not first and page.total != self.total:
            raise ListChanged(f"its length went from {self.total} to {page.total}")
        if not page.rows and self.received < page.total and not self._miscounting:
            reason = f"it ended after {self.received} of {page.total} rows"
            raise ListChanged(reason, twice=frozenset(self._twice))
        if self.received + len(page.rows) > (MOST_TITLES if self._miscounting else page.total):
            raise ListChanged(f"it has more than its {page.total} rows", twice=frozenset(self._twice))
        if not first and page.rows and all(self._knows(_name(row)) for row in page.rows):
            raise ListChanged("a page had nothing new")

        if first:
            self.total, self._etag = page.total, etag
        for position, row in enumerate(page.rows, start=self.received):
            self._add_row(row, position)
        self.received += len(page.rows)
        self._size_gap += page.size - len(page.rows)
        self.complete = self.received == self.total or not page.rows

    def watchlist(self, *, known_twice: frozenset[str] = frozenset()) -> Watchlist:
        """Return the complete watchlist. Raises ListChanged if a row came twice that is not in `known_twice`.

        A new title pushed such a row to the next page, and was itself not read. If a row came twice in the read
        before, too, Plex lists the title twice; it counts once.
        """
        if not self._twice <= known_twice:
            raise ListChanged("a row came twice", twice=frozenset(self._twice))
        miscount = self._miscount()
        return Watchlist(
            entries=sorted(self._entries.values(), key=lambda entry: entry.uid),
            etag=None if self._twice or miscount else self._etag,
            page_etag=self._etag,
            unreadable_keys=frozenset(self._unreadable - {uid.rpartition("/")[2] for uid in self._entries}),
            unidentified=self._unidentified,
            miscount=miscount,
        )

    def _miscount(self) -> Miscount | None:
        total_gap = self.total - self.received
        if not (total_gap or self._size_gap):
            return None
        rows = sorted([*self._entries.keys() | self._unreadable, *("?" for _ in range(self._unidentified))])
        return Miscount(
            counted=self.received + (total_gap or self._size_gap),
            shown=self.received,
            gap=f"{total_gap:+}/{self._size_gap:+}",
            rows=hashlib.sha256("\n".join(rows).encode()).hexdigest(),
        )

    def _knows(self, name: str | None) -> bool:
        return name in self._entries or name in self._unreadable

    def _add_row(self, row: object, position: int) -> None:
        name = _name(row)
        if name is None:
            self._unidentified += 1
            return
        if self._knows(name):
            self._twice.add(name)
        entry = parse_entry(row) if isinstance(row, Mapping) else None
        if entry is None:
            self._unreadable.add(name)
        else:
            self._entries[name] = replace(entry, position=position)


def _name(row: object) -> str | None:
    """Return the uid of a row, since a movie and a show may have one key; the key if the row cannot be read."""
    if not isinstance(row, Mapping):
        return None
    entry = parse_entry(row)
    return entry.uid if entry else rating_key(row)


def _count(value: object) -> int | None:
    # XML replies have numbers as text
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _not_understood(what: str) -> str:
    return (
        f"Plex sent a reply that this version does not understand ({what}). "
        "Nothing was changed; look for a newer version of this service."
    )
