"""What programs that clean up a library must keep: everything that somebody wants, or no list at all."""

from flask import Blueprint, json, request
from flask.typing import ResponseReturnValue

from wishlist_service.errors import FeedNotReady
from wishlist_service.queries.feeds import get_protection, list_protected
from wishlist_service.web.context import read, reply
from wishlist_service.web.fields import Fields

bp = Blueprint("protection", __name__, url_prefix="/feeds")


@bp.get("/protect.json")
def show() -> ResponseReturnValue:
    """Return every title that somebody wants, dismissed ones included.

    This is read before the titles, because a sync that ends in between may only remove what was read just now.
    """
    Fields.from_query(request).done()
    known = read(get_protection)
    if not known.people:
        raise FeedNotReady("No watchlist has been read completely yet, because nobody is here.")
    if known.unread:
        nobody = "" if known.as_of else "No watchlist has been read completely yet. "
        raise FeedNotReady(
            f"{nobody}It is not known what these people want, so nothing is listed and nothing should be deleted: "
            f"{', '.join(known.unread)}."
        )
    head = json.dumps({"complete": not known.unknown, "as_of": known.as_of, "unknown": known.unknown})
    return reply(lambda: f'{head[:-1]}, "items": {read(list_protected)}}}\n', also=head)
