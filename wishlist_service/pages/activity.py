"""Activity: what happened day by day, and the last syncs."""

import json
from itertools import groupby
from typing import Any, Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import SyncRunning
from wishlist_service.pages.runs import list_told_runs
from wishlist_service.pages.wall import MAXIMUM_PEOPLE
from wishlist_service.queries import events, sync_runs, users
from wishlist_service.web.actions import begin_sync
from wishlist_service.web.context import read
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import make_cursor, read_event_cursor, read_user_ids

_MAXIMUM_LINES: Final = 50
_MAXIMUM_RUNS: Final = 10

bp = Blueprint("activity", __name__)


@bp.get("/activity")
def show() -> ResponseReturnValue:
    """Return the page. It is never cached, because a sync changes it without the wishlist."""
    return _page()


@bp.post("/activity")
def sync_now() -> ResponseReturnValue:
    """Start a sync of everyone, and lead back to the page."""
    try:
        begin_sync()
    except SyncRunning as running:
        return _page(refused=f"{running} Wait for it to end. It may have done what you want."), 409
    return redirect(url_for(".show"), 303)


def _page(*, refused: str = "") -> str:
    query = Fields.from_query(request)
    [user_id] = read_user_ids(query) or [None]
    after = read_event_cursor(query, order="desc")
    query.done()

    page = read(events.list_diary, user_id=user_id, before=after and after.id, limit=_MAXIMUM_LINES)
    lines: list[dict[str, Any]] = json.loads(page.items_json)
    runs = list_told_runs(_MAXIMUM_RUNS)
    return render_template(
        "activity.html",
        refused=refused,
        running=[run for run in runs if run.is_running],
        ended=[run for run in runs if not run.is_running],
        next_run_at=read(sync_runs.find_next_run),
        people=read(users.list_users, active=None, limit=MAXIMUM_PEOPLE, offset=0),
        user_id=user_id,
        days=[(day, [*of_day]) for day, of_day in groupby(lines, lambda line: line["event"]["happened_at"][:10])],
        is_first=after is None,
        older=make_cursor("events", "desc", page.last) if page.last and page.more else "",
    )
