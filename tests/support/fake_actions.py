"""Changing watchlists at the simulated Plex: Actions(plex) adds it.

Modelled on what is known of the Discover API: idempotent, 404 for a title that Plex does not know, 400 for what
is no rating key, 401 without a valid token.
"""

import re
from collections import deque
from collections.abc import Callable

from tests.support.fake_plex import FakePlex, Handler, Row
from tests.support.fake_plex import row as row_of


class Actions:
    """What was taken off and added, as (username, rating key) in the order of the requests.

    `faults` answer instead, one each.
    """

    def __init__(self, plex: FakePlex) -> None:
        self.done: list[tuple[str, str]] = []
        self.added: list[tuple[str, str]] = []
        self.forgetful = False
        """Confirms everything, and changes nothing."""
        self.unknown: set[str] = set()
        """Rating keys that Plex knows no longer."""
        self.faults: deque[Callable[[Handler], None]] = deque()
        self.before: Callable[[str], None] = lambda _key: None
        """Called with the key before it is taken off."""
        self.after: Callable[[str], None] = lambda _key: None
        """Called when it is off, before Plex answers."""
        self._taken_off: dict[str, list[Row]] = {}
        plex.routes["PUT", "/actions/removeFromWatchlist"] = self._remove
        plex.routes["PUT", "/actions/addToWatchlist"] = self._add

    def _remove(self, handler: Handler) -> None:
        if (key := self._accept(handler)) is None:
            return
        self.before(key)
        self._change(handler, key, None)
        self.done.append((handler.person.username, key))
        self.after(key)
        handler.send_json(200, {"MediaContainer": {"size": 0}})

    def _add(self, handler: Handler) -> None:
        if (key := self._accept(handler)) is None:
            return
        rows = [row for person in handler.plex.people.values() for row in person.rows if row["ratingKey"] == key]
        self._change(handler, key, [*rows, *self._taken_off.get(key, []), row_of(key, "Unknown here")][0])
        self.added.append((handler.person.username, key))
        handler.send_json(200, {"MediaContainer": {"size": 0}})

    def _change(self, handler: Handler, key: str, row: Row | None) -> None:
        """Take the title off the list, or have it there: where it was, or at the front."""
        rows = handler.person.rows
        if self.forgetful or (row and any(each["ratingKey"] == key for each in rows)):
            return
        with handler.plex.lock:
            kept = [each for each in rows if each["ratingKey"] != key]
            self._taken_off[key] = [each for each in rows if each["ratingKey"] == key] or self._taken_off.get(key, [])
            handler.person.rows = [row, *kept] if row else kept

    def _accept(self, handler: Handler) -> str | None:
        """The key of the title, None if the request was refused."""
        key = handler.asked.query.get("ratingKey", "")
        if self.faults:
            return self.faults.popleft()(handler)
        if handler.person is None:
            return _refuse(handler, 401, "Unauthorized", "Invalid token")
        if not re.fullmatch("[0-9a-f]{24}", key) or handler.asked.body:
            return _refuse(handler, 400, "Bad Request", "Invalid value provided for ratingKey!")
        if key in self.unknown:
            return _refuse(handler, 404, "Not Found", f"MetadataItem for {key} not found!")
        return key


def _refuse(handler: Handler, status: int, error: str, message: str) -> None:
    handler.send_json(status, {"Error": {"error": error, "message": message, "statusCode": status}})
