"""Activity: what happened, day by day."""

import json
from itertools import groupby
from typing import Any, Final

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.pages.wall import MAXIMUM_PEOPLE
from wishlist_service.queries import events, users
from wishlist_service.web.context import read
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import make_cursor, read_event_cursor, read_user_ids

_MAXIMUM_LINES: Final = 50

bp = Blueprint("activity", __name__)


@bp.get("/activity")
def show() -> ResponseReturnValue:
    """Return the page. It is never cached, because a sync changes it without the wishlist."""
    query = Fields.from_query(request)
    [user_id] = read_user_ids(query) or [None]
    after = read_event_cursor(query, order="desc")
    query.done()

    page = read(events.list_diary, user_id=user_id, before=after and after.id, limit=_MAXIMUM_LINES)
    lines: list[dict[str, Any]] = json.loads(page.items_json)
    return render_template(
        "activity.html",
        people=read(users.list_users, active=None, limit=MAXIMUM_PEOPLE, offset=0, by_name=True),
        user_id=user_id,
        days=[(day, [*of_day]) for day, of_day in groupby(lines, lambda line: line["event"]["happened_at"][:10])],
        is_first=after is None,
        older=make_cursor("events", "desc", page.last) if page.last and page.more else "",
    )
