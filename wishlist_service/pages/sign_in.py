"""Sign in, and sign out."""

import re

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.queries import sign_ins
from wishlist_service.web import auth
from wishlist_service.web.addresses import address_of_browser, remember_own_address
from wishlist_service.web.context import context, read
from wishlist_service.web.sessions import end_session, start_session

bp = Blueprint("sign_in", __name__)


@bp.get("/sign-in")
@auth.open_to_all
def form() -> ResponseReturnValue:
    """Return the form, or lead on if the browser is signed in and came from another page."""
    wanted = local_path(request.args.get("next", ""))
    if g.role and "next" in request.args:
        return redirect(request.script_root + wanted, 303)
    return show_form(wanted)


@bp.post("/sign-in")
@auth.open_to_all
def sign_in() -> ResponseReturnValue:
    """Sign in with the key that was sent."""
    shared = context()
    key, wanted = request.form.get("key", "").strip(), local_path(request.form.get("next", ""))
    if role := auth.find_role(shared, [auth.Key(auth.HEADER, key)] if key else []):
        if role == "admin":
            remember_own_address(address_of_browser())
        return start_session(redirect(request.script_root + wanted, 303), role=role)
    return show_form(wanted, error="The key is wrong." if key else "Enter a key."), 403


@bp.post("/sign-out")
@auth.open_to_all
def sign_out() -> ResponseReturnValue:
    """Sign out."""
    return end_session(redirect(url_for("pages.wall.show"), 303))


def show_form(wanted: str = "/", *, error: str = "") -> str:
    """Return the page with the button for Plex, and the form for a key."""
    shared = context()
    claimed = read(sign_ins.is_claimed)
    return render_template(
        "sign_in.html",
        wanted=wanted,
        error=error,
        claimed=claimed,
        no_claim="" if claimed else auth.why_no_claim(shared),
        has_read_key=bool(shared.config.read_api_key),
    )


def local_path(text: str) -> str:
    """Return the text if it is a path of this service, else "/". A link to here must not lead to another host."""
    # Two slashes, or what a browser takes for them, would start another host's address.
    return text if re.fullmatch(r"/(?![/\\])[!-~]*", text) else "/"
