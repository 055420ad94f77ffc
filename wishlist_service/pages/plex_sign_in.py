"""Sign in with Plex: to Plex and back."""

from contextlib import suppress
from typing import Final

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests
from werkzeug.wrappers import Response

from wishlist_service import db
from wishlist_service.errors import Conflict, NotFound, PausedByAdmin, SignInFailed, Stranger, WishlistError
from wishlist_service.pages.sign_in import local_path, show_form
from wishlist_service.people import browser_sign_ins
from wishlist_service.people.browser_sign_ins import CHANGED, Arrival
from wishlist_service.queries import sign_ins, users
from wishlist_service.web.actions import begin_sync
from wishlist_service.web.addresses import address_of_browser, remember_own_address
from wishlist_service.web.auth import open_to_all, why_no_claim
from wishlist_service.web.context import context, read
from wishlist_service.web.recent import network_of
from wishlist_service.web.sessions import delete_cookie, new_id, sent_id, set_cookie, start_session

COOKIE: Final = "wishlist_sign_in"
_SECONDS: Final = 3600  # longer than any PIN

bp = Blueprint("plex_sign_in", __name__, url_prefix="/sign-in/plex")


@bp.post("")
@open_to_all
def start() -> ResponseReturnValue:
    """Lead to Plex. Who may not begin an installation is asked for the API_KEY first."""
    wanted = local_path(request.args.get("next", ""))
    if why_no_claim(context()) and not read(sign_ins.is_claimed):
        return show_form(wanted), 403
    return lead_to_plex(wanted=wanted)


@bp.get("")
@open_to_all
def show() -> ResponseReturnValue:
    """Lead to the sign-in page. A browser asks for this when it loads a page with an error again."""
    return redirect(url_for("pages.sign_in.form"), 303)


@bp.get("/back")
@open_to_all
def come_back() -> ResponseReturnValue:
    """Sign in the browser that comes back from Plex, or say why not."""
    shared, browser_id = context(), sent_id(COOKIE)
    try:
        arrival = browser_sign_ins.finish(
            shared.links.pins, shared.pool, shared.plex, shared.cipher,
            browser_id=browser_id, may_claim=not why_no_claim(shared),
        )  # fmt: skip
    except Stranger as error:
        asks_key = not read(sign_ins.is_claimed)  # the hour is over since the browser left
        page = Response(show_form(), 403, mimetype="text/html") if asks_key else _refusal(error)
        return delete_cookie(page, COOKIE)
    except PausedByAdmin as error:
        return delete_cookie(_refusal(error), COOKIE)
    except SignInFailed as error:
        return _refusal(error)  # with the cookie, because the browser may come back again
    try:
        response = _welcome(arrival)
    except NotFound:
        response = _refusal(SignInFailed(CHANGED))
    return delete_cookie(response, COOKIE)


def _welcome(arrival: Arrival) -> Response:
    """Sign the person in and lead them on. Raises NotFound if they were erased or paused since they were let in."""
    shared = context()
    if arrival.new:
        with suppress(Conflict):  # a sync is running; the scheduler reads the new person after it
            begin_sync(user_id=arrival.user_id)
    person = db.read(shared.pool, users.get_user, user_id=arrival.user_id)
    wanted = request.script_root + arrival.wanted
    if arrival.new:
        # who began the installation, and who was invited
        to_whom = url_for("pages.contacts.show", user_id=person.id)
        wanted = to_whom if person.admin else url_for("pages.wall.show", user=person.id)
    response = start_session(redirect(wanted, 303), user_id=arrival.user_id)
    if person.admin:
        remember_own_address(arrival.address)
    return response


def lead_to_plex(*, wanted: str = "/", invitation_id: int | None = None) -> Response:
    """Start a sign-in in this browser and return the reply that leads it to Plex, or the page that says why not.

    Call it for a form of ours, which tells the address that the browser used.
    wanted: the path to show after the sign-in. invitation_id: the invitation that this browser opened, if any;
    browser_sign_ins.finish() uses it when the browser is back.
    """
    shared, browser_id = context(), new_id()
    if not shared.recent.sign_ins.add(network_of(request.remote_addr or ""), browser_id):
        raise TooManyRequests(
            "Too many sign-ins were started from this address. Try again in a minute.", retry_after=60
        )
    try:
        address = browser_sign_ins.start(
            shared.links.pins,
            shared.pool,
            browser_id=browser_id,
            address=address_of_browser(),
            wanted=wanted,
            invitation_id=invitation_id,
        )
    except SignInFailed as error:
        return _refusal(error)
    # without the body that redirect() makes, since the code of the PIN is in the address
    response = Response(status=303, headers={"Location": address})
    return set_cookie(response, COOKIE, browser_id, seconds=_SECONDS)


def _refusal(error: WishlistError) -> Response:
    """Return the page that says why the browser was not signed in, with the button to try again.

    The status is 422 also if Plex is away, because proxies replace the page of a 502 with their own.
    """
    admin = read(users.find_only_admin) if g.names_shown else None
    asked = admin or "the person who runs this"
    match error:
        case Stranger():
            heading, text = f"Ask {asked} for an invitation", "Nobody here has this Plex account. Nothing was stored."
        case PausedByAdmin():
            heading = "You are not signed in"
            text = f"{admin} has paused your list. Ask {admin}." if admin else f"Your list is paused. Ask {asked}."
        case _:
            heading, text = "You are not signed in", f"{error} Try again."
    page = render_template("plex_sign_in.html", heading=heading, text=text)
    return Response(page, 422 if isinstance(error, SignInFailed) else 403, mimetype="text/html")
