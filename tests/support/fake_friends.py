"""Friends at the simulated Plex, by GraphQL: Friends(plex) adds them.

Modelled on what is known of community.plex.tv: everything is a POST to one address; errors come with HTTP 200, but a
wrong query, and `first` outside 10 to 100, get 400. A list that privacy forbids is an error, one that is hidden looks
like an empty one.
"""

import base64
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

from tests.support.fake_plex import FakePlex, Handler, Person

FORBIDDEN = "User not found: User privacy prevents viewing"


class Friends:
    """Who is whose friend. `faults` answer a question about a list instead, one each."""

    def __init__(self, plex: FakePlex) -> None:
        self.of: dict[str, list[Person]] = {}
        """Friends by the uuid of the one who asks."""
        self.forbidden: set[str] = set()
        """The uuids whose privacy forbids to look."""
        self.hidden: set[str] = set()
        """The uuids whose list looks empty."""
        self.faults: deque[Callable[[Handler], None]] = deque()
        self.friends_faults: deque[Callable[[Handler], None]] = deque()
        self.repeats_cursors = False
        self.page_cap = 100
        """Fewer titles a page than asked for."""
        self.endless = False
        """Every page has another one after it."""
        self._plex = plex
        self._numbers = count()
        plex.routes["POST", "/api"] = self._answer

    def befriend(self, one: Person, *others: Person) -> None:
        """They become friends of the one, and the one theirs."""
        for other in others:
            self.of.setdefault(one.uuid, []).append(other)
            self.of.setdefault(other.uuid, []).append(one)

    def asked(self, token: str) -> list[dict[str, Any]]:
        """The variables of each question about a list that came with this token."""
        return [
            body["variables"]
            for asked in self._plex.requests_for(token, "/api")
            if "watchlist" in (body := json.loads(asked.body))["query"]
        ]

    def _answer(self, handler: Handler) -> None:
        body = json.loads(handler.asked.body)
        query, variables = body["query"], body.get("variables") or {}
        if "__schema" in query:
            return handler.send_json(400, {"errors": [{"message": "GraphQL introspection is not allowed"}]})
        if handler.person is None:
            return handler.send_json(401, {"errors": [{"message": "Unauthorized"}]})
        if re.search(r"\ballFriendsV2\b", query):
            if self.friends_faults:
                return self.friends_faults.popleft()(handler)
            friends = [
                {"user": {"id": friend.uuid, "username": friend.username, "displayName": friend.username.title()}}
                for friend in self.of.get(handler.person.uuid, [])
            ]
            return handler.send_json(200, {"data": {"allFriendsV2": friends}})
        if not re.search(r"\bwatchlist\s*\(", query):
            return handler.send_json(400, {"errors": [{"message": "Cannot query field"}]})
        if self.faults:
            return self.faults.popleft()(handler)
        return self._list(handler, variables)

    def _list(self, handler: Handler, variables: dict[str, Any]) -> None:
        first, uuid = variables["first"], variables["uuid"]
        if not 10 <= first <= 100:
            return handler.send_json(400, {"errors": [{"message": "Variable $first got an invalid value"}]})
        person = next((person for person in self._plex.people.values() if person.uuid == uuid), None)
        if person is None:
            return _error(handler, f"User not found: Data loader item not found: users uuid={uuid}")
        if uuid in self.forbidden:
            return _error(handler, FORBIDDEN)
        rows = [] if uuid in self.hidden else person.rows
        start = int(base64.b64decode(variables["after"]).decode().partition(":")[2]) if variables["after"] else 0
        size = min(first, self.page_cap)
        page = rows[start : start + size]
        more = self.endless or start + size < len(rows)
        number = 0 if self.repeats_cursors else next(self._numbers)
        cursor = base64.b64encode(f"{number}:{0 if self.endless else start + size}".encode()).decode()
        data = {
            "user": {
                "watchlist": {
                    "nodes": [node(row) for row in page],
                    "pageInfo": {"hasNextPage": more, "endCursor": cursor if more else None},
                }
            }
        }
        digest = hashlib.sha256(json.dumps([page, more]).encode()).hexdigest()
        return handler.send_json(200, {"data": data}, {"ETag": f'W/"{digest[:20]}"'})


def node(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a list as GraphQL shows it."""
    return {
        "id": row["ratingKey"],
        "guid": row["guid"],
        "type": str(row["type"]).upper(),
        "title": row["title"],
        "year": row.get("year"),
    }


def answer(**body: Any) -> Callable[[Handler], None]:
    """This body, as GraphQL answers."""
    return lambda handler: handler.send_json(200, body)


def _error(handler: Handler, message: str) -> None:
    handler.send_json(200, {"data": None, "errors": [{"message": message}]})
