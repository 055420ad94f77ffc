"""What both the API and the pages do for people: decide about titles, start a sync."""

import logging
import threading
from typing import Final

from flask import g

from wishlist_service import db
from wishlist_service.errors import Conflict, NotFound, PlexAway, SyncError
from wishlist_service.people import invitations
from wishlist_service.queries import locks, merging, users, wishes
from wishlist_service.queries.invitations import Invitation, get_invitation
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync
from wishlist_service.web.addresses import host_of, remember_own_address
from wishlist_service.web.context import context, read
from wishlist_service.web.listing import item_json
from wishlist_service.write_back import watchlists
from wishlist_service.write_back.watchlists import Outcome

logger = logging.getLogger(__name__)

_SIGN_IN_AGAIN: Final = "Plex no longer accepts your sign-in here. Sign in with Plex again, then try again."
_REASONS: Final = {
    "token_rejected": _SIGN_IN_AGAIN,
    "token_unreadable": _SIGN_IN_AGAIN,
    "rate_limited": "Plex asks to slow down. Try again in a few minutes.",
    "unreachable": "Plex does not answer. Try again in a minute.",
}
"""By sync_state: what to say to the person themselves."""


def set_dismissed(uids: list[str], *, dismissed: bool) -> None:
    """Dismiss the title, or undo it."""
    with context().pool.connection() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        wishes.set_dismissed(conn, uids=uids, dismissed=dismissed)


def take_off(uids: list[str], user_ids: list[int] | None, *, dry_run: bool) -> tuple[list[Outcome], bool]:
    """Take the title off the watchlists of these people; None: of everyone who wants it.

    Returns the outcome for each person, and whether it failed for all of them.
    """
    shared = context()
    wishers = read(wishes.list_wishers, uids=uids, user_ids=user_ids)
    outcomes = watchlists.take_off(shared.pool.connection, shared.plex, shared.cipher, wishers, dry_run=dry_run)
    return outcomes, bool(outcomes) and all(outcome.outcome == "failed" for outcome in outcomes)


def change_own_watchlist(uids: list[str], *, wanted: bool) -> None:
    """Put the title on the watchlist of the person who is signed in, or take it off.

    Raises NotFound for an unknown title, Conflict for a person without a token of their own, and PlexAway if Plex does
    not do it.
    """
    shared = context()
    item_json(uids)
    person = read(users.get_user, user_id=g.user_id)
    if person.source != "own":
        raise Conflict(
            "This service has no sign-in of your own, so it cannot change your watchlist. Sign in with Plex again."
        )
    change = watchlists.add_own if wanted else watchlists.take_off_own
    for wisher in read(wishes.list_wishers, uids=uids, user_ids=[person.id]):
        try:
            change(shared.pool.connection, shared.plex, shared.cipher, wisher)
        except SyncError as error:
            logger.warning(
                "own watchlist not changed user=%s uid=%s state=%s reason=%r",
                wisher.id, wisher.uid, error.state, str(error),
            )  # fmt: skip
            raise PlexAway(_REASONS.get(error.state, str(error))) from error


def invite(
    address: str,
    *,
    name: str | None = None,
    days: int = invitations.DEFAULT_DAYS,
    uses: int = 1,
    user_id: int | None = None,
) -> tuple[Invitation, str]:
    """Make an invitation. Return it, and its address, which is not stored. Raises what invitations.make() raises.

    address: of this service, as the admin's browser or program names it, without a slash at its end.
    """
    shared = context()
    with shared.pool.connection() as conn, conn.transaction():
        if shared.config.public_url or not host_of(address):
            found = invitations.own_address(conn, shared.config)
            if not found:
                raise Conflict("The request names no host, so the invitation would have no address. Set PUBLIC_URL.")
            address = found
        invitation_id, path = invitations.make(
            conn, name=name, days=days, uses=uses, user_id=user_id, invited_by=g.user_id
        )
        invitation = get_invitation(conn, invitation_id=invitation_id)
    remember_own_address(address)
    return invitation, address + path


def end_kept_wish(uids: list[str], user_id: int) -> None:
    """End a wish that is kept. Raises NotFound, and Conflict if the title is on the watchlist."""
    with context().pool.connection() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        wish = wishes.find_wish(conn, uids=uids, user_id=user_id)
        if wish is None:
            raise NotFound(f"User {user_id} does not want {' or '.join(uids)}.")
        item_id, uid, kept, name = wish
        if not kept:
            raise Conflict(
                f"The title is on the watchlist of {name}, so the next sync would bring the wish back. "
                f"Take it off the watchlist instead: DELETE /api/wishlist/{uid}/watchlists?user={user_id}"
            )
        merging.remove_wishes(conn, user_id=user_id, item_ids=[item_id])


def begin_sync(*, user_id: int | None = None) -> tuple[int, threading.Thread]:
    """Start a sync of everyone or one person. Returns the run's id and its thread. Raises what claim() raises."""
    shared = context()
    plex = shared.plex  # before the claim: the first use reads the database
    claimed = claims.claim(shared.config, trigger="manual", user_id=user_id)

    def run() -> None:
        try:
            run_sync(claimed, plex, shared.cipher, stop=shared.stop)
        except db.EXPECTED as error:
            reason = str(error).strip()
            logger.error("sync run broke off, the database is away run=%s reason=%r", claimed.run_id, reason)
        except Exception:
            logger.exception("sync run broke off run=%s", claimed.run_id)

    # Not a daemon: a worker that must stop waits for the person being synced.
    thread = threading.Thread(target=run, name=f"sync-run-{claimed.run_id}")
    thread.start()
    return claimed.run_id, thread
