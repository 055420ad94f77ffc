"""New: what came onto the wall in the last seven days, by day. And what came to the media server this month."""

import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.queries import events
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import Fields

COOKIE: Final = "wishlist_new_seen"
_DAYS: Final = 7
_MAXIMUM: Final = 300
_SECONDS: Final = 400 * 24 * 3600  # the longest that browsers keep a cookie

bp = Blueprint("new", __name__)


@bp.get("/new")
def show() -> ResponseReturnValue:
    """Return the page, on which what is new since the last visit is marked. It is never cached."""
    Fields.from_query(request).done()
    now = datetime.now().astimezone()
    since = datetime.combine(now.date() - timedelta(days=_DAYS - 1), datetime.min.time()).astimezone()
    news: list[dict[str, Any]] = json.loads(read(events.list_news, since=since, limit=_MAXIMUM))
    reply = make_response(render_template("new.html", days=_by_day(news, _last_visit(), now.date())))
    return _remember_visit(reply)


@bp.get("/arrived")
def show_arrived() -> ResponseReturnValue:
    """Return the page of the titles that came to the media server, by default this month. It is never cached."""
    query = Fields.from_query(request)
    since = query.moment("since") or start_of_month()
    query.done()
    news: list[dict[str, Any]] = json.loads(read(events.list_arrived, since=since, limit=_MAXIMUM))
    never = datetime.max.replace(tzinfo=UTC)
    return render_template("arrived.html", days=_by_day(news, never, datetime.now().astimezone().date()), since=since)


def start_of_month() -> datetime:
    """Return the first moment of this month in the service's time zone."""
    return datetime.combine(datetime.now().date().replace(day=1), datetime.min.time()).astimezone()


def _by_day(news: list[dict[str, Any]], last_visit: datetime, today: date) -> list[dict[str, Any]]:
    """Return the days of the service's time zone, the newest first, each with its titles and who joined."""
    days: dict[date, dict[str, Any]] = {}
    for each in news:
        moment = datetime.fromisoformat(each["happened_at"])
        day = moment.astimezone().date()
        of_day = days.setdefault(day, {"heading": _heading(day, today), "titles": {}, "joined": []})
        if each["kind"] == "joined":
            of_day["joined"].append(each)
            continue
        title = of_day["titles"].setdefault(each["item"]["id"], {"item": each["item"], "is_new": False, "news": []})
        title["news"].append(each)
        title["is_new"] |= moment > last_visit
    return list(days.values())


def _heading(day: date, today: date) -> str:
    named = {today: "Today", today - timedelta(days=1): "Yesterday"}
    return named.get(day) or f"{day:%A}, {day.day} {day:%B}"


def _last_visit() -> datetime:
    """Return when this browser last opened the page; far in the future if it never did, so that nothing is marked."""
    text = request.cookies.get(COOKIE, "")
    known = text.isascii() and text.isdigit() and len(text) < 11
    return datetime.fromtimestamp(int(text), UTC) if known else datetime.max.replace(tzinfo=UTC)


def _remember_visit(reply: Response) -> Response:
    reply.set_cookie(
        COOKIE,
        str(int(time.time())),
        max_age=_SECONDS,
        path=context().config.url_base or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )
    return reply
