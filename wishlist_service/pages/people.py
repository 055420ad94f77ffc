"""People: the state of each one's list. For the admin also the forms that add and change people."""

from typing import Any, Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict, Invalid, PlexAway, WishlistError
from wishlist_service.pages.status import STOPPED, read_status, state_now
from wishlist_service.people import accounts, imports
from wishlist_service.people.invitations import DEFAULT_DAYS, MAXIMUM_DAYS, MAXIMUM_USES
from wishlist_service.queries import invitations, users
from wishlist_service.web import actions
from wishlist_service.web.addresses import address_of_browser
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import LARGEST_ID, Fields

_MAXIMUM_PEOPLE: Final = 50  # on one page

bp = Blueprint("people", __name__, url_prefix="/people")


@bp.get("")
def show() -> ResponseReturnValue:
    """Return the page. It is never cached, because it changes without the wishlist."""
    return _page()


@bp.post("")
def invite() -> ResponseReturnValue:
    """Make an invitation, and return the page with its address, which no other page shows."""
    form = {name: text for name, text in request.form.to_dict().items() if text.strip()}
    try:
        fields = Fields(form, texts=True)
        name = fields.optional_text("name", maximum=100)
        days = fields.integer("days", minimum=1, maximum=MAXIMUM_DAYS, default=DEFAULT_DAYS)
        uses = fields.integer("uses", minimum=1, maximum=MAXIMUM_USES, default=1)
        fields.done()
        return _invitation_page(name=name, days=days, uses=uses)
    except (Conflict, Invalid) as error:
        return _page(error)


@bp.post("/<id:user_id>/invite")
def invite_again(user_id: int) -> ResponseReturnValue:
    """Make an invitation with which a person renews their token."""
    try:
        return _invitation_page(user_id=user_id)
    except Conflict as error:
        return _page(error, of=user_id)


@bp.get("/<id:user_id>/invite")
def show_after_inviting(user_id: int) -> ResponseReturnValue:
    """Lead back to the person. A browser asks for this when it loads the page of the invitation again."""
    return show_one(user_id)


@bp.post("/invitations/<id:invitation_id>/withdraw")
def withdraw(invitation_id: int) -> ResponseReturnValue:
    """Make an invitation useless."""
    with context().pool.connection() as conn:
        invitations.withdraw_invitation(conn, invitation_id=invitation_id)
    return redirect(url_for(".show", _anchor="invitations"), 303)


@bp.get("/<id:user_id>")
def show_one(user_id: int) -> ResponseReturnValue:
    """Lead back to the form. A browser asks for this when it loads a page with an error again."""
    return redirect(url_for(".show", _anchor=f"person-{user_id}"), 303)


@bp.post("/<id:user_id>")
def change(user_id: int) -> ResponseReturnValue:
    """Rename, pause or resume a person, or change their mark or PIN. Fields that are absent stay as they are."""
    shared = context()
    try:
        fields = Fields(request.form.to_dict(), texts=True)
        name = fields.optional_text("name", maximum=100)
        active = fields.flag("active")
        admin = fields.flag("admin")
        pin = fields.optional_token("pin")
        fields.done()
        moved = None
        if pin is not None:
            moved = imports.prepare_move(
                shared.config, shared.pool, shared.plex, shared.cipher, user_id=user_id, via_id=None, pin=pin
            )
        accounts.change_user(
            shared.pool, shared.plex, shared.cipher,
            user_id=user_id, name=name, active=active, by_self=g.user_id == user_id, admin=admin, moved=moved,
        )  # fmt: skip
    except (Conflict, Invalid, PlexAway) as error:
        return _page(error, of=user_id)
    return redirect(url_for(".show", offset=request.args.get("offset"), _anchor=f"person-{user_id}"), 303)


@bp.get("/<id:user_id>/erase")
@needs_admin
def ask_to_erase(user_id: int) -> ResponseReturnValue:
    """Return the page that says what erasing deletes."""
    return render_template("erase.html", person=read(users.get_user, user_id=user_id))


@bp.post("/<id:user_id>/erase")
def erase(user_id: int) -> ResponseReturnValue:
    """Erase a person."""
    accounts.erase_user(context().pool, context().cipher, user_id=user_id)
    return redirect(url_for(".show"), 303)


def _page(error: WishlistError | None = None, *, of: int | None = None) -> ResponseReturnValue:
    """Return the page. An error is shown beside its form: that of the person `of`, or the one that adds people.

    The status of an error is 422 then, because proxies replace the page of a 502 with their own.
    """
    query = Fields.from_query(request)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    query.done()

    total = read(users.count_users, active=None)
    people = read(users.list_users, active=None, limit=_MAXIMUM_PEOPLE, offset=offset, by_name=True)
    status = read_status()
    page = render_template(
        "people.html",
        people=people,
        status=status,
        stopped=STOPPED,
        states={person.id: state_now(person, status) for person in people},
        me=_chosen(),
        total=total,
        offset=offset or None,
        following=offset + _MAXIMUM_PEOPLE if offset + _MAXIMUM_PEOPLE < total else None,
        error=_sentence(error) if error else "",
        error_of=of,
        typed=request.form,
        default_days=DEFAULT_DAYS,
        maximum_days=MAXIMUM_DAYS,
        maximum_uses=MAXIMUM_USES,
        invitations=[each for each in read(invitations.list_invitations) if each.works] if g.role == "admin" else [],
    )
    return page, 422 if error else 200


def _chosen() -> str | None:
    """Return who was chosen on this device; None if no one was, or if a person is signed in."""
    if g.user_id is not None or g.me is None:
        return None
    return dict(read(users.list_names)).get(g.me) if g.me else "Somebody else"


def _invitation_page(**wanted: Any) -> str:
    invitation, address = actions.invite(address_of_browser(), **wanted)
    return render_template("invitation.html", invitation=invitation, address=address, qr_code=_qr_code(address))


def _sentence(error: WishlistError) -> str:
    if isinstance(error, Invalid):
        return " ".join(f"The {each.field} {each.detail}" for each in error.errors)
    return str(error)


def _qr_code(address: str) -> str:
    """Return the address as a QR code in SVG."""
    import segno  # here, because it takes 1 MB and is rarely needed

    return segno.make_qr(address, error="m").svg_inline(omitsize=True, svgclass="qr", lineclass=None, light="#fff")
