"""An invitation, opened by whoever was sent its address."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests

from wishlist_service import db
from wishlist_service.errors import NotFound
from wishlist_service.pages.plex_sign_in import lead_to_plex
from wishlist_service.people import invitations
from wishlist_service.queries import users
from wishlist_service.queries.invitations import Invitation
from wishlist_service.web.auth import open_to_all
from wishlist_service.web.context import context
from wishlist_service.web.recent import network_of

bp = Blueprint("join", __name__, url_prefix=f"{invitations.PATH}<secret>")


@bp.get("")
@open_to_all
def show(secret: str) -> ResponseReturnValue:
    """Return the page that says who invites to what. It changes nothing, because messengers open links, too."""
    invitation = _find(secret)
    inviter = invitation.invited_by or db.read(context().pool, users.find_only_admin)
    return render_template("join.html", invitation=invitation, inviter=inviter)


@bp.post("")
@open_to_all
def accept(secret: str) -> ResponseReturnValue:
    """Lead to Plex."""
    return lead_to_plex(invitation_id=_find(secret).id)


def _find(secret: str) -> Invitation:
    """Return the invitation. Raises NotFound, Gone, and TooManyRequests after too many wrong ones from an address."""
    wrong, address = context().recent.wrong_keys, f"invitation {network_of(request.remote_addr or '')}"
    if seconds := wrong.seconds_left(address):
        raise TooManyRequests(
            f"Too many wrong invitations came from this address. Try again in {int(seconds) + 1} s.",
            retry_after=int(seconds) + 1,
        )
    found = db.read(context().pool, invitations.find, secret=secret)
    if found is None:
        wrong.add(address, secret)
        raise NotFound("There is no such invitation. Check the address, or ask for a new one.")
    invitations.check(found)
    return found
