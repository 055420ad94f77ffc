"""A simulated Plex that speaks HTTP on loopback: watchlists, accounts, pings, and every way to fail.

The tests run it in a thread, `make demo` as a program (demo/). What else Plex can do is added to
`routes`, from files of their own. Standard library only.

Modelled on what is known of Plex's Discover API: pages of 20 unless told, at most 100; external
ids only with includeGuids=1; an ETag for each person and query; XML unless JSON is asked for.
"""

import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr

Row = dict[str, Any]


@dataclass
class Person:
    """An account: its list (newest first, rows as Plex writes them) and how its answers go wrong."""

    uuid: str
    username: str
    rows: list[Row] = field(default_factory=list)
    account_status: int = 200
    list_faults: deque[Callable[["Handler"], None]] = field(default_factory=deque)
    account_faults: deque[Callable[["Handler"], None]] = field(default_factory=deque)
    always: Callable[["Handler"], None] | None = None
    """Answers every request for the list instead of it."""
    page_cap: int = 100
    xml: bool = False
    """Answers in XML whatever is asked for."""
    total_size: int | None = None
    """What pages claim as totalSize instead of the truth."""
    before_page: Callable[[int], None] = lambda _start: None
    """Called with the start of each page asked for: may change `rows`, or wait."""


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


