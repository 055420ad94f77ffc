"""How names, addresses, moments and states are shown: the templates' filters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from flask import request

from wishlist_service.models import PlexUser

COLOURS: Final = 12
"""The classes c0 to c11 of the style sheet."""


class State(NamedTuple):
    """The state of a person's list: a word, a sentence that says what to do, and a class of the style sheet."""

    word: str
    sentence: str
    level: str = "action"
    """ok, waiting (it passes without help), action (someone must do something) or paused."""
    needs_sign_in: bool = False
    """Whether a new sign-in fixes it."""


STATES: Final = {
    "ok": State("Up to date", "Their list is read regularly.", "ok"),
    "never": State(
        "Waiting for the first read",
        "Their list is read within a minute. If this does not change, the scheduler is not running.",
        "waiting",
    ),
    "held": State(
        "Waiting for a second read",
        "Titles vanished from their list in a way that is not certain yet, so they stay here. If they meant to remove "
        "them, do nothing: they go within a day. Otherwise check the list on plex.tv.",
        "waiting",
    ),
    "no_watchlist": State(
        "No watchlist",
        "This account has no watchlist: Discover is turned off at Plex, as for managed profiles. If it is turned on, "
        "the list is read within a day.",
        "waiting",
    ),
    "hidden": State(
        "Not visible",
        "Plex shows no title of this list. It is empty, or they do not share it. They can change that in Plex under "
        "Account, Privacy, Watchlist. Or send a sign-in link. Titles that were seen before are kept.",
        "waiting",
        needs_sign_in=True,
    ),
    "via_unavailable": State(
        "Waits for another sign-in",
        "The sign-in through which this list is read cannot be used: the person is paused, erased, or must sign in "
        "again. Or send this person a sign-in link of their own. Every wish is kept.",
        "waiting",
        needs_sign_in=True,
    ),
    "pin_rejected": State(
        "Needs another PIN",
        "Plex no longer accepts the PIN of this member of a Plex Home. Enter the new one below. Every wish is kept.",
    ),
    "rate_limited": State(
        "Plex asked to slow down",
        "You need not do anything. The next sync continues where this one stopped.",
        "waiting",
    ),
    "unreachable": State(
        "Plex did not answer",
        "The next sync tries again. If this does not change, check the internet connection of this service.",
        "waiting",
    ),
    "token_rejected": State(
        "Must sign in again",
        "Plex no longer accepts the token, for example after a new password. Send a new sign-in link. Every wish is "
        "kept.",
        needs_sign_in=True,
    ),
    "other_account": State(
        "Signed in with another account",
        "The token belongs to another Plex account than this list. Send a new sign-in link and sign in with the "
        "original account. To use the other account, erase this person and add them again.",
        needs_sign_in=True,
    ),
    "token_unreadable": State(
        "Token cannot be read",
        "TOKEN_ENCRYPTION_KEY is not the key that the token was stored with. Restore that key. If it is lost, send a "
        "new sign-in link.",
        needs_sign_in=True,
    ),
    "plex_changed": State(
        "Plex sent an unknown answer",
        "The list stays as it was last read. If your network has a login page, sign in there. Otherwise look for a "
        "newer version of this service.",
    ),
    "error": State(
        "Something went wrong here",
        "The list stays as it was last read. See the sync message, for example for a full disk. Details are in the "
        "log.",
    ),
}
"""By sync_state."""
_PAUSED: Final = State("Paused", "Their wishes are kept but not shown, and their list is not read.", "paused")


def state_of(person: PlexUser) -> State:
    """Return the state of the person's list."""
    return STATES[person.sync_state] if person.active else _PAUSED


def origin(person: PlexUser) -> str:
    """Return where the list of a person without a token of their own comes from, and what would improve it."""
    via = person.via["name"] if person.via else None
    if person.source == "home":
        whence = f"Read through {via}’s Plex Home." if via else "Read through a Plex Home, whose admin was erased."
        return f"{whence} Send a sign-in link: then the list needs nobody else."
    whence = f"Read as {via}’s friend." if via else "Read as a friend of somebody who was erased."
    return f"{whence} Send a sign-in link: private titles, faster updates."


def colour(number: int) -> str:
    """Return the class of a person's or title's colour, always the same for the same id."""
    return f"c{number % COLOURS}"


def initials(name: str) -> str:
    """Return one or two letters that stand for a name."""
    words = name.split()
    letters = words[0][:1] + words[-1][:1] if len(words) > 1 else words[0][:2]
    return letters[:1].upper() + letters[1:]


def join_names(names: Sequence[str]) -> str:
    """Return the names as in a sentence: Ann, Ben and Cleo."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


def web_url(address: str | None) -> str:
    """Return the address if it is https, else an empty text: it came from Plex, so it may be anything."""
    return address if address and address.startswith("https://") else ""


def title_address(uid: str) -> str:
    """Return the address of a title's page."""
    return f"{request.script_root}/title/{uid.removeprefix('plex://')}"


def rfc3339(moment: datetime) -> str:
    """Return the moment as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
