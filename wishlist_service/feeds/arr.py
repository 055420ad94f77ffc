"""The part of Radarr's and Sonarr's API v3 that their list types "Radarr" and "Sonarr" read from another instance."""

from typing import Final

from flask import Blueprint, json, request
from flask.typing import ResponseReturnValue

from wishlist_service.feeds.formats import tag_labels
from wishlist_service.feeds.titles import require_feed_ready
from wishlist_service.queries.feeds import get_arr_titles, list_people
from wishlist_service.web.context import read, reply
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import read_feed_filters

_ROOT: Final = "/wishlist"
_ANY: Final = f"{json.dumps([{'id': 1, 'name': 'Any'}])}\n"
_ROOTS: Final = f"{json.dumps([{'id': 1, 'path': _ROOT}])}\n"

bp = Blueprint("arr", __name__, url_prefix="/arr")
bp.before_request(require_feed_ready)


@bp.get("/radarr/api/v3/movie")
def list_movies() -> ResponseReturnValue:
    """Return the movies. `tags` are the people who want one."""
    # Radarr sends this. It changes nothing here, because the movies have no covers.
    ignored = {"excludeLocalCovers": ("True", "False", "true", "false")}
    filters = read_feed_filters(media_types=("movie",), missing=("imdb", "tvdb"), ignored=ignored)
    return reply(lambda: read(get_arr_titles, filters=filters, root=_ROOT))


@bp.get("/sonarr/api/v3/series")
def list_series() -> ResponseReturnValue:
    """Return the shows. `tags` are the people who want one."""
    filters = read_feed_filters(media_types=("show",), missing=("imdb", "tmdb"))
    return reply(lambda: read(get_arr_titles, filters=filters, root=_ROOT))


@bp.get("/radarr/api/v3/tag")
@bp.get("/sonarr/api/v3/tag")
def list_tags() -> ResponseReturnValue:
    """Return the people."""
    Fields.from_query(request).done()
    return reply(lambda: f"{json.dumps(tag_labels(read(list_people)))}\n")


@bp.get("/radarr/api/v3/qualityprofile")
@bp.get("/sonarr/api/v3/qualityprofile")
@bp.get("/sonarr/api/v3/languageprofile")
def list_profiles() -> ResponseReturnValue:
    """Return the only profile."""
    Fields.from_query(request).done()
    return reply(lambda: _ANY)


@bp.get("/radarr/api/v3/rootfolder")
@bp.get("/sonarr/api/v3/rootfolder")
def list_root_folders() -> ResponseReturnValue:
    """Return the only root folder."""
    Fields.from_query(request).done()
    return reply(lambda: _ROOTS)
