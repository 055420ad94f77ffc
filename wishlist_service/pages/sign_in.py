"""Signing in with a key, and out."""

import re

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.web import auth
from wishlist_service.web.context import context

bp = Blueprint("sign_in", __name__)


@bp.get("/sign-in")
@auth.open_to_all
def form() -> ResponseReturnValue:
    """The form. Who is signed in already, and only needs to be let through, is."""
    wanted = _local_path(request.args.get("next", ""))
    if g.role and "next" in request.args:
        return redirect(request.script_root + wanted, 303)
    # A link in a message opens without the cookie, which is SameSite=Strict. The page that loads itself again has it.
    from_elsewhere = request.headers.get("Sec-Fetch-Site") == "cross-site"
    return _form(wanted, from_elsewhere=from_elsewhere)


@bp.post("/sign-in")
@auth.open_to_all
def sign_in() -> ResponseReturnValue:
    """Let somebody in who has a key."""
    address, shared = request.remote_addr or "", context()
    shared.wrong_keys.refuse_guesser(address)
    key, wanted = request.form.get("key", "").strip(), _local_path(request.form.get("next", ""))
    role = auth.role_of(shared.config, key)
    if role:
        return auth.sign_in(redirect(request.script_root + wanted, 303), shared.config, role)
    if key:
        auth.note_wrong_key(address, key)
    fault = "That is not the key." if key else "Type the key first."
    return _form(wanted, fault=fault), 403


@bp.post("/sign-out")
@auth.open_to_all
def sign_out() -> ResponseReturnValue:
    """Forget who is signed in."""
    return auth.sign_out(redirect(url_for("pages.wall.show"), 303), context().config)


def _form(wanted: str, *, fault: str = "", from_elsewhere: bool = False) -> str:
    has_read_key = bool(context().config.read_api_key)
    return render_template(
        "sign_in.html", wanted=wanted, fault=fault, from_elsewhere=from_elsewhere, has_read_key=has_read_key
    )


def _local_path(text: str) -> str:
    """The path on this service that the text is, or the wall's. A link to here must not lead elsewhere."""
    # two slashes, or what a browser takes for them, would begin another host's address
    return text if re.fullmatch(r"/(?![/\\])[!-~]*", text) else "/"
