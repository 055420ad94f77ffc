"""Lists that other programs subscribe to, each in the form that program reads."""

from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from wishlist_service.feeds import formats
from wishlist_service.feeds.titles import every_title, newest_titles, refuse_the_unknown
from wishlist_service.models import Feed, WishlistFilter
from wishlist_service.queries.feeds import get_radarr_movies, get_sonarr_shows
from wishlist_service.web.context import read, reply
from wishlist_service.web.fields import Fields
from wishlist_service.web.filters import REPEATABLE, read_filters

_RSS: Final = "application/rss+xml; charset=utf-8"
_NEWS: Final = 50

bp = Blueprint("feeds", __name__, url_prefix="/feeds")
bp.before_request(refuse_the_unknown)


@bp.get("/radarr.json")
def list_radarr_movies() -> ResponseReturnValue:
    """The movies, for Radarr's "Custom Lists"."""
    return reply(_radarr_movies)


@bp.get("/sonarr.json")
def list_sonarr_shows() -> ResponseReturnValue:
    """The shows, for Sonarr's "Custom List"."""
    return reply(_sonarr_shows)


@bp.get("/watchlist.xml")
def list_plex_rss() -> ResponseReturnValue:
    """Both, as Plex's own RSS looks."""
    return reply(
        lambda: formats.plex_rss(every_title(_filters()), home=request.root_url, address=_address()), content_type=_RSS
    )


@bp.get("/kometa.yml")
def list_kometa_collections() -> ResponseReturnValue:
    """Collections for Kometa."""
    return reply(_kometa, content_type="application/yaml")


@bp.get("/calendar.ics")
def list_releases() -> ResponseReturnValue:
    """When titles come out."""
    return reply(_calendar, content_type="text/calendar; charset=utf-8")


@bp.get("/new.rss")
def list_news_as_rss() -> ResponseReturnValue:
    """What was added, for feed readers."""
    return reply(
        lambda: formats.news_rss(_news(), home=request.root_url, address=_address()),
        content_type=_RSS,
    )


@bp.get("/new.json")
def list_news_as_json() -> ResponseReturnValue:
    """The same as a JSON Feed."""
    return reply(
        lambda: formats.news_json(_news(), home=request.root_url, address=_address()),
        content_type="application/feed+json",
    )


def _radarr_movies() -> Feed:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query, media_types=("movie",), missing=("imdb", "tvdb"))
    query.done()

    return read(get_radarr_movies, filters=filters)


def _sonarr_shows() -> Feed:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query, media_types=("show",), missing=("imdb", "tmdb"))
    query.done()

    return read(get_sonarr_shows, filters=filters)


def _kometa() -> Feed:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query)
    # Kometa appends ".yml" to an address that ends in anything else, a key say: &x=.yml ends it harmlessly
    query.choice("x", (".yml", ".yaml"), default=None)
    query.done()

    return formats.kometa(every_title(filters))


def _calendar() -> Feed:
    # Not above: it takes 3 MB of each worker, and most households subscribe to no calendar.
    from wishlist_service.feeds.calendar import calendar

    return calendar(every_title(_filters()))


def _news() -> list[formats.Title]:
    return [*newest_titles(_filters(), maximum=_NEWS)]


def _filters() -> WishlistFilter:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query)
    query.done()
    return filters


def _address() -> str:
    """Where this feed was asked for, without the key."""
    query = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "apikey"])
    return f"{request.base_url}?{query}" if query else request.base_url
