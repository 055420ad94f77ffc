"""Reads watchlists through another person's sign-in: of members of their Plex Home, and of their friends.

A member is switched to, and is then read like everybody else. A friend's list is what Plex shows the other person of
it, which may be nothing: that never means that the friend wants nothing.
"""

from collections.abc import Callable
from typing import TypeVar

from wishlist_service import db
from wishlist_service.errors import (
    ListHidden,
    PinRejected,
    PlexChanged,
    Refused,
    TokenRejected,
    TokenUnreadable,
    ViaUnavailable,
)
from wishlist_service.models import SyncUser, Watchlist
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import sync_users
from wishlist_service.sync.switches import switch
from wishlist_service.tokens import PIN, TokenCipher

Read = TypeVar("Read")


def read_member(
    user: SyncUser, plex: PlexClient, cipher: TokenCipher, read: Callable[[str], Read], *, database_url: str
) -> Read:
    """Return what `read` returns for the member's token. If Plex refuses that, switch once more.

    Raises a SyncError: ViaUnavailable if a switch is needed and not possible, PinRejected, or what `read` raises.
    """
    if token := _decrypted(cipher, user.plex_token, owner=user.id):
        try:
            return read(token)
        except TokenRejected:
            pass
    token = _switch(user, plex, cipher, database_url=database_url)
    try:
        return read(token)
    except TokenRejected as error:
        raise PlexChanged(f"Plex refuses the token that it just gave for {user.name}. Nothing was changed.") from error


def read_friend(
    user: SyncUser, plex: PlexClient, cipher: TokenCipher, *, etag: str | None, on_rows: Callable[[int, int], None]
) -> Watchlist | None:
    """Return the friend's watchlist; None if it is still that of `etag`.

    Raises a SyncError: ViaUnavailable, ListHidden if Plex shows no title, or another one.
    """
    token = _via_token(user, cipher)
    try:
        return plex.friends_watchlist(token, user.plex_uuid or "", etag=etag, progress=on_rows)
    except TokenRejected as error:
        raise _refused(user) from error
    except ListHidden as error:
        kept = " The titles that were seen before are kept." if user.list_size else ""
        raise ListHidden(
            f"Plex shows {user.via_name} no list of {user.name}'s. It is empty, or {user.name} does not share it. "
            f"{user.name} can change that in Plex under Account, Privacy, Watchlist; "
            f"or send {user.name} a sign-in link.{kept}"
        ) from error


def _switch(user: SyncUser, plex: PlexClient, cipher: TokenCipher, *, database_url: str) -> str:
    """Return a new token of the member, and store it."""
    via_token = _via_token(user, cipher)
    pin = _decrypted(cipher, user.plex_pin, owner=user.id, is_pin=True)
    try:
        token = switch(database_url, plex, via_token, user.plex_uuid or "", pin=pin)
    except PinRejected as error:
        wrong = "no longer accepts the PIN" if pin else "wants the PIN"
        raise PinRejected(f"Plex {wrong} of {user.name}. Save the right PIN for {user.name}.") from error
    except TokenRejected as error:
        raise _refused(user) from error
    except Refused as error:
        raise ViaUnavailable(
            f"Plex no longer lets {user.via_name} switch to {user.name}. "
            f"Send {user.name} a sign-in link, or choose another person as via."
        ) from error
    stored = cipher.encrypt(token, owner=user.id)
    db.ask(database_url, sync_users.store_switched_token, user_id=user.id, plex_token=stored)
    return token


def _via_token(user: SyncUser, cipher: TokenCipher) -> str:
    if user.via_gap:
        raise ViaUnavailable(user.via_gap)
    if token := _decrypted(cipher, user.via_token, owner=user.via_id or 0):
        return token
    raise ViaUnavailable(
        f"This list is read through {user.via_name}, whose token cannot be decrypted. "
        f"Look at what is said about {user.via_name}."
    )


def _refused(user: SyncUser) -> ViaUnavailable:
    # the sentence of via_gap() in sql/, which it becomes once that person was read
    return ViaUnavailable(
        f"This list is read through {user.via_name}, whose token does not work. Renew the token of {user.via_name}."
    )


def _decrypted(cipher: TokenCipher, stored: str | None, *, owner: int, is_pin: bool = False) -> str | None:
    if stored is None:
        return None
    try:
        return cipher.decrypt(stored, owner=owner, column=PIN if is_pin else "plex_users.plex_token")
    except TokenUnreadable:
        return None
