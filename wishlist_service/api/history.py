"""What changed: the history for people, and the changes for programs that follow them."""

import json
from datetime import UTC, datetime
from typing import Final

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from wishlist_service.models import EventPlace
from wishlist_service.queries import events
from wishlist_service.web.context import read, reply
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import make_cursor, read_event_cursor, read_user_ids
from wishlist_service.web.paths import uids_meant

bp = Blueprint("history", __name__, url_prefix="/api")

_BEGINNING: Final = EventPlace(happened_at=datetime(1970, 1, 1, tzinfo=UTC), id=0)
_FROM_BEGINNING: Final = make_cursor("events", "asc", [_BEGINNING.happened_at.isoformat(), _BEGINNING.id])


@bp.get("/history")
def list_history() -> ResponseReturnValue:
    """Return a page of what changed, newest first."""
    query = Fields.from_query(request, repeatable="user")
    user_ids = read_user_ids(query)
    item = query.optional_text("item", maximum=200)
    kind = query.choice("kind", ("added", "removed", "came_back"), default=None)
    since = query.moment("since")
    after = read_event_cursor(query, order="desc")
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    uids = uids_meant(item) if item else None
    if item and not uids:
        query.error("item", "must be the uid of a title, like plex://movie/5d7768a1c4d3b2001f0a11e1.")
    query.done()

    def body() -> str:
        page = read(events.list_history, user_ids=user_ids, uids=uids, kind=kind, since=since, after=after, limit=limit)
        follows = make_cursor("events", "desc", page.last) if page.last and page.more else None
        return f'{{"items":{page.items_json},{json.dumps({"limit": limit, "next": follows})[1:]}\n'

    return reply(body)


@bp.get("/changes")
def list_changes() -> ResponseReturnValue:
    """Return what changed after a cursor, oldest first."""
    query = Fields.from_query(request)
    after = read_event_cursor(query, order="asc") or _BEGINNING
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    query.done()

    def body() -> str:
        page = read(events.list_changes, after=after, limit=limit)
        # After an empty page, the next one starts at the same place.
        follows = make_cursor("events", "asc", page.last) if page.last else request.args.get("after", _FROM_BEGINNING)
        return f'{{"items":{page.items_json},{json.dumps({"limit": limit, "next": follows, "more": page.more})[1:]}\n'

    return reply(body)
