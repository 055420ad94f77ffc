"""As much of the v3 API of Radarr and Sonarr as their list types "Radarr" and "Sonarr" ask another instance for."""

from typing import Final

from flask import Blueprint, json, request
from flask.typing import ResponseReturnValue

from wishlist_service.feeds.formats import tag_labels
from wishlist_service.feeds.titles import refuse_the_unknown
from wishlist_service.models import Feed
from wishlist_service.queries.feeds import get_movie_library, get_series_library, list_people
from wishlist_service.web.context import read, reply
from wishlist_service.web.fields import Fields
from wishlist_service.web.filters import REPEATABLE, read_filters

_ROOT: Final = "/wishlist"
_ANY: Final = f"{json.dumps([{'id': 1, 'name': 'Any'}])}\n"
_ROOTS: Final = f"{json.dumps([{'id': 1, 'path': _ROOT}])}\n"

bp = Blueprint("arr", __name__, url_prefix="/arr")
bp.before_request(refuse_the_unknown)


@bp.get("/radarr/api/v3/movie")
def list_movies() -> ResponseReturnValue:
    """The movies; `tags` are the people who want one."""
    return reply(_movies)


@bp.get("/sonarr/api/v3/series")
def list_series() -> ResponseReturnValue:
    """The shows; `tags` are the people who want one."""
    return reply(_series)


@bp.get("/radarr/api/v3/tag")
@bp.get("/sonarr/api/v3/tag")
def list_tags() -> ResponseReturnValue:
    """The people."""
    return reply(_tags)


@bp.get("/radarr/api/v3/qualityprofile")
@bp.get("/sonarr/api/v3/qualityprofile")
@bp.get("/sonarr/api/v3/languageprofile")
def list_profiles() -> ResponseReturnValue:
    """There is one."""
    return reply(lambda: _fixed(_ANY))


@bp.get("/radarr/api/v3/rootfolder")
@bp.get("/sonarr/api/v3/rootfolder")
def list_root_folders() -> ResponseReturnValue:
    """There is one."""
    return reply(lambda: _fixed(_ROOTS))


def _movies() -> Feed:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query, media_types=("movie",), missing=("imdb", "tvdb"))
    # what Radarr asks of itself: a movie here has no covers either way
    query.choice("excludeLocalCovers", ("True", "False", "true", "false"), default=None)
    query.done()

    return read(get_movie_library, filters=filters, root=_ROOT)


def _series() -> Feed:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    filters = read_filters(query, media_types=("show",), missing=("imdb", "tmdb"))
    query.done()

    return read(get_series_library, filters=filters, root=_ROOT)


def _tags() -> str:
    Fields.from_query(request).done()
    return f"{json.dumps(tag_labels(read(list_people)))}\n"


def _fixed(body: str) -> str:
    Fields.from_query(request).done()
    return body
