"""What the household decides about a title, beside what the watchlists say."""

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service import db, watchlists
from wishlist_service.api.fields import Fields
from wishlist_service.api.parts import parts, read, read_user_ids
from wishlist_service.api.problems import problem
from wishlist_service.api.wishlist import item_json
from wishlist_service.errors import Conflict, NotFound
from wishlist_service.queries import merging, wishes
from wishlist_service.watchlists import Outcome

bp = Blueprint("decisions", __name__, url_prefix="/api/wishlist")


@bp.patch("/<uid:uids>")
def change_item(uids: list[str]) -> ResponseReturnValue:
    """Dismiss a title, or undo it."""
    fields = Fields.from_json(request)
    dismissed = fields.flag("dismissed")
    if dismissed is None and "dismissed" not in fields:
        fields.fault("dismissed", "is missing.")
    fields.done()

    set_dismissed(uids, dismissed=bool(dismissed))
    return Response(item_json(uids), content_type="application/json")


@bp.delete("/<uid:uids>/watchlists")
def take_off_watchlists(uids: list[str]) -> ResponseReturnValue:
    """Take a title off the watchlists of those who have it, or of some of them."""
    query = Fields.from_query(request, repeatable="user")
    user_ids = read_user_ids(query)
    dry_run = bool(query.flag("dry_run"))
    query.done()

    item_json(uids)  # there is such a title, or NotFound
    outcomes = take_off(uids, user_ids, dry_run=dry_run)
    if all_failed(outcomes):
        return problem(502, "Plex did not confirm it for anybody; each row tells why.", items=outcomes)
    return jsonify({"items": outcomes})


@bp.delete("/<uid:uids>/sources/<id:user_id>")
def remove_kept_wish(uids: list[str], user_id: int) -> ResponseReturnValue:
    """End a wish that is kept although it is no longer on its person's watchlist."""
    Fields.from_query(request).done()

    end_kept_wish(uids, user_id)
    return "", 204


def set_dismissed(uids: list[str], *, dismissed: bool) -> None:
    """Dismiss the title, or undo it."""
    with parts().pool.connection() as conn, conn.transaction():
        db.lock_wishlist(conn)
        wishes.set_dismissed(conn, uids=uids, dismissed=dismissed)


def take_off(uids: list[str], user_ids: list[int] | None, *, dry_run: bool) -> list[Outcome]:
    """What becomes of taking the title off the watchlists of these people; None: of all who want it."""
    shared = parts()
    wishers = read(wishes.list_wishers, uids=uids, user_ids=user_ids)
    return watchlists.take_off(shared.pool.connection, shared.plex, shared.cipher, wishers, dry_run=dry_run)


def all_failed(outcomes: list[Outcome]) -> bool:
    """Whether there was something to do, and none of it was done."""
    return bool(outcomes) and all(outcome.outcome == "failed" for outcome in outcomes)


def end_kept_wish(uids: list[str], user_id: int) -> None:
    """End a wish that is kept. Raises NotFound, and Conflict for one that is on the watchlist."""
    with parts().pool.connection() as conn, conn.transaction():
        db.lock_wishlist(conn)
        wish = wishes.find_wish(conn, uids=uids, user_id=user_id)
        if wish is None:
            raise NotFound(f"User {user_id} does not want {' or '.join(uids)}.")
        uid, kept, name = wish
        if not kept:
            raise Conflict(
                f"The title is on the watchlist of {name}, so the next sync would bring the wish back. Take it off "
                f"there, or have it taken off: DELETE /api/wishlist/{uid}/watchlists?user={user_id}"
            )
        merging.remove_wishes(conn, user_id=user_id, uids=[uid])
