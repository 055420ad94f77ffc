"""One title: what it is, who wants it, and what became of that."""

import json
from functools import partial
from typing import Any, Final

from flask import Blueprint, g, render_template
from flask.typing import ResponseReturnValue

from wishlist_service.errors import NotFound
from wishlist_service.pages.wall import HTML
from wishlist_service.pages.wording import web_url
from wishlist_service.queries import events, wishes, wishlist
from wishlist_service.web.context import read, reply

_MOST_EVENTS: Final = 100

bp = Blueprint("title", __name__)


@bp.get("/title/<uid:uids>")
def show(uids: list[str]) -> ResponseReturnValue:
    """The title's page."""
    return reply(partial(_page, uids), content_type=HTML)


def _page(uids: list[str]) -> str:
    document = read(wishlist.find_item, uids=uids)
    if document is None:
        raise NotFound("Nobody here ever wished for this title.")
    item = json.loads(document)
    history = read(events.list_history, user_ids=None, uids=uids, kind=None, since=None, after=None, limit=_MOST_EVENTS)
    return render_template(
        "title.html",
        item=item,
        links=_links(item),
        history=json.loads(history.items_json),
        keepers=read(wishes.list_keepers, uids=uids) if g.role == "admin" else [],
    )


def _links(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Where else the title has a page: name and address."""
    show = item["media_type"] == "show"
    kinds = {
        "IMDb": ("https://www.imdb.com/title/{}/", item["imdb_id"]),
        "TMDB": (f"https://www.themoviedb.org/{'tv' if show else 'movie'}/{{}}", item["tmdb_id"]),
        "TheTVDB": (f"https://www.thetvdb.com/dereferrer/{'series' if show else 'movie'}/{{}}", item["tvdb_id"]),
        "Plex": ("{}", web_url(item["plex_url"])),
    }
    return [(name, address.format(value)) for name, (address, value) in kinds.items() if value]
