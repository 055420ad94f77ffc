"""Signing in at Plex by link: who is to be added, or has to sign in again, and what to send them."""

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import Conflict, Invalid, PlexAway
from wishlist_service.pages.people import people_page
from wishlist_service.queries import sign_ins, users
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import Fields

bp = Blueprint("links", __name__, url_prefix="/people")


@bp.post("")
def start() -> ResponseReturnValue:
    """Start the sign-in of somebody to be added."""
    try:
        fields = Fields(request.form.to_dict())
        name = fields.text("name", maximum=100)
        fields.done()
        link_id = context().links.start(name=name)
    except (Conflict, Invalid, PlexAway) as error:
        return people_page(error)
    return redirect(url_for(".show", link_id=link_id), 303)


@bp.post("/<id:user_id>/link")
def renew(user_id: int) -> ResponseReturnValue:
    """Start a sign-in that renews a person's token."""
    try:
        link_id = context().links.renew(user_id=user_id)
    except PlexAway as error:
        return people_page(error, of=user_id)
    return redirect(url_for(".show", link_id=link_id), 303)


@bp.get("/link/<id:link_id>")
@needs_admin  # with the address a stranger could sign in under somebody's name
def show(link_id: int) -> ResponseReturnValue:
    """How a sign-in stands, and while it is pending, what to send."""
    link = read(sign_ins.get_link, link_id=link_id)
    address, qr_code, person = "", "", None
    if link.status == "pending":  # whoever waited for Plex may have been killed
        context().links.watch()
        address = context().links.url(link)
        qr_code = _qr_code(address)
    elif link.status == "linked" and link.user_id:
        person = read(users.get_user, user_id=link.user_id)
    return render_template("link.html", link=link, address=address, person=person, qr_code=qr_code)


def _qr_code(address: str) -> str:
    """The address as a drawing to be scanned."""
    import segno  # 1 MB of each worker that is needed now and then

    return segno.make_qr(address, error="m").svg_inline(omitsize=True, svgclass="qr", lineclass=None, light="#fff")
