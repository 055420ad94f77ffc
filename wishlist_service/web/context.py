"""What the views work with, made once by create_app and found through the running app."""

import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
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
from wishlist_service.queries.users import list_missing_user_ids
from wishlist_service.queries.wishlist import get_generation
from wishlist_service.tokens import TokenCipher
from wishlist_service.web.fields import LARGEST_ID, Fields
from wishlist_service.web.replies import Kept, Replies
from wishlist_service.web.wrong_keys import WrongKeys

READING: Final = ("GET", "HEAD", "OPTIONS")
PAGES: Final = "site."
"""What the endpoints of pages begin with."""
SKIPPED: Final = "X-Wishlist-Skipped"

Params = ParamSpec("Params")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parts:
    """The parts of one web process; `pool` is closed until the process has forked."""

    config: Config
    pool: db.Pool
    cipher: TokenCipher
    links: Links
    stop: threading.Event
    wrong_keys: WrongKeys
    replies: Replies

    @cached_property
    def plex(self) -> PlexClient:
        """Made when first needed, for it shows Plex an identifier that the database holds."""
        identifier = db.read(self.pool, get_client_identifier)
        return PlexClient(self.config, client_identifier=identifier, stop=self.stop)


def parts() -> Parts:
    """The parts of the app that handles this request."""
    return current_app.extensions["wishlist"]


def is_page() -> bool:
    """Whether the request is for a page, which speaks HTML and knows who is signed in; the API does neither."""
    return (request.endpoint or "").startswith(PAGES)


def read(
    query: Callable[Concatenate[Connection, Params], Result], *args: Params.args, **kwargs: Params.kwargs
) -> Result:
    """Run a reading query; people's names are hidden in what it gives if the one who asks may not see them."""
    return read_for(parts().pool, g.names_shown, query, *args, **kwargs)


def read_for(
    pool: db.Pool,
    names_shown: bool,
    query: Callable[Concatenate[Connection, Params], Result],
    *args: Params.args,
    **kwargs: Params.kwargs,
) -> Result:
    """The same after the view has ended, while its reply is being sent."""
    if names_shown:
        return db.read(pool, query, *args, **kwargs)

    def read_without_names(conn: Connection) -> Result:
        with conn.transaction():
            locks.hide_names(conn)
            return query(conn, *args, **kwargs)

    return db.read(pool, read_without_names)


def read_user_ids(query: Fields) -> list[int] | None:
    """The people named by the parameter `user`, a fault for each that is nobody; None if it was not given."""
    user_ids = query.integers("user", minimum=1, maximum=LARGEST_ID)
    for user_id in read(list_missing_user_ids, user_ids=user_ids) if user_ids else []:
        query.fault("user", f"{user_id} is nobody's id.")
    return user_ids


def reply(make_body: Callable[[], str | Feed], *, content_type: str = "application/json") -> Response:
    """The reply to a question about the wishlist: 304, the body kept, or what `make_body` gives.

    `make_body` also looks whether the question is a valid one: only that has ever got an ETag.
    """
    generation, question = _generation(), question_of(request.environ, g.names_shown, g.role)
    etag = f"{generation:x}-{zlib.crc32(question.encode()):x}"
    response = Response(content_type=content_type)
    response.set_etag(etag, weak=True)
    if request.if_none_match.contains_weak(etag) and not request.if_none_match.star_tag:
        response.status_code = 304
    else:
        kept = parts().replies.find(generation, question)
        if kept is None:
            kept = _keep(generation, question, make_body)
        elif kept.headers is None:
            g.sent_again = generation, question
        response.data = kept.body
        if kept.skipped is not None:
            response.headers[SKIPPED] = kept.skipped
    return response


def reply_of_this_second(make_body: Callable[[], str]) -> Response:
    """The same where the reply also changes by the clock: the ETag is of what it says."""
    generation = _generation()
    question = f"{int(time.time())} {question_of(request.environ, g.names_shown, g.role)}"
    kept = parts().replies.find(generation, question) or _keep(generation, question, make_body)
    return reply_with(kept.body)


def reply_with(body: bytes) -> Response:
    """The same where more than the wishlist changes it: the ETag is of what it says, nothing is kept."""
    response = Response(body, content_type="application/json")
    response.add_etag(weak=True)
    response.make_conditional(request)
    return response


def keep_whole(response: Response) -> Response:
    """To run after all others: what somebody who needs no key was sent again is kept with its headers for api.front."""
    if "sent_again" in g and request.url_rule and request.method == "GET" and not is_page():
        generation, question = g.sent_again
        headers = response.get_wsgi_headers(request.environ).to_wsgi_list()
        parts().replies.complete(generation, question, headers, request.url_rule.rule)
    return response


def hold_back(response: Response) -> Response:
    """To run after every view: a change is told once no process shows what was before; see Replies."""
    if request.method not in READING and response.status_code < 400:
        time.sleep(parts().replies.shared_seconds)
    return response


def question_of(environ: dict[str, Any], names_shown: bool, role: str) -> str:
    """What a request asks, by whom as far as it matters, and of which version of us."""
    query = environ.get("QUERY_STRING", "")
    if "apikey=" in query:  # what an ETag is made of must not be guessed from it
        query = "&".join(part for part in query.split("&") if not part.startswith("apikey="))
    # with what the address is made of that we were reached under: feeds hold links, and those of a made-up one are for
    # nobody else
    address = f"{environ['wsgi.url_scheme']} {environ.get('HTTP_HOST')} {environ.get('SCRIPT_NAME')}"
    return f"{__version__} {names_shown} {role} {address} {environ['PATH_INFO']}?{query}"


def _generation() -> int:
    return parts().replies.generation(partial(db.read, parts().pool, get_generation))


def _keep(generation: int, question: str, make_body: Callable[[], str | Feed]) -> Kept:
    made = make_body()
    kept = Kept(made.body.encode(), made.skipped) if isinstance(made, Feed) else Kept(made.encode())
    parts().replies.keep(generation, question, kept)
    return kept
