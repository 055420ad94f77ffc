"""Signing in with Plex: a browser goes to Plex with a PIN, comes back, and the account decides who signs in.

The browser has a random id in a cookie. Only the browser that started a sign-in can end it, and only once.
"""

import hashlib
import hmac
import logging
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from psycopg import Connection

from wishlist_service import db
from wishlist_service.errors import (
    Conflict,
    Gone,
    NotFound,
    PausedByAdmin,
    PinExpired,
    PlexError,
    RateLimited,
    SignInFailed,
    Stranger,
    TokenRejected,
    TokenUnreadable,
)
from wishlist_service.models import PlexAccount
from wishlist_service.people import accounts, erased
from wishlist_service.people import invitations as invited
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.pins import PlexPins
from wishlist_service.queries import imports, invitations, sign_ins, users
from wishlist_service.queries.invitations import Invitation
from wishlist_service.tokens import TokenCipher, hash_of

logger = logging.getLogger(__name__)

WAY_BACK: Final = "/sign-in/plex/back"
CHANGED: Final = "The people here were just changed."
_ENDED: Final = "This sign-in was not started in this browser, or it has already ended."


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A person who signed in.

    new: whether they were added by this sign-in. wanted: the path to show them.
    address: the address of this service as their browser names it, without a slash at its end.
    """

    user_id: int
    new: bool
    wanted: str
    address: str


def start(
    pins: PlexPins,
    pool: db.Pool,
    *,
    browser_id: str,
    address: str,
    wanted: str,
    invitation_id: int | None = None,
) -> str:
    """Start the sign-in of this browser and return the address at Plex to lead it to.

    browser_id: 256 random bits that only this browser has. address: of this service, as the browser names it.
    wanted: the path to show afterwards. invitation_id: the invitation that the browser opened, if any; finish() gets
    it back.
    Raises SignInFailed if Plex gives no PIN.
    """
    try:
        pin = pins.make(_client_identifier(browser_id))
    except PlexError as error:
        logger.warning("sign-in could not be started reason=%r", str(error))
        raise SignInFailed(_why(error)) from error
    with pool.connection() as conn, conn.transaction():
        sign_ins.remove_old_browser_sign_ins(conn)
        sign_ins.add_browser_sign_in(
            conn,
            browser_hash=hash_of(browser_id),
            pin=pin,
            address=address,
            wanted=wanted,
            invitation_id=invitation_id,
        )
    return pins.sign_in_url(pin.code, pin.client_identifier, forward_url=address + WAY_BACK)


def finish(
    pins: PlexPins, pool: db.Pool, plex: PlexClient, cipher: TokenCipher, *, browser_id: str, may_claim: bool
) -> Arrival:
    """End the sign-in of the browser that came back from Plex, and return who signed in.

    may_claim: whether this browser may begin an installation that nobody uses yet, as its first person and admin.
    Raises Stranger, PausedByAdmin, or SignInFailed with the reason. Then nothing is stored, and Plex is told to forget
    the token. Until Plex gives a token, the browser may come back again: Plex may be away, and another tab may have
    started another sign-in.
    """
    browser_hash = hash_of(browser_id)
    found = db.read(pool, sign_ins.find_browser_sign_in, browser_hash=browser_hash) if browser_id else None
    if found is None:
        raise SignInFailed(_ENDED)
    client_identifier = _client_identifier(browser_id)
    try:
        token = pins.token(found.pin_id, client_identifier)
    except PinExpired as error:
        with pool.connection() as conn:
            sign_ins.end_browser_sign_in(conn, browser_hash=browser_hash)
        raise SignInFailed("The sign-in has expired, because it took too long.") from error
    except PlexError as error:
        raise SignInFailed(_why(error)) from error
    if token is None:
        raise SignInFailed("You did not agree at Plex, so you are not signed in.")
    with pool.connection() as conn:
        if not sign_ins.end_browser_sign_in(conn, browser_hash=browser_hash):
            raise SignInFailed(_ENDED)
    try:
        user_id, new = _admit(pool, plex, cipher, token, invitation_id=found.invitation_id, may_claim=may_claim)
    except BaseException:
        _forget(pins, token, client_identifier)
        raise
    logger.info("signed in with plex user=%s new=%s", user_id, new)
    return Arrival(user_id=user_id, new=new, wanted=found.wanted, address=found.address)


def _admit(
    pool: db.Pool, plex: PlexClient, cipher: TokenCipher, token: str, *, invitation_id: int | None, may_claim: bool
) -> tuple[int, bool]:
    """Return the person with the account of this token, which replaces their old one, and whether they are new."""
    account = _ask_account(plex, token)
    owner = db.read(pool, users.find_account_owner, uuid=account.uuid) or _find_untold(pool, plex, cipher, account)
    invitation = _read_invitation(pool, invitation_id) if invitation_id else None
    if invitation and invitation.user_id not in (None, owner and owner[0]):
        raise SignInFailed(
            f"This invitation is for {invitation.name} alone, and you signed in as {account.username}. "
            f"Sign in with the Plex account of {invitation.name}."
        )
    if owner is None:
        try:
            return _add(pool, cipher, token, account, invitation=invitation, may_claim=may_claim), True
        except (SignInFailed, Stranger):
            owner = db.read(pool, users.find_account_owner, uuid=account.uuid)
            if owner is None:
                raise
            # another browser of theirs was first
    pause = db.read(pool, users.find_pause, user_id=owner[0])
    if pause == "admin":
        raise PausedByAdmin
    try:
        accounts.change_user(
            pool, plex, cipher,
            user_id=owner[0], token=token, account=account, active=True if pause else None, by_self=True,
        )  # fmt: skip
    except (Conflict, NotFound) as error:
        raise SignInFailed(CHANGED) from error
    if invitation and invitation.user_id:
        with pool.connection() as conn:
            invitations.use_invitation(conn, invitation_id=invitation.id)
    return owner[0], False


def _ask_account(plex: PlexClient, token: str) -> PlexAccount:
    try:
        return plex.account(token, tries=1)
    except TokenRejected as error:
        raise SignInFailed("Plex does not accept the token that it gave.") from error
    except PlexError as error:
        raise SignInFailed(_why(error)) from error


def _read_invitation(pool: db.Pool, invitation_id: int) -> Invitation:
    try:
        return db.read(pool, invitations.get_invitation, invitation_id=invitation_id)
    except NotFound as error:  # its person was erased
        raise SignInFailed("This invitation is no longer there. Ask for a new one.") from error


def _find_untold(
    pool: db.Pool, plex: PlexClient, cipher: TokenCipher, account: PlexAccount
) -> tuple[int, str, str] | None:
    """Return id, name and source of the person with this account, among those whose account Plex has not told yet.

    Raises SignInFailed if Plex does not tell it now.
    """
    for user_id, name, sealed in db.read(pool, users.list_tokens_of_unknown_accounts):
        try:
            told = plex.account(cipher.decrypt(sealed, owner=user_id), tries=1)
        except (TokenRejected, TokenUnreadable):
            continue
        except PlexError as error:
            raise SignInFailed("Plex has not yet told the accounts of all people here.") from error
        if told.uuid == account.uuid:
            return user_id, name, "own"
    return None


def _add(
    pool: db.Pool,
    cipher: TokenCipher,
    token: str,
    account: PlexAccount,
    *,
    invitation: Invitation | None,
    may_claim: bool,
) -> int:
    """Add the person if they were invited or may begin, and return their id. Raises SignInFailed and Stranger."""
    if invitation:
        return _join(pool, cipher, token, account, invitation)
    user_id = _claim(pool, cipher, token, account) if may_claim else None
    if user_id is None:
        raise Stranger
    return user_id


def _join(pool: db.Pool, cipher: TokenCipher, token: str, account: PlexAccount, invitation: Invitation) -> int:
    """Add the person who was invited and return their id. Raises SignInFailed if the invitation no longer works."""
    try:
        with pool.connection() as conn, conn.transaction():
            if not invitations.use_invitation(conn, invitation_id=invitation.id):
                invited.check(invitations.get_invitation(conn, invitation_id=invitation.id))
            user_id = _store(conn, cipher, token, account, name=invitation.name or account.username)
    except (Gone, NotFound) as error:
        raise SignInFailed(str(error)) from error
    except Conflict as error:
        raise SignInFailed(CHANGED) from error
    logger.info("user joined user=%s invitation=%s", user_id, invitation.id)
    return user_id


def _claim(pool: db.Pool, cipher: TokenCipher, token: str, account: PlexAccount) -> int | None:
    """Add the first person, as admin, and return their id; None if the installation is claimed."""
    with pool.connection() as conn, conn.transaction():
        if not sign_ins.claim(conn):
            return None
        user_id = _store(conn, cipher, token, account, name=account.username)
        users.update_user(conn, user_id=user_id, admin=True)
    logger.info("installation claimed user=%s", user_id)
    return user_id


def _store(conn: Connection, cipher: TokenCipher, token: str, account: PlexAccount, *, name: str) -> int:
    """Store the person under this name, or one like it that is free, and return their id."""
    user_id = users.next_user_id(conn)
    free_name = imports.find_free_name(conn, name=name)
    users.add_user(conn, user_id=user_id, name=free_name, token=cipher.seal(token, owner=user_id, account=account))
    erased.forget(conn, cipher, uuid=account.uuid)
    return user_id


def _forget(pins: PlexPins, token: str, client_identifier: str) -> None:
    try:
        pins.sign_out(token, client_identifier)
    except PlexError as error:
        logger.warning("plex was not told to forget a token reason=%r", str(error))


def _client_identifier(browser_id: str) -> str:
    """Return the client identifier of this browser's PIN. The hash of the id, which is stored, does not tell it."""
    made = hmac.new(browser_id.encode(), b"client identifier", hashlib.sha256).digest()
    return str(UUID(bytes=made[:16], version=4))


def _why(error: PlexError) -> str:
    if isinstance(error, RateLimited):
        return "Plex asks to slow down (HTTP 429). Wait a minute."
    return str(error)
