"""How names, addresses, moments and states are shown: the templates' filters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from flask import request

from wishlist_service.models import PlexUser

COLOURS: Final = 12
"""The classes c0 to c11 of the style sheet."""


class State(NamedTuple):
    """How somebody's list is: in a word, in a sentence that names the cure, and as a class of the style sheet."""

    word: str
    sentence: str
    kind: str = "ails"
    """well, waits (passes by itself), ails (somebody has to do something) or paused."""
    needs_link: bool = False
    """Signing in again is the cure."""


STATES: Final = {
    "ok": State("Up to date", "Their list is read regularly.", "well"),
    "never": State(
        "Waiting for the first read",
        "Their list is read within a minute; if this stays so, the scheduler is not running.",
        "waits",
    ),
    "held": State(
        "Waiting for a second look",
        "Titles vanished from their list in a way that is not certain yet, so they stay here. If that was meant, do "
        "nothing: they go within a day. Otherwise look at the list on plex.tv.",
        "waits",
    ),
    "no_watchlist": State(
        "No watchlist",
        "This account has no watchlist: Discover is turned off at Plex, as for managed profiles. If it is turned on, "
        "the list is read within a day.",
        "waits",
    ),
    "rate_limited": State(
        "Plex asked to slow down", "Nothing has to be done: the next sync goes on where this one stopped.", "waits"
    ),
    "unreachable": State(
        "Plex did not answer",
        "The next sync tries again; if this lasts, look at the internet connection of this service.",
        "waits",
    ),
    "token_rejected": State(
        "Has to sign in again",
        "Plex no longer accepts the token, as after a new password. Send a new link; every wish is kept.",
        needs_link=True,
    ),
    "other_account": State(
        "Signed in with another account",
        "The token is of another Plex account than this list was read from. Send a new link, to be signed in to "
        "with the account of before; for another account, erase this person and add them again.",
        needs_link=True,
    ),
    "token_unreadable": State(
        "Token cannot be read",
        "TOKEN_ENCRYPTION_KEY is not the one it was stored with. Put the old key back; if that is lost, send a new "
        "link.",
        needs_link=True,
    ),
    "plex_changed": State(
        "Plex answered something unknown",
        "The list stays as it was read last. Behind the login page of a network, sign in there; otherwise look for "
        "a newer version of this service.",
    ),
    "error": State(
        "Something went wrong here",
        "The list stays as it was read last. What the sync said tells what to mend: a full disk, or something for "
        "the log.",
    ),
}
"""By sync_state."""
_PAUSED: Final = State("Paused", "What they want is kept, but neither shown nor read.", "paused")


def state_of(person: PlexUser) -> State:
    """How the person's list is."""
    return STATES[person.sync_state] if person.active else _PAUSED


def colour(number: int) -> str:
    """The class of somebody's or something's colour, always the same one."""
    return f"c{number % COLOURS}"


def initials(name: str) -> str:
    """One or two letters that stand for a name."""
    words = name.split()
    first, last = words[0], words[-1]
    letters = first[:1] + last[:1] if len(words) > 1 else first[:2]
    return letters[:1].upper() + letters[1:]


def join_names(names: Sequence[str]) -> str:
    """The names as a sentence has them: Ann, Ben and Cleo."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


def web_url(address: str | None) -> str:
    """The address if a browser may be sent there or fetch it, or nothing: it came from Plex, so it may be anything."""
    return address if address and address.startswith("https://") else ""


def title_address(uid: str) -> str:
    """The address of a title's page."""
    return f"{request.script_root}/title/{uid.removeprefix('plex://')}"


def rfc3339(moment: datetime) -> str:
    """The moment as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
