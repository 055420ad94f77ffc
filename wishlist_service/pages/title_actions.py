"""What somebody with the API_KEY may do about a title, by forms on its page."""

import json

from flask import Blueprint, redirect, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.pages.wording import title_address
from wishlist_service.web import actions
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.fields import Fields
from wishlist_service.web.listing import item_json, read_user_ids

bp = Blueprint("title_actions", __name__, url_prefix="/title")


@bp.post("/<uid:uids>/dismiss")
def dismiss(uids: list[str]) -> ResponseReturnValue:
    """Dismiss the title."""
    to_title = _to_title(uids)
    actions.set_dismissed(uids, dismissed=True)
    return to_title


@bp.post("/<uid:uids>/restore")
def restore(uids: list[str]) -> ResponseReturnValue:
    """Undo it."""
    to_title = _to_title(uids)
    actions.set_dismissed(uids, dismissed=False)
    return to_title


@bp.get("/<uid:uids>/watchlists")
@needs_admin
def ask(uids: list[str]) -> ResponseReturnValue:
    """What taking the title off watchlists would do, and the button that does it."""
    return _outcomes_page(uids, dry_run=True)


@bp.post("/<uid:uids>/watchlists")
def take_off(uids: list[str]) -> ResponseReturnValue:
    """Take it off those of the people in the query string, whom the page before named, and tell what became of each.

    Sent again it does no harm: it is off already.
    """
    return _outcomes_page(uids, dry_run=False)


@bp.post("/<uid:uids>/wishes/<id:user_id>/end")
def end_kept_wish(uids: list[str], user_id: int) -> ResponseReturnValue:
    """End a wish that is kept although it is off its person's watchlist."""
    to_title = _to_title(uids)
    actions.end_kept_wish(uids, user_id)
    return to_title


def _outcomes_page(uids: list[str], *, dry_run: bool) -> ResponseReturnValue:
    query = Fields.from_query(request, repeatable="user")
    user_ids = read_user_ids(query)
    if not (dry_run or user_ids):
        query.fault("user", "is missing: whose watchlists?")
    query.done()

    item = json.loads(item_json(uids))
    outcomes = actions.take_off(uids, user_ids, dry_run=dry_run)
    page = render_template("watchlists.html", item=item, outcomes=outcomes, asking=dry_run)
    return page, 502 if actions.all_failed(outcomes) else 200


def _to_title(uids: list[str]) -> ResponseReturnValue:
    """Back to the title's page. Raises NotFound if there is none."""
    return redirect(title_address(json.loads(item_json(uids))["uid"]), 303)
