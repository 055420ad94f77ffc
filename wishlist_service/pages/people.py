"""People: the state of each one's list. For the admin also the forms that add and change people."""

from typing import Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict, Invalid, PlexAway, WishlistError
from wishlist_service.pages.status import STOPPED, read_status, state_now
from wishlist_service.people import accounts, imports
from wishlist_service.queries import sign_ins, users
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
def start_sign_in() -> ResponseReturnValue:
    """Start the sign-in of a person to be added."""
    try:
        fields = Fields(request.form.to_dict())
        name = fields.text("name", maximum=100)
        fields.done()
        link_id = context().links.start(name=name)
    except (Conflict, Invalid, PlexAway) as error:
        return _page(error)
    return redirect(url_for(".show_sign_in", link_id=link_id), 303)


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


@bp.post("/<id:user_id>/link")
def renew_token(user_id: int) -> ResponseReturnValue:
    """Start a sign-in that renews a person's token."""
    try:
        link_id = context().links.renew(user_id=user_id)
    except PlexAway as error:
        return _page(error, of=user_id)
    return redirect(url_for(".show_sign_in", link_id=link_id), 303)


@bp.get("/link/<id:link_id>")
@needs_admin  # with the address, a stranger could sign in under another name
def show_sign_in(link_id: int) -> ResponseReturnValue:
    """Return the page of a sign-in. While it is pending, it shows the sign-in link to send."""
    link = read(sign_ins.get_link, link_id=link_id)
    address, qr_code, person = "", "", None
    if link.status == "pending":  # the process that asked Plex about it may have been killed
        context().links.watch()
        address = context().links.url(link)
        qr_code = _qr_code(address)
    elif link.status == "linked" and link.user_id:
        person = read(users.get_user, user_id=link.user_id)
    return render_template("link.html", link=link, address=address, person=person, qr_code=qr_code)


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
        me="Somebody else" if g.me == 0 else dict(read(users.list_names)).get(g.me) if g.me else None,
        total=total,
        offset=offset or None,
        following=offset + _MAXIMUM_PEOPLE if offset + _MAXIMUM_PEOPLE < total else None,
        error=_sentence(error) if error else "",
        error_of=of,
        typed=request.form.get("name"),
    )
    return page, 422 if error else 200


def _sentence(error: WishlistError) -> str:
    if isinstance(error, Invalid):
        return " ".join(f"The {each.field} {each.detail}" for each in error.errors)
    return str(error)


def _qr_code(address: str) -> str:
    """Return the address as a QR code in SVG."""
    import segno  # here, because it takes 1 MB and is rarely needed

    return segno.make_qr(address, error="m").svg_inline(omitsize=True, svgclass="qr", lineclass=None, light="#fff")
