"""A simulated Plex Media Server that speaks HTTP on loopback: libraries, collections, and ways to fail.

Modelled on what is known of the real one: small numbers as keys, external ids only with includeGuids=1, lists only
with their bounds, errors as HTML pages, collections only for the owner.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from zlib import crc32

from tests.support.fake_plex import FakePlex, Handler, Row

OWNER = "owners-server-token-0123456789"
MACHINE = "0123456789abcdef0123456789abcdef01234567"
URI = f"server://{MACHINE}/com.plexapp.plugins.library/library/metadata/"
LONGEST_ADDRESS = 2000


@dataclass
class Collection:
    """Of one library; `keys` are those of its titles."""

    title: str
    keys: list[str]
    smart: bool = False


@dataclass
class Library:
    """Titles as the server writes them."""

    type: str
    title: str
    rows: list[Row] = field(default_factory=list[Row])
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])
    miscount: int = 0
    """How much the total that pages claim is more than the truth."""
    tells_changes: bool = True
    """Whether the server tells when the titles of this library last changed."""

    def changed_at(self) -> int:
        """A number that differs after each title or season that came or left."""
        return crc32(repr([(row["ratingKey"], row.get("childCount")) for row in self.rows]).encode())


class FakeMediaServer(FakePlex):
    """The server; `libraries` by key. `faults` by path answer instead, one request each."""

    def __init__(self) -> None:
        super().__init__()
        self.libraries: dict[str, Library] = {}
        self.faults: dict[str, deque[Callable[[Handler], None]]] = {}
        self.before_page: Callable[[int], None] = lambda _start: None
        self.writes: list[str] = []
        """Method and path of whatever changed something."""
        self._keys = count(1)
        of_collection = "/library/collections/([0-9]+)/items"
        self.routes = {
            ("GET", "/identity"): self._owned(self._identity),
            ("GET", "/library/sections"): self._owned(self._sections),
            ("GET", "/library/sections/([0-9]+)/all"): self._owned(self._titles),
            ("GET", "/library/sections/([0-9]+)/collections"): self._owned(self._collections),
            ("POST", "/library/collections"): self._owned(self._create),
            ("GET", of_collection): self._owned(self._items),
            ("PUT", of_collection): self._owned(self._add_items),
            ("DELETE", f"{of_collection}/([0-9]+)"): self._owned(self._remove_item),
        }

    def library(self, media_type: str, title: str) -> Library:
        library = self.libraries[str(next(self._keys))] = Library(media_type, title)
        return library

    def add_title(self, library: Library, guid: str, *ids: str, **facts: Any) -> str:
        """Add a title with this guid, these external ids and other facts, like childCount; returns its key."""
        key = str(next(self._keys))
        title = {
            "ratingKey": key,
            "guid": guid,
            "type": library.type,
            "title": guid,
            "addedAt": int(time.time()),
            "Guid": [{"id": known} for known in ids],
        }
        library.rows.append(title | facts)
        return key

    def collect(self, library: Library, title: str, *keys: str, smart: bool = False) -> Collection:
        """Add a collection, as somebody would by hand."""
        collection = library.collections[str(next(self._keys))] = Collection(title, list(keys), smart)
        return collection

    def _owned(self, answer: Callable[..., None]) -> Callable[..., None]:
        def answer_owner(handler: Handler, *groups: str) -> None:
            if faults := self.faults.get(handler.asked.path):
                return faults.popleft()(handler)
            if handler.token != OWNER:
                return _page(handler, 401, "Unauthorized")
            if handler.command != "GET":
                self.writes.append(f"{handler.command} {handler.asked.path}")
            if len(handler.path) > LONGEST_ADDRESS:
                return _page(handler, 414, "URI Too Long")
            return answer(handler, *groups)

        return answer_owner

    def _identity(self, handler: Handler) -> None:
        handler.send_json(200, {"MediaContainer": {"size": 0, "claimed": True, "machineIdentifier": MACHINE}})

    def _sections(self, handler: Handler) -> None:
        rows = [
            {"key": key, "type": library.type, "title": library.title, "uuid": f"uuid-of-{key}"}
            | ({"contentChangedAt": library.changed_at()} if library.tells_changes else {})
            for key, library in self.libraries.items()
        ]
        handler.send_json(200, {"MediaContainer": {"size": len(rows), "Directory": rows}})

    def _titles(self, handler: Handler, section: str) -> None:
        self.before_page(int(handler.asked.query.get("X-Plex-Container-Start", 0)))
        shown = handler.asked.query.get("includeGuids") == "1"
        rows = self.libraries[section].rows
        page = [{name: value for name, value in row.items() if name != "Guid" or shown} for row in rows]
        _list(handler, page, miscount=self.libraries[section].miscount)

    def _collections(self, handler: Handler, section: str) -> None:
        found = self.libraries[section].collections.items()
        _list(
            handler,
            [{"ratingKey": key, "title": one.title} | ({"smart": "1"} if one.smart else {}) for key, one in found],
        )

    def _create(self, handler: Handler) -> None:
        query = handler.asked.query
        library = self.libraries.get(query["sectionId"])
        if library is None or query["type"] != {"movie": "1", "show": "2"}[library.type]:
            return _page(handler, 400, "Bad Request")
        self.collect(library, query["title"], *_keys(query["uri"]), smart=query["smart"] == "1")
        return handler.send_json(200, {"MediaContainer": {"size": 1, "Metadata": [{"title": query["title"]}]}})

    def _items(self, handler: Handler, key: str) -> None:
        _list(handler, [{"ratingKey": item, "title": item} for item in self._collection(key).keys])

    def _add_items(self, handler: Handler, key: str) -> None:
        collection = self._collection(key)
        collection.keys += [item for item in _keys(handler.asked.query["uri"]) if item not in collection.keys]
        handler.send_json(200, {"MediaContainer": {"size": 0}})

    def _remove_item(self, handler: Handler, key: str, item: str) -> None:
        keys = self._collection(key).keys
        if item not in keys:
            return _page(handler, 404, "Not Found")
        keys.remove(item)
        return handler.send_json(200, {"MediaContainer": {"size": 0}})

    def _collection(self, key: str) -> Collection:
        return next(library.collections[key] for library in self.libraries.values() if key in library.collections)


def _keys(uri: str) -> list[str]:
    assert uri.startswith(URI)
    return uri.removeprefix(URI).split(",")


def _list(handler: Handler, rows: list[dict[str, Any]], *, miscount: int = 0) -> None:
    query = handler.asked.query
    if "X-Plex-Container-Start" not in query or not 0 < int(query.get("X-Plex-Container-Size", 0)) <= 1000:
        return _page(handler, 400, "Bad Request")
    start = int(query["X-Plex-Container-Start"])
    page = rows[start : start + int(query["X-Plex-Container-Size"])]
    container: Row = {"size": len(page), "totalSize": len(rows) + miscount, "offset": start}
    return handler.send_json(200, {"MediaContainer": container | ({"Metadata": page} if page else {})})


def _page(handler: Handler, status: int, title: str) -> None:
    text = f"<html><head><title>{title}</title></head><body><h1>{status} {title}</h1></body></html>"
    handler.send_body(status, text.encode(), "text/html")
