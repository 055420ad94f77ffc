"""Taking titles off watchlists at the simulated Plex: Actions(plex) adds it.

Modelled on what is known of the Discover API: idempotent, 404 for a title that Plex does not know, 400 for what
is no rating key, 401 without a valid token.
"""

import re
from collections import deque
from collections.abc import Callable

from tests.support.fake_plex import FakePlex, Handler


class Actions:
    """What was taken off, as (username, rating key) in the order of the requests; `faults` answer instead, one each."""

    def __init__(self, plex: FakePlex) -> None:
        self.done: list[tuple[str, str]] = []
        self.unknown: set[str] = set()
        """Rating keys that Plex knows no longer."""
        self.faults: deque[Callable[[Handler], None]] = deque()
        self.before: Callable[[str], None] = lambda _key: None
        """Called with the key before it is taken off."""
        self.after: Callable[[str], None] = lambda _key: None
        """Called when it is off, before Plex answers."""
        plex.routes["PUT", "/actions/removeFromWatchlist"] = self._remove

    def _remove(self, handler: Handler) -> None:
        key = handler.asked.query.get("ratingKey", "")
        if self.faults:
            return self.faults.popleft()(handler)
        if handler.person is None:
            return _refuse(handler, 401, "Unauthorized", "Invalid token")
        if not re.fullmatch("[0-9a-f]{24}", key) or handler.asked.body:
            return _refuse(handler, 400, "Bad Request", "Invalid value provided for ratingKey!")
        if key in self.unknown:
            return _refuse(handler, 404, "Not Found", f"MetadataItem for {key} not found!")
        self.before(key)
        with handler.plex.lock:
            handler.person.rows = [row for row in handler.person.rows if row["ratingKey"] != key]
        self.done.append((handler.person.username, key))
        self.after(key)
        return handler.send_json(200, {"MediaContainer": {"size": 0}})


def _refuse(handler: Handler, status: int, error: str, message: str) -> None:
    handler.send_json(status, {"Error": {"error": error, "message": message, "statusCode": status}})
