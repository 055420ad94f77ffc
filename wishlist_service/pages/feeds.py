"""Feeds: which programs can read the wishlist, what to enter in them, and what each feed answers now."""

from functools import partial
from typing import Final, NamedTuple
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from wishlist_service.models import WishlistFilter
from wishlist_service.pages.wall import list_people
from wishlist_service.web.auth import reading_is_open
from wishlist_service.web.context import context
from wishlist_service.web.fields import LARGEST_ID, Fields
from wishlist_service.web.listing import MEDIA_TYPES, REPEATABLE, read_user_ids

# What of the filters each address takes: those of Radarr and Sonarr have one media type, and people as tags.
_FIXED_TYPE: Final = ("feeds/radarr.json", "feeds/sonarr.json", "feeds/kometa.yml", "export/letterboxd.csv")
_UNFILTERED: Final = ("arr/radarr", "arr/sonarr", "api/summary")
_TESTED: Final = {"arr/radarr": "arr/radarr/api/v3/movie", "arr/sonarr": "arr/sonarr/api/v3/series"}
_DOWNLOADS: Final = tuple(
    f"export/{name}" for name in ("letterboxd.csv", "trakt.csv", "imdb.csv", "wishlist.csv", "wishlist.json")
)
_FEEDS: Final = ("feeds/watchlist.xml", "feeds/calendar.ics", "feeds/new.rss", "feeds/new.json")
_PATHS: Final = (*_FEEDS, *_FIXED_TYPE, *_UNFILTERED, *_DOWNLOADS)
_LONGEST: Final = 2000

bp = Blueprint("feeds", __name__)


class Answer(NamedTuple):
    """What a feed answers now, and which: its path and query."""

    asked: str
    status: int
    content_type: str
    text: str
    cut: bool


@bp.get("/feeds")
def show() -> ResponseReturnValue:
    """Return the page. Its addresses start like its own, and hold the name of the key in place of a key."""
    config = context().config
    given = [pair for pair in request.args.items(multi=True) if pair[0] != "apikey"]
    if any(value == "" for _, value in given):  # a form sends every field
        filled = urlencode([(name, value) for name, value in given if value != ""])
        return redirect(f"{url_for('.show', tv=None)}?{filled}".rstrip("?"))
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = WishlistFilter(
        user_ids=read_user_ids(query),
        media_type=query.choice("media_type", MEDIA_TYPES, default=None),
        min_wanted=query.integer("min_wanted", minimum=1, maximum=LARGEST_ID),
    )
    tested = query.optional_text("test", maximum=500)
    query.done()
    return render_template(
        "feeds.html",
        root=request.root_url,
        needs_key=not reading_is_open(config),
        has_read_key=bool(config.read_api_key),
        names_shown=config.names == "all",
        filters=filters,
        people=list_people(filters.user_ids or []),
        query_of=partial(_query_of, filters=filters),
        chosen="&".join(filter(None, (_encode(filters, with_type=True), g.tv and "tv=1"))),
        answer=_test(tested) if tested else None,
    )


@bp.get("/feeds/download/<path:path>")
def download(path: str) -> ResponseReturnValue:
    """Return a download to a browser that is signed in, which has no key to send."""
    if path not in _DOWNLOADS:
        raise NotFound
    return _ask(path, request.query_string.decode())


def _query_of(path: str, *, filters: WishlistFilter) -> str:
    if path in _UNFILTERED:
        return ""
    return _encode(filters, with_type=path not in _FIXED_TYPE)


def _encode(filters: WishlistFilter, *, with_type: bool) -> str:
    pairs: list[tuple[str, object]] = [("user", each) for each in filters.user_ids or []]
    pairs += [("media_type", filters.media_type)] if with_type and filters.media_type else []
    pairs += [("min_wanted", filters.min_wanted)] if filters.min_wanted else []
    return urlencode(pairs)


def _test(asked: str) -> Answer:
    """Return what the feed answers now. Raises NotFound for another path."""
    path, _, query = asked.partition("?")
    if path not in _PATHS:
        raise NotFound
    reply = _ask(_TESTED.get(path, path), query)
    text = reply.get_data(as_text=True)
    return Answer(asked, reply.status_code, reply.content_type or "", text[:_LONGEST], len(text) > _LONGEST)


def _ask(path: str, query: str) -> Response:
    """Return the reply of our own API, asked with the key that may read, or as this browser if there is none."""
    config = context().config
    headers = MultiDict({"X-API-Key": config.read_api_key} if config.read_api_key else {})
    if not (reading_is_open(config) or config.read_api_key):
        headers["Cookie"] = request.headers.get("Cookie", "")
    with current_app.test_request_context(f"/{path}", base_url=request.root_url, query_string=query, headers=headers):
        return current_app.full_dispatch_request()
