"""Single titles at the simulated Plex: Titles(plex) adds what it tells of them, and when somebody added them.

Modelled on what is known of Plex's Discover API: the record is that of a list with summary and genres, userState
is an object or a list with one in it, both need a token, and what is not known is 404.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from tests.support.fake_plex import FakePlex, Handler, Row

DETAILS = "/library/metadata/([0-9a-f]{24})"


class Titles:
    """Records by rating key, as many digits as given; times by token and rating key, as Plex would write them."""

    def __init__(self, plex: FakePlex) -> None:
        self.records: dict[str, Row] = {}
        self.states: dict[tuple[str, str], Any] = {}
        self.faults: dict[str, Callable[[Handler], None]] = {}
        """Answers every request about a title, by its rating key."""
        self.next_faults: deque[Callable[[Handler], None]] = deque()
        """Each answers one request about any title."""
        self.before_answer: Callable[[Handler], None] = lambda _handler: None
        """Called with each request."""
        self._plex = plex
        plex.routes["GET", DETAILS] = self._details
        plex.routes["GET", f"{DETAILS}/userState"] = self._state

    def tell(self, row: Row, *, summary: str | None = None, genres: tuple[str, ...] = (), **more: Any) -> None:
        """Plex has a record of this title."""
        facts: Row = {"summary": summary, "Genre": [{"tag": genre} for genre in genres]}
        self.records[row["ratingKey"]] = row | {name: value for name, value in facts.items() if value} | more

    def added(self, token: str, row: Row, watchlisted_at: Any, *, as_list: bool = False) -> None:
        """The owner of the token put the title on their list then."""
        state = {"ratingKey": row["ratingKey"], "type": row["type"], "viewCount": 0, "watchlistedAt": watchlisted_at}
        self.states[token, row["ratingKey"]] = [state] if as_list else state

    def asked(self, what: str = "") -> list[tuple[str, str]]:
        """Token and rating key of every question about a title, or with /userState about a time."""
        return [
            (asked.headers["X-Plex-Token"], asked.path.split("/")[3])
            for asked in self._plex.asked
            if asked.path.startswith("/library/metadata/") and asked.path[len("/library/metadata/") + 24 :] == what
        ]

    def _details(self, handler: Handler, key: str) -> None:
        container = {"identifier": "tv.plex.provider.discover", "offset": 0, "totalSize": 1, "size": 1}
        record = self.records.get(key)
        self._answer(handler, key, container | {"Metadata": [record]} if record else None)

    def _state(self, handler: Handler, key: str) -> None:
        container = {"identifier": "tv.plex.provider.metadata", "size": 1}
        state = self.states.get((handler.token, key))
        self._answer(handler, key, container | {"UserState": state} if state is not None else None)

    def _answer(self, handler: Handler, key: str, container: Row | None) -> None:
        self.before_answer(handler)
        if fault := self.faults.get(key) or (self.next_faults and self.next_faults.popleft()):
            return fault(handler)
        if handler.person is None:
            return handler.send_json(
                401, {"Error": {"error": "Unauthorized", "message": "Invalid token", "statusCode": 401}}
            )
        if container is None:
            message = f"MetadataItem for {key} not found!"
            return handler.send_json(404, {"Error": {"error": "Not Found", "message": message, "statusCode": 404}})
        return handler.send_json(200, {"MediaContainer": container})
