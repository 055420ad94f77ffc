"""Who looks at the pages on this device. The cookie only names a person: it gives no rights."""

from typing import Final

from flask import Blueprint, g, redirect, request
from flask.typing import ResponseReturnValue

from wishlist_service.pages.sign_in import local_path
from wishlist_service.web.auth import open_to_all
from wishlist_service.web.context import context

COOKIE: Final = "wishlist_me"
SOMEBODY_ELSE: Final = 0
_SECONDS: Final = 400 * 24 * 3600  # the longest that browsers keep a cookie

bp = Blueprint("who", __name__, url_prefix="/who")


def read_me(*_: object) -> None:
    """Set g.me for pages: the id of the person, 0 for somebody else, or None if no one was chosen.

    Runs after check_key: people who signed in with Plex need not choose.
    """
    text = request.cookies.get(COOKIE, "")
    chosen = text.isascii() and text.isdigit() and len(text) < 11
    g.me = g.user_id or (int(text) if chosen and context().config.names == "all" else None)


@bp.post("")
@open_to_all  # it changes nothing here
def choose() -> ResponseReturnValue:
    """Remember the person in the browser, and lead back. Without a person, forget who it was."""
    reply = redirect(request.script_root + local_path(request.form.get("next", "")), 303)
    chosen, path = request.form.get("user", ""), context().config.url_base or "/"
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 11:
        reply.set_cookie(
            COOKIE, chosen, max_age=_SECONDS, path=path, secure=request.is_secure, httponly=True, samesite="Lax"
        )
    else:
        reply.delete_cookie(COOKIE, path=path, secure=request.is_secure, httponly=True, samesite="Lax")
    return reply
