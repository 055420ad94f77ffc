"""The shared wishlist, and what people decide about its titles."""

from functools import partial

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.queries import wishlist
from wishlist_service.web import actions
from wishlist_service.web.context import read, reply, reply_of_this_second, reply_with
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import REPEATABLE, item_json, list_page, read_listing, read_user_ids
from wishlist_service.web.problems import Problem, problem_document

bp = Blueprint("wishlist", __name__, url_prefix="/api")


@bp.get("/wishlist")
def list_items() -> ResponseReturnValue:
    """Return a page of the wishlist."""
    return reply(partial(list_page, read_listing()))


@bp.get("/wishlist/<uid:uids>")
def get_item(uids: list[str]) -> ResponseReturnValue:
    """Return one item, with everyone who wants or wanted it."""
    return reply(partial(item_json, uids))


@bp.get("/wishlist/stats/summary")
def get_stats() -> ResponseReturnValue:
    """Return the wishlist in numbers."""
    return reply_of_this_second(lambda: f"{read(wishlist.get_stats)}\n")


@bp.get("/summary")
def get_summary() -> ResponseReturnValue:
    """Return flat numbers and the latest titles, for dashboards."""
    return reply_with(f"{read(wishlist.get_summary)}\n".encode())


@bp.patch("/wishlist/<uid:uids>")
def change_item(uids: list[str]) -> ResponseReturnValue:
    """Dismiss a title, or undo it."""
    fields = Fields.from_json(request)
    dismissed = fields.flag("dismissed")
    if dismissed is None and "dismissed" not in fields:
        fields.error("dismissed", "is missing.")
    fields.done()

    actions.set_dismissed(uids, dismissed=bool(dismissed))
    return Response(item_json(uids), content_type="application/json")


@bp.delete("/wishlist/<uid:uids>/watchlists")
def take_off_watchlists(uids: list[str]) -> ResponseReturnValue:
    """Take a title off the watchlists of everyone who has it, or of some people."""
    query = Fields.from_query(request, repeatable=REPEATABLE)
    user_ids = read_user_ids(query)
    dry_run = bool(query.flag("dry_run"))
    query.done()

    item_json(uids)  # raises NotFound if there is no such title
    outcomes, all_failed = actions.take_off(uids, user_ids, dry_run=dry_run)
    if all_failed:
        detail = "Plex did not confirm it for anyone. Each row says why."
        return problem_document(Problem(502, detail, {"items": outcomes}))
    return jsonify({"items": outcomes})


@bp.delete("/wishlist/<uid:uids>/sources/<id:user_id>")
def remove_kept_wish(uids: list[str], user_id: int) -> ResponseReturnValue:
    """End a wish that is kept although the title is no longer on the person's watchlist."""
    Fields.from_query(request).done()

    actions.end_kept_wish(uids, user_id)
    return "", 204
