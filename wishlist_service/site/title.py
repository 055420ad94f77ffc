"""One title: what it is, and who wants it."""

import json
from functools import partial
from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from wishlist_service.api.parts import read, reply
from wishlist_service.errors import NotFound
from wishlist_service.queries import wishlist
from wishlist_service.site.wall import HTML
from wishlist_service.site.wording import web_url

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
    return render_template("title.html", item=item, links=_links(item))


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
