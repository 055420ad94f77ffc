"""People: how each one's list is; and for who has the key, changing who is here."""

from typing import Final

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict, Invalid, WishlistError
from wishlist_service.people import accounts
from wishlist_service.queries import users
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import LARGEST_ID, Fields

_MOST_PEOPLE: Final = 50  # on one page

bp = Blueprint("people", __name__, url_prefix="/people")


@bp.get("")
def show() -> ResponseReturnValue:
    """The page. What it tells changes without the wishlist, so it is never kept."""
    return people_page()


@bp.get("/<id:user_id>")
def show_one(user_id: int) -> ResponseReturnValue:
    """Who loads a page again that told a fault is back where its form was."""
    return redirect(url_for(".show", _anchor=f"person-{user_id}"), 303)


@bp.post("/<id:user_id>")
def change(user_id: int) -> ResponseReturnValue:
    """Rename, pause or resume somebody; what is not sent stays."""
    shared = context()
    try:
        fields = Fields(request.form.to_dict(), texts=True)
        name = fields.optional_text("name", maximum=100)
        active = fields.flag("active")
        fields.done()
        accounts.change_user(shared.pool, shared.plex, shared.cipher, user_id=user_id, name=name, active=active)
    except (Conflict, Invalid) as error:
        return people_page(error, of=user_id)
    return redirect(url_for(".show", offset=request.args.get("offset"), _anchor=f"person-{user_id}"), 303)


@bp.get("/<id:user_id>/erase")
@needs_admin
def ask_to_erase(user_id: int) -> ResponseReturnValue:
    """What would be lost."""
    return render_template("erase.html", person=read(users.get_user, user_id=user_id))


@bp.post("/<id:user_id>/erase")
def erase(user_id: int) -> ResponseReturnValue:
    """Erase somebody who was asked about."""
    accounts.erase_user(context().pool, user_id=user_id)
    return redirect(url_for(".show"), 303)


def people_page(fault: WishlistError | None = None, *, of: int | None = None) -> ResponseReturnValue:
    """The page, with the fault beside the form that it is about: one of the person `of`, or the one to add somebody.

    Its status is 422 then, whatever the API's would be: proxies put pages of their own in the place of a 502.
    """
    query = Fields.from_query(request)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    query.done()

    total = read(users.count_users, active=None)
    page = render_template(
        "people.html",
        people=read(users.list_users, active=None, limit=_MOST_PEOPLE, offset=offset),
        total=total,
        offset=offset or None,
        following=offset + _MOST_PEOPLE if offset + _MOST_PEOPLE < total else None,
        fault=_sentence(fault) if fault else "",
        fault_of=of,
        typed=request.form.get("name"),
    )
    return page, 422 if fault else 200


def _sentence(fault: WishlistError) -> str:
    if isinstance(fault, Invalid):
        return " ".join(f"The {each.field} {each.detail}" for each in fault.faults)
    return str(fault)
