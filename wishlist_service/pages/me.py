"""A place of one's own: what a person who signed in with Plex wants, how their list is, and their account here."""

import json
from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from wishlist_service.errors import Conflict, Invalid
from wishlist_service.notify import addresses
from wishlist_service.pages.status import read_status, state_now
from wishlist_service.people import accounts
from wishlist_service.queries import users
from wishlist_service.queries.addresses import get_settings, list_addresses
from wishlist_service.web.auth import needs_person
from wishlist_service.web.context import context, read
from wishlist_service.web.listing import get_page, read_listing
from wishlist_service.web.sessions import end_session, end_sessions_of

_ASK: Final = "Your wishes stay as they were last read. If this does not change, ask the person who runs this service."
_SIGN_IN: Final = "Sign in with Plex again, with the same account as before. Every wish is kept."
_WAIT: Final = "You need not do anything: it is tried again soon."
_SENTENCES: Final = {
    "ok": "Your watchlist is read regularly.",
    "never": "Your watchlist is read within a minute.",
    "held": "Titles vanished from your watchlist in a way that is not certain yet, so they stay here. If you removed "
    "them, do nothing: they go within a day. Otherwise check your watchlist on plex.tv.",
    "no_watchlist": "Your account has no watchlist: Discover is turned off at Plex. Turn it on there. Then your "
    "watchlist is read by itself.",
    "hidden": "Plex shows no title of your watchlist. Sign in with Plex, and it is read with your own sign-in.",
    "via_unavailable": "The sign-in through which your watchlist is read cannot be used. Sign in with Plex yourself.",
    "pin_rejected": "Plex no longer accepts the PIN of your profile. Sign in with Plex yourself.",
    "rate_limited": _WAIT,
    "unreachable": _WAIT,
    "token_rejected": f"Plex no longer accepts your sign-in. {_SIGN_IN}",
    "token_unreadable": f"Your sign-in can no longer be used here. {_SIGN_IN}",
    "other_account": f"You signed in with another Plex account than the one of your wishes. {_SIGN_IN}",
    "plex_changed": _ASK,
    "error": _ASK,
}
"""By sync_state, what to say to the person themselves. wording.py has the sentences for the others."""
_TO_SIGN_IN: Final = (
    "hidden",
    "via_unavailable",
    "pin_rejected",
    "token_rejected",
    "token_unreadable",
    "other_account",
)

bp = Blueprint("me", __name__, url_prefix="/me")


@bp.get("")
@needs_person
def show() -> ResponseReturnValue:
    """Return the page. It is never cached, because it changes without the wishlist."""
    return _page()


@bp.post("/messages")
@needs_person
def change_messages() -> ResponseReturnValue:
    """Change what the person is told, and where. Boxes without a mark are absent from a form."""
    shared, form = context(), request.form
    try:
        addresses.change_own(
            shared.config, shared.pool, shared.cipher,
            user_id=g.user_id, anywhere=g.is_admin,
            urls=form.get("address", "").split(),
            kept_ids=[int(each) for each in form.getlist("keep") if each.isascii() and each.isdecimal()],
            available="available" in form, trouble="trouble" in form, new_wishes="new_wishes" in form,
        )  # fmt: skip
    except Invalid as error:
        return _page(error=" ".join(f"The {each.detail}" for each in error.errors)), 422
    except Conflict as error:
        return _page(error=str(error)), 422
    return redirect(url_for(".show", _anchor="messages"), 303)


@bp.get("/messages")
@bp.get("/messages/test")
@needs_person
def show_messages() -> ResponseReturnValue:
    """Lead back to the form. A browser asks for this when it loads a page with an error again."""
    return redirect(url_for(".show", _anchor="messages"), 303)


@bp.post("/messages/test")
@needs_person
def test_messages() -> ResponseReturnValue:
    """Send a test message to each stored address, and show what the services answered."""
    shared = context()
    return _page(tested=addresses.send_test(shared.config, shared.pool, shared.cipher, user_id=g.user_id))


def _page(*, error: str = "", tested: Sequence[dict[str, Any]] | None = None) -> str:
    """Return the page. error: about the form for messages. tested: what came of test messages."""
    listing = read_listing(user_id=g.user_id, default_sort="last_wish_at")
    page, following = get_page(listing)
    person, status = read(users.get_user, user_id=g.user_id), read_status()
    state = state_now(person, status)
    late = state.level == "action" and person.sync_state in ("ok", "never", "held", "rate_limited", "unreachable")
    return render_template(
        "me.html",
        person=person,
        state=state,
        sentence=_ASK if late else _SENTENCES[person.sync_state],
        to_sign_in=person.source != "own" or person.sync_state in _TO_SIGN_IN,
        items=json.loads(page.items_json),
        total=page.total,
        first=not (listing.after or listing.offset),
        following=following,
        messages=read(get_settings, user_id=g.user_id),
        addresses=read(list_addresses, user_id=g.user_id),
        error=error,
        tested=tested,
    )


@bp.post("/pause")
@needs_person
def pause() -> ResponseReturnValue:
    """Pause the person, which signs them out everywhere."""
    shared = context()
    accounts.change_user(shared.pool, shared.plex, shared.cipher, user_id=g.user_id, active=False, by_self=True)
    text = "Your wishes are kept but not shown, and your watchlist is not read. To resume, sign in with Plex."
    return _goodbye("Your list is paused", text, may_return=True)


@bp.get("/leave")
@needs_person
def ask_to_leave() -> ResponseReturnValue:
    """Return the page that says what leaving erases."""
    return render_template("leave.html", person=read(users.get_user, user_id=g.user_id))


@bp.post("/leave")
@needs_person
def leave() -> ResponseReturnValue:
    """Erase the person."""
    accounts.erase_user(context().pool, context().cipher, user_id=g.user_id)
    return _goodbye("You have left", "Your name, your token, your wishes and your part of the history were erased.")


@bp.post("/sign-out")
@needs_person
def sign_out_everywhere() -> ResponseReturnValue:
    """Sign the person out in all browsers."""
    end_sessions_of(g.user_id)
    return end_session(redirect(url_for("pages.wall.show"), 303))


def _goodbye(heading: str, text: str, *, may_return: bool = False) -> Response:
    g.role, g.user_id, g.me = "", None, None  # as the next page will show
    page = render_template("goodbye.html", heading=heading, text=text, may_return=may_return)
    return end_session(Response(page, mimetype="text/html"))