class FakePlex:
    """The server; `people` by token may be changed at any time, and so may `routes`.

    Those are by method and pattern of the path, whose groups are handed to what answers.
    """

    def __init__(self, port: int = 0) -> None:
        self.people: dict[str, Person] = {}
        self.routes: dict[tuple[str, str], Callable[..., None]] = {
            ("GET", "/library/sections/watchlist/all"): Handler.watchlist,
            ("GET", "/api/v2/user"): Handler.account,
            ("GET", "/api/v2/ping"): lambda handler: handler.plex_tv({"pong": True}),
        }
        self.asked: list[Asked] = []
        self.reading: set[str] = set()
        self.most_lists_at_a_time = 0
        self.lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"plex": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def add(self, token: str, *, username: str = "", rows: list[Row] | None = None) -> Person:
        uuid = hashlib.sha256(token.encode()).hexdigest()[:16]
        person = Person(uuid=uuid, username=username or f"user-{uuid[:4]}", rows=list(rows or []))
        self.people[token] = person
        return person

    def requests_for(self, token: str, path: str = "/library/sections/watchlist/all") -> list[Asked]:
        return [asked for asked in self.asked if asked.headers.get("X-Plex-Token") == token and asked.path == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    plex: FakePlex

    asked: Asked
    token: str
    person: Person | None
    """Whose token it is."""

    def answer(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked = Asked(self.command, parts.path, query, dict(self.headers), body)
        self.plex.asked.append(self.asked)
        self.token = self.headers.get("X-Plex-Token") or query.get("X-Plex-Token", "")
        self.person = self.plex.people.get(self.token)
        for (method, path), answer in self.plex.routes.items():
            if method == self.command and (found := re.fullmatch(path, parts.path)):
                return answer(self, *found.groups())
        return self.send_json(404, {"Error": {"error": "Not Found", "message": "Not Found", "statusCode": 404}})

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, *_args: Any) -> None:
        pass

    def send_body(self, status: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.send_body(status, json.dumps(body).encode(), "application/json", headers)

    def watchlist(self) -> None:
        token, person, query = self.token, self.person, self.asked.query
        if person is None:
            message = "Invalid token" if token else "You must provide a token!"
            body = {"Error": {"error": "Unauthorized", "message": message, "statusCode": 401}}
            return self.send_json(401, body)
        start = int(query.get("X-Plex-Container-Start") or self.headers.get("X-Plex-Container-Start") or 0)
        size = int(query.get("X-Plex-Container-Size") or self.headers.get("X-Plex-Container-Size") or 20)
        with self.plex.lock:
            self.plex.reading.add(token)
            self.plex.most_lists_at_a_time = max(self.plex.most_lists_at_a_time, len(self.plex.reading))
        try:
            person.before_page(start)
            if person.list_faults:
                return person.list_faults.popleft()(self)
            if person.always:
                return person.always(self)
            if size > 100:
                return self.send_json(400, {"Error": {"error": "Bad Request", "message": "size", "statusCode": 400}})
            return self._page(person, query, start, min(size, person.page_cap))
        finally:
            with self.plex.lock:
                self.plex.reading.discard(token)

    def _page(self, person: Person, query: dict[str, str], start: int, size: int) -> None:
        total = len(person.rows) if person.total_size is None else person.total_size
        page = [_shown(row, query) for row in person.rows[start : start + size]]
        container: Row = {
            "librarySectionID": "watchlist",
            "identifier": "tv.plex.provider.discover",
            "offset": start,
            "totalSize": total,
            "size": len(page),
        }
        if page:
            container["Metadata"] = page
        as_json = "json" in self.headers.get("Accept", "") and not person.xml
        text = json.dumps({"MediaContainer": container}) if as_json else _xml(container)
        digest = hashlib.sha256(json.dumps([person.uuid, query, total, page]).encode()).hexdigest()
        etag = f'W/"{digest[:20]}"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            return self.end_headers()
        kind = "application/json" if as_json else "application/xml"
        return self.send_body(200, text.encode(), f"{kind};charset=utf-8", {"ETag": etag})

    def account(self) -> None:
        person = self.person
        if person and person.account_faults:
            return person.account_faults.popleft()(self)
        body = person and {
            "id": int(person.uuid[:6], 16),
            "uuid": person.uuid,
            "username": person.username,
            "title": person.username,
            "authToken": self.token,
        }
        return self.plex_tv(body)

    def plex_tv(self, body: Any) -> None:
        """This answer, to a request that says which account and client it is from."""
        if not self.headers.get("X-Plex-Client-Identifier"):
            error = {"code": 1000, "message": "X-Plex-Client-Identifier is missing", "status": 400}
            return self.send_json(400, {"errors": [error]})
        status = self.person.account_status if self.person else 401
        if status == 200:
            return self.send_json(200, body)
        error = {"code": 1001, "message": "User could not be authenticated", "status": status}
        return self.send_json(status, {"errors": [error]})


def _shown(row: Row, query: dict[str, str]) -> Row:
    return {name: value for name, value in row.items() if name != "Guid" or query.get("includeGuids") == "1"}


def _xml(container: Row) -> str:
    def attributes(values: Row) -> str:
        return "".join(f" {name}={quoteattr(str(v))}" for name, v in values.items() if not isinstance(v, list))

    rows = ""
    for row in container.get("Metadata", []):
        tag = "Directory" if row.get("type") == "show" else "Video"
        guids = "".join(f"<Guid id={quoteattr(guid['id'])}/>" for guid in row.get("Guid", []))
        rows += f"<{tag}{attributes(row)}>{guids}</{tag}>"
    return f"<MediaContainer{attributes(container)}>{rows}</MediaContainer>"


def row(key: str, title: str, *, media_type: str = "movie", year: int | None = 2000, **more: Any) -> Row:
    """A row of a list as Plex writes it; `key` is filled up to 24 hex digits."""
    full = f"{key:0>24}"
    path = f"/library/metadata/{full}"
    values: Row = {
        "ratingKey": full,
        "guid": f"plex://{media_type}/{full}",
        "key": f"{path}/children" if media_type == "show" else path,
        "type": media_type,
        "title": title,
        "year": year,
        "originallyAvailableAt": f"{year}-03-31" if year else None,
        "addedAt": 954460800,
        "thumb": f"https://image.example.test/{full}.jpg",
        "publicPagesURL": f"https://watch.plex.tv/{media_type}/{title.lower().replace(' ', '-')}",
        "contentRating": "PG-13",
        "userState": False,
        "Guid": [{"id": f"imdb://tt{int(full, 16) % 10**7:07}"}, {"id": f"tmdb://{int(full, 16) % 10**6 + 1}"}],
    }
    return {name: value for name, value in (values | more).items() if value is not None}
