"""Lists that other programs subscribe to, each in the format of that program."""

from typing import Final
from urllib.parse import urlencode

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from wishlist_service.feeds import formats
from wishlist_service.feeds.calendar import calendar
from wishlist_service.feeds.titles import every_title, newest_titles, require_feed_ready
from wishlist_service.queries.feeds import get_arr_titles
from wishlist_service.web.context import read, reply
from wishlist_service.web.listing import read_feed_filters

_RSS: Final = "application/rss+xml; charset=utf-8"
_NEWS: Final = 50

bp = Blueprint("feeds", __name__, url_prefix="/feeds")
bp.before_request(require_feed_ready)


@bp.get("/radarr.json")
def list_radarr_movies() -> ResponseReturnValue:
    """Return the movies for Radarr's "Custom Lists"."""
    filters = read_feed_filters(media_types=("movie",), missing=("imdb", "tvdb"))
    return reply(lambda: read(get_arr_titles, filters=filters))


@bp.get("/sonarr.json")
def list_sonarr_shows() -> ResponseReturnValue:
    """Return the shows for Sonarr's "Custom List"."""
    filters = read_feed_filters(media_types=("show",), missing=("imdb", "tmdb"))
    return reply(lambda: read(get_arr_titles, filters=filters))


@bp.get("/watchlist.xml")
def list_plex_rss() -> ResponseReturnValue:
    """Return both in the form of Plex's own RSS feed."""
    filters = read_feed_filters()
    return reply(
        lambda: formats.plex_rss(every_title(filters), home=request.root_url, address=_address()), content_type=_RSS
    )


@bp.get("/kometa.yml")
def list_kometa_collections() -> ResponseReturnValue:
    """Return collections for Kometa."""
    # Kometa appends ".yml" to an address with another ending, for example to a key. &x=.yml prevents that.
    filters = read_feed_filters(ignored={"x": (".yml", ".yaml")})
    return reply(lambda: formats.kometa(every_title(filters)), content_type="application/yaml")


@bp.get("/calendar.ics")
def list_releases() -> ResponseReturnValue:
    """Return a calendar of release dates."""
    filters = read_feed_filters()
    return reply(lambda: calendar(every_title(filters)), content_type="text/calendar; charset=utf-8")


@bp.get("/new.rss")
def list_news_as_rss() -> ResponseReturnValue:
    """Return additions for feed readers."""
    filters = read_feed_filters()
    return reply(
        lambda: formats.news_rss(newest_titles(filters, maximum=_NEWS), home=request.root_url, address=_address()),
        content_type=_RSS,
    )


@bp.get("/new.json")
def list_news_as_json() -> ResponseReturnValue:
    """Return additions as a JSON Feed."""
    filters = read_feed_filters()
    return reply(
        lambda: formats.news_json(newest_titles(filters, maximum=_NEWS), home=request.root_url, address=_address()),
        content_type="application/feed+json",
    )


def _address() -> str:
    """Return the address of this feed without the key."""
    query = urlencode([(name, value) for name, value in request.args.items(multi=True) if name != "apikey"])
    return f"{request.base_url}?{query}" if query else request.base_url
