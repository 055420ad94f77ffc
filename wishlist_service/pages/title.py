"""One title: what it is, who wants it, what happened, and what the admin can do about it."""

import json
from functools import partial
from typing import Any, Final

from flask import Blueprint, g, get_template_attribute, redirect, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.errors import NotFound, PlexAway
from wishlist_service.pages.sign_in import local_path
from wishlist_service.pages.wall import HTML
from wishlist_service.pages.wording import poster, title_address, web_url
from wishlist_service.queries import events, media_server, wishes, wishlist
from wishlist_service.web import actions
from wishlist_service.web.auth import needs_admin, needs_person
from wishlist_service.web.context import read, reply
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import REPEATABLE, item_json, read_user_ids

_MAXIMUM_EVENTS: Final = 100

bp = Blueprint("title", __name__, url_prefix="/title/<uid:uids>")


@bp.get("")
def show(uids: list[str]) -> ResponseReturnValue:
    """Return the title's page."""
    return reply(partial(_page, uids), content_type=HTML)


@bp.post("/dismiss")
def dismiss(uids: list[str]) -> ResponseReturnValue:
    """Dismiss the title."""
    to_title = _to_title(uids)
    actions.set_dismissed(uids, dismissed=True)
    return to_title


@bp.post("/restore")
def restore(uids: list[str]) -> ResponseReturnValue:
    """Undo it."""
    to_title = _to_title(uids)
    actions.set_dismissed(uids, dismissed=False)
    return to_title


@bp.post("/want")
@needs_person
def want(uids: list[str]) -> ResponseReturnValue:
    """Put the title on the watchlist of the person who is signed in."""
    return _change_own_watchlist(uids, wanted=True)


@bp.post("/unwant")
@needs_person
def unwant(uids: list[str]) -> ResponseReturnValue:
    """Take it off that watchlist."""
    return _change_own_watchlist(uids, wanted=False)


@bp.get("/watchlists")
@needs_admin
def ask(uids: list[str]) -> ResponseReturnValue:
    """Return the page that says what taking the title off watchlists would do, with the button that does it."""
    return _outcomes_page(uids, dry_run=True)


@bp.post("/watchlists")
def take_off(uids: list[str]) -> ResponseReturnValue:
    """Take the title off the watchlists of the people in the query string, and return the outcome for each.

    The page before named these people. Sending it again does no harm.
    """
    return _outcomes_page(uids, dry_run=False)


@bp.post("/wishes/<id:user_id>/end")
def end_kept_wish(uids: list[str], user_id: int) -> ResponseReturnValue:
    """End a wish that is kept although the title is off the person's watchlist."""
    to_title = _to_title(uids)
    actions.end_kept_wish(uids, user_id)
    return to_title


def _page(uids: list[str]) -> str:
    document = read(wishlist.find_item, uids=uids)
    if document is None:
        raise NotFound("No one here has ever wanted this title.")
    item = json.loads(document)
    history = read(
        events.list_history, user_ids=None, uids=uids, kind=None, since=None, after=None, limit=_MAXIMUM_EVENTS
    )
    return render_template(
        "title.html",
        item=item,
        sources=sorted(item["sources"], key=lambda source: (source["removed_at"] is not None, source["name"].lower())),
        play_url=read(media_server.list_play_urls, item_ids=[item["id"]]).get(item["id"]),
        backdrop=poster(item["backdrop_url"], 1280),
        links=_links(item),
        history=json.loads(history.items_json),
        keepers=read(wishes.list_keepers, uids=uids) if g.role == "admin" else [],
    )


def _links(item: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the title's pages elsewhere: name and address."""
    show = item["media_type"] == "show"
    sites = {
        "IMDb": ("https://www.imdb.com/title/{}/", item["imdb_id"]),
        "TMDB": (f"https://www.themoviedb.org/{'tv' if show else 'movie'}/{{}}", item["tmdb_id"]),
        "TheTVDB": (f"https://www.thetvdb.com/dereferrer/{'series' if show else 'movie'}/{{}}", item["tvdb_id"]),
        "Plex": ("{}", web_url(item["plex_url"])),
    }
    return [(name, address.format(value)) for name, (address, value) in sites.items() if value]


def _outcomes_page(uids: list[str], *, dry_run: bool) -> ResponseReturnValue:
    query = Fields.from_query(request, repeatable=REPEATABLE)
    user_ids = read_user_ids(query)
    if not (dry_run or user_ids):
        query.error("user", "is missing. Name the people whose watchlists are changed.")
    query.done()

    item = json.loads(item_json(uids))
    outcomes, all_failed = actions.take_off(uids, user_ids, dry_run=dry_run)
    page = render_template("watchlists.html", item=item, outcomes=outcomes, asking=dry_run)
    return page, 502 if all_failed else 200


def _change_own_watchlist(uids: list[str], *, wanted: bool) -> ResponseReturnValue:
    """Lead back to the page of the button, at the title. With the field `show`, return the new card of the title."""
    try:
        actions.change_own_watchlist(uids, wanted=wanted)
    except PlexAway as error:
        # 422, because proxies replace the page of a 502 with their own
        problem = {"status": 422, "detail": str(error)}
        return render_template("problem.html", heading="Your watchlist was not changed", problem=problem), 422
    item = json.loads(item_json(uids))
    if request.form.get("show") == "card":
        return str(get_template_attribute("cards.html", "card")(item, request.script_root, 0))
    return redirect(f"{request.script_root}{local_path(request.form.get('next', ''))}#t{item['id']}", 303)


def _to_title(uids: list[str]) -> ResponseReturnValue:
    """Return a redirect to the title's page. Raises NotFound if there is none."""
    return redirect(title_address(json.loads(item_json(uids))["uid"]), 303)
