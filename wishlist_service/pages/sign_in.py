"""Sign in with a key, and sign out."""

import re

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.web import auth
from wishlist_service.web.context import context

bp = Blueprint("sign_in", __name__)


@bp.get("/sign-in")
@auth.open_to_all
def form() -> ResponseReturnValue:
    """Return the form, or lead on if the browser is signed in and came from another page."""
    wanted = local_path(request.args.get("next", ""))
    if g.role and "next" in request.args:
        return redirect(request.script_root + wanted, 303)
    # A link in a message opens without the cookie, which is SameSite=Strict. So the page loads itself again.
    from_elsewhere = request.headers.get("Sec-Fetch-Site") == "cross-site"
    return _form(wanted, from_elsewhere=from_elsewhere)


@bp.post("/sign-in")
@auth.open_to_all
def sign_in() -> ResponseReturnValue:
    """Sign in with the key that was sent."""
    shared = context()
    key, wanted = request.form.get("key", "").strip(), local_path(request.form.get("next", ""))
    if role := auth.find_role(shared, [auth.Key(auth.HEADER, key)] if key else []):
        return auth.sign_in(redirect(request.script_root + wanted, 303), shared.config, role)
    return _form(wanted, error="The key is wrong." if key else "Enter a key."), 403


@bp.post("/sign-out")
@auth.open_to_all
def sign_out() -> ResponseReturnValue:
    """Sign out."""
    return auth.sign_out(redirect(url_for("pages.wall.show"), 303), context().config)


def _form(wanted: str, **more: object) -> str:
    has_read_key = bool(context().config.read_api_key)
    return render_template("sign_in.html", wanted=wanted, has_read_key=has_read_key, **more)


def local_path(text: str) -> str:
    """Return the text if it is a path of this service, else the wall. A link must not lead to another host."""
    # Two slashes, or what a browser takes for them, would start another host's address.
    return text if re.fullmatch(r"/(?![/\\])[!-~]*", text) else "/?tv=1" if g.tv else "/"
