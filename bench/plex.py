"""python -m bench.plex: a simulated Plex, faster than what is measured. Standard library only.

A token names the person and the length of the list: bench-<person>-<titles>-token. Half of a list comes from a
pool that all lists of that length share. Rows are as large as Plex's, about 1.6 kB. Pages have at most 100 rows and
an ETag, and are rendered once.

The other paths are /control/prepare?people=&titles= (renders the lists), /control/latency?ms=, /control/change?token=
(another title takes the place of the newest one) and /control/counts, which starts to count again with ?reset=1.
"""

import asyncio
import hashlib
import json
import random
import re
import time
from collections import Counter
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bench import titles

LIST_PATH = "/library/sections/watchlist/all"
MOST_ROWS = 100
REFUSED = b'{"errors":[{"code":1001,"message":"User could not be authenticated","status":401}]}'


def token(person: int, length: int) -> str:
    """Return the token of a person whose list has so many titles."""
    return f"bench-{person}-{length}-token"


@cache
def numbers(person: int, length: int) -> list[int]:
    """Return the titles of a person's list, newest first."""
    chance = random.Random(person)
    shared = chance.sample(range(length), length // 2)
    own = [1_000_000 + person * 100_000 + number for number in range(length - length // 2)]
    mixed = shared + own
    chance.shuffle(mixed)
    return mixed


@cache
def row(number: int) -> bytes:
    """Return one row, with the external ids that Plex adds when asked."""
    key, kind, title = titles.rating_key(number), titles.media_type(number), titles.title(number)
    year, image = titles.year(number), f"https://images.plex.example/original/{key}"
    slug = re.sub("[^a-z0-9]+", "-", title.lower())
    guids = {"imdb": f"tt{number:07}", "tmdb": number + 1} | ({"tvdb": number + 1} if kind == "show" else {})
    fields: dict[str, Any] = {
        "guid": f"plex://{kind}/{key}",
        "key": f"/library/metadata/{key}" + ("/children" if kind == "show" else ""),
        "ratingKey": key,
        "type": kind,
        "title": title,
        "slug": slug,
        "tagline": f"Nobody knows {title} but those who were there when it began.",
        "studio": f"Studio {number % 300}",
        "art": f"{image}/art.jpg",
        "banner": f"{image}/banner.jpg",
        "thumb": f"{image}/thumb.jpg",
        "publicPagesURL": f"https://watch.plex.example/{kind}/{slug}",
        "addedAt": 1_600_000_000 + number % 100_000_000,
        "duration": 5_400_000 + number % 3_000_000,
        "contentRating": ("G", "PG", "PG-13", "R", "TV-MA")[number % 5],
        "rating": number % 100 / 10,
        "ratingImage": "rottentomatoes://image.rating.ripe",
        "audienceRating": number // 7 % 100 / 10,
        "audienceRatingImage": "rottentomatoes://image.rating.upright",
        "imdbRatingCount": number % 500_000,
        "userState": False,
        "Image": [
            {"alt": title, "type": shape, "url": f"{image}/{shape}.jpg"}
            for shape in ("background", "banner", "clearLogo", "coverArt", "coverPoster", "coverSquare")
        ],
        "Guid": [{"id": f"{source}://{value}"} for source, value in guids.items()],
    }
    if year:
        fields |= {"year": year, "originallyAvailableAt": f"{year}-{number % 12 + 1:02}-{number % 28 + 1:02}"}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


@cache
def page(person: int, length: int, start: int, size: int, changes: int = 0) -> tuple[bytes, str]:
    """Return a page and its ETag. changes: how often another title has taken the place of the newest one."""
    newest = [9_000_000 + changes] if changes else numbers(person, length)[:1]
    rows = [row(number) for number in [*newest, *numbers(person, length)[1:]][start : start + size]]
    head = {"librarySectionID": "watchlist", "offset": start, "totalSize": length, "size": len(rows)}
    body = json.dumps({"MediaContainer": head}).encode()[:-2] + b',"Metadata":[' + b",".join(rows) + b"]}}"
    return body, f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'


class SimulatedPlex:
    """Its settings and its counts."""

    def __init__(self) -> None:
        self.latency_seconds = 0.0
        self.requests = 0
        self.reads: Counter[str] = Counter()  # requests for the first page of a list, by token
        self.changes: Counter[str] = Counter()  # of the list, by token
        self.first_read = self.last_read = 0.0

    def answer(self, path: str, query: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes, str]:
        """Return status, body and ETag for a request."""
        if path.startswith("/control/"):
            return 200, json.dumps(self._obey(path, query)).encode(), ""
        self.requests += 1
        asked = headers | {name.lower(): value for name, value in query.items()}
        owner = re.fullmatch(r"bench-(\d+)-(\d+)-token", asked.get("x-plex-token", ""))
        if not owner:
            return 401, REFUSED, ""
        person, length = int(owner[1]), int(owner[2])
        if path == LIST_PATH:
            return self._list(person, length, owner[0], asked)
        if path == "/api/v2/user":
            account = {"uuid": f"{person:08x}{length:08x}", "username": f"person{person}", "title": f"Person {person}"}
            return 200, json.dumps(account).encode(), ""
        return (200, b'{"pong":true}', "") if path == "/api/v2/ping" else (404, b"{}", "")

    def _list(self, person: int, length: int, whose: str, asked: dict[str, str]) -> tuple[int, bytes, str]:
        start, size = int(asked.get("x-plex-container-start", 0)), int(asked.get("x-plex-container-size", 20))
        if size > MOST_ROWS:
            return 400, b"{}", ""
        if start == 0:
            self.last_read = time.monotonic()
            self.first_read = self.first_read or self.last_read
            self.reads[whose] += 1
        body, etag = page(person, length, start, size, self.changes[whose])
        return (304, b"", etag) if asked.get("if-none-match") == etag else (200, body, etag)

    def _obey(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        if path == "/control/prepare":
            for person in range(int(query["people"])):
                for start in range(0, int(query["titles"]), MOST_ROWS):
                    page(person, int(query["titles"]), start, MOST_ROWS)
        if path == "/control/change":
            self.changes[query["token"]] += 1
        if path == "/control/latency":
            self.latency_seconds = float(query["ms"]) / 1000
        counted = {
            "requests": self.requests,
            "people_by_reads": Counter(self.reads.values()),
            "seconds": self.last_read - self.first_read,
        }
        if "reset" in query:
            self.requests, self.first_read = 0, 0.0
            self.reads.clear()
        return counted


class Connection(asyncio.Protocol):
    """One client's connection. Requests have no body and come one after another."""

    def __init__(self, plex: SimulatedPlex) -> None:
        self._plex = plex
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what arrived."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            line, *rest = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
            target = urlsplit(line.split(" ")[1])
            reply = self._plex.answer(target.path, dict(parse_qsl(target.query)), headers)
            delay = 0 if target.path.startswith("/control/") else self._plex.latency_seconds
            if delay:
                asyncio.get_running_loop().call_later(delay, self._send, *reply)
            else:
                self._send(*reply)

    def _send(self, status: int, body: bytes, etag: str) -> None:
        tag = f"ETag: {etag}\r\n" if etag else ""
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if status != 304 else ""
        self._transport.write(f"HTTP/1.1 {status} Simulated\r\n{tag}{kind}\r\n".encode() + body)


async def serve() -> None:
    """Serve on a free port and print the address."""
    plex = SimulatedPlex()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(plex), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
