"""What the household decides about a title, beside what the watchlists say."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.web import actions
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import item_json, read_user_ids
from wishlist_service.web.problems import Problem, problem_document

bp = Blueprint("decisions", __name__, url_prefix="/api/wishlist")


@bp.patch("/<uid:uids>")
def change_item(uids: list[str]) -> ResponseReturnValue:
    """Dismiss a title, or undo it."""
    fields = Fields.from_json(request)
    dismissed = fields.flag("dismissed")
    if dismissed is None and "dismissed" not in fields:
        fields.fault("dismissed", "is missing.")
    fields.done()

    actions.set_dismissed(uids, dismissed=bool(dismissed))
    return Response(item_json(uids), content_type="application/json")


@bp.delete("/<uid:uids>/watchlists")
def take_off_watchlists(uids: list[str]) -> ResponseReturnValue:
    """Take a title off the watchlists of those who have it, or of some of them."""
    query = Fields.from_query(request, repeatable="user")
    user_ids = read_user_ids(query)
    dry_run = bool(query.flag("dry_run"))
    query.done()

    item_json(uids)  # there is such a title, or NotFound
    outcomes = actions.take_off(uids, user_ids, dry_run=dry_run)
    if actions.all_failed(outcomes):
        detail = "Plex did not confirm it for anybody; each row tells why."
        return problem_document(Problem(502, detail, {"items": outcomes}))
    return jsonify({"items": outcomes})


@bp.delete("/<uid:uids>/sources/<id:user_id>")
def remove_kept_wish(uids: list[str], user_id: int) -> ResponseReturnValue:
    """End a wish that is kept although it is no longer on its person's watchlist."""
    Fields.from_query(request).done()

    actions.end_kept_wish(uids, user_id)
    return "", 204
