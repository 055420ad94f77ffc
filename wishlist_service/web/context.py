"""What the views work with: made once by create_app, found through the running app."""

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from flask import Response, current_app, g, request
from psycopg import Connection

from wishlist_service import __version__, db
from wishlist_service.config import Config
from wishlist_service.models import Feed
from wishlist_service.people.sign_ins import Links
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import locks
from wishlist_service.queries.sync_users import get_client_identifier
from wishlist_service.queries.wishlist import get_generation
from wishlist_service.tokens import TokenCipher
from wishlist_service.web.compression import SUFFIX, gzip_accepted
from wishlist_service.web.recent import Recent
from wishlist_service.web.response_cache import ResponseCache

READING: Final = ("GET", "HEAD", "OPTIONS")
SKIPPED: Final = "X-Wishlist-Skipped"
LONGEST_QUERY: Final = 1024
LONGEST_HOST: Final = 255

Params = ParamSpec("Params")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Context:
    """What the views of one web process share. `pool` is closed until the process has forked."""

    config: Config
    pool: db.Pool
    cipher: TokenCipher
    links: Links
    stop: threading.Event
    recent: Recent
    cache: ResponseCache

    @cached_property
    def plex(self) -> PlexClient:
        """Made at the first use, because the client identifier is read from the database."""
        identifier = db.read(self.pool, get_client_identifier)
        return PlexClient(self.config, client_identifier=identifier, stop=self.stop)


def context() -> Context:
    """Return the context of the app that handles this request."""
    return current_app.extensions["wishlist"]


def read(
    query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **kwargs: Params.kwargs
) -> Result:
    """Run a reading query. People's names are hidden in its result if the caller may not see them."""
    return read_for(context().pool, g.names_shown, query, *args, **kwargs)


def read_for(
    pool: db.Pool,
    names_shown: bool,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """Do the same after the view has ended, while its reply is being sent."""
    if names_shown:
        return db.read(pool, query, *args, **kwargs)

    def read_without_names(conn: Connection) -> Result:
        with conn.transaction():
            locks.hide_names(conn)
            return query(conn, *args, **kwargs)

    return db.read(pool, read_without_names)


def reply(
    make_body: Callable[[], str | Feed], *, content_type: str = "application/json", also: object = ""
) -> Response:
    """Return the reply to a request about the wishlist: 304, the cached body, or what `make_body` returns.

    also: what else the body depends on, like the time.

    Call it after the request was found valid, because an error must not get an ETag or a cached body.
    """
    shared, key = context(), _hash(f"{also}{_question()}")
    # Read for each request, so that the next reply of every process shows a change.
    generation = db.read(shared.pool, get_generation)
    etag = f"{generation:x}-{key.hex()[:16]}"
    response = Response(content_type=content_type)
    response.set_etag(etag, weak=True)
    compressed = gzip_accepted()
    # whether the body is long enough to be compressed is not known before it is made, so the client may have either
    for known in (f"{etag}{SUFFIX}", etag) if compressed else (etag,):
        if request.if_none_match.contains_weak(known) and not request.if_none_match.star_tag:
            response.set_etag(known, weak=True)
            response.status_code = 304
            return response
    cached_as = key + b"gzip" * compressed if _worth_caching() else None
    cached = shared.cache.get(generation, cached_as, make_body, compressed=compressed)
    response.data = cached.body
    if cached.compressed:
        response.headers["Content-Encoding"] = "gzip"
        response.set_etag(f"{etag}{SUFFIX}", weak=True)
    if cached.skipped is not None:
        response.headers[SKIPPED] = cached.skipped
    return response


def reply_of_this_second(make_body: Callable[[], str]) -> Response:
    """Return the same for a body that also changes with time. It is cached for a second; its ETag is of the body."""
    shared, key = context(), _hash(f"{int(time.time())} {_question()}")
    generation = db.read(shared.pool, get_generation)
    return reply_with(shared.cache.get(generation, key if _worth_caching() else None, make_body).body)


def reply_with(body: bytes) -> Response:
    """Return the same for a body that more than the wishlist changes. It is not cached; its ETag is of the body."""
    response = Response(body, content_type="application/json")
    response.add_etag(weak=True)
    return response


def _worth_caching() -> bool:
    """Return whether the request is one that people send again. Others would only fill the cache."""
    environ = request.environ
    return len(environ.get("QUERY_STRING", "")) <= LONGEST_QUERY and len(environ.get("HTTP_HOST", "")) <= LONGEST_HOST


def _hash(question: str) -> bytes:
    return hashlib.sha256(question.encode(errors="surrogateescape")).digest()


def _question() -> str:
    """Return what a reply depends on besides the wishlist: the request, who asks, and our version."""
    environ: dict[str, Any] = request.environ
    query = environ.get("QUERY_STRING", "")
    if "apikey=" in query:  # the ETag is made of this, and must not help to guess a key
        query = "&".join(part for part in query.split("&") if not part.startswith("apikey="))
    # With the address, because feeds hold links: links with a forged host must not reach others.
    address = f"{environ['wsgi.url_scheme']} {environ.get('HTTP_HOST')} {environ.get('SCRIPT_NAME')}"
    # A page has buttons for who may press them. The API says the same to everybody who may see names.
    reader = f"{g.role} {g.user_id} {g.get('me')}" if "is_page" in g else ""
    return f"{__version__} {g.names_shown} {reader} {address} {environ['PATH_INFO']}?{query}"
