"""How names, addresses, moments and states are shown: the templates' filters."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from flask import current_app, g, request

from wishlist_service.models import PlexUser
from wishlist_service.queries.users import list_names
from wishlist_service.web.context import context, read

_AT_TMDB: Final = re.compile(r"(https://image\.tmdb\.org/t/p/)[a-z0-9_]+(/.+)")
_TMDB_WIDTHS: Final = (92, 154, 185, 342, 500, 780)
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
        "the list is read by itself.",
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
        "You need not do anything. Their list is asked for again by itself, from where this stopped.",
        "waiting",
    ),
    "unreachable": State(
        "Plex did not answer",
        "It is tried again by itself. If this does not change, check the internet connection of this service.",
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


def initials(person: Any) -> str:
    """Return two letters that stand for a person, different for each person of the household."""
    if "initials" not in g:
        g.initials = letters_of(read(list_names))
    values = person if isinstance(person, dict) else vars(person)
    return g.initials.get(values["id"]) or next(_candidates(values["name"]))


def letters_of(people: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Return two letters for each person (id, name), those of the first people as usual: Anna An, Anne Ae."""
    found: dict[int, str] = {}
    taken: set[str] = set()
    for number, name in people:
        letters = next(each for each in _candidates(name) if each.casefold() not in taken)
        taken.add(letters.casefold())
        found[number] = letters
    return found


def _candidates(name: str) -> Iterator[str]:
    words = name.split()
    first = words[0][:1].upper()
    usual = first + (words[-1][:1] if len(words) > 1 else words[0][1:2])
    yield usual
    rest = [*words[-1], *"".join(words)[1:]] if len(words) > 1 else words[0][1:]
    yield from (f"{first}{letter}" for letter in rest)
    yield from (f"{usual}{number}" for number in count(2))


def join_names(names: Sequence[str]) -> str:
    """Return the names as in a sentence: Ann, Ben and Cleo."""
    return " and ".join([*filter(None, [", ".join(names[:-1])]), *names[-1:]])


def web_url(address: str | None) -> str:
    """Return the address if it is https, else an empty text: it came from Plex, so it may be anything."""
    return address if address and address.startswith("https://") else ""


def poster(address: str | None, width: int) -> str:
    """Return the address of the poster in the smallest size that is at least this many pixels wide, or the largest.

    Empty if the poster is not https. The original has a megabyte.
    """
    url = web_url(address)
    if found := _AT_TMDB.fullmatch(url):
        size = next((each for each in _TMDB_WIDTHS if each >= width), _TMDB_WIDTHS[-1])
        return f"{found[1]}w{size}{found[2]}"
    scale = 1 if width <= 500 else 2
    asked = f"/photo?size=medium-360&scale={scale}&url={quote(url, safe='')}"
    return f"{context().config.plex_images_url}{asked}" if url else ""


def srcset(address: str | None, widths: Sequence[int]) -> str:
    """Return these sizes of the poster for the attribute of that name; empty if there is only one."""
    pick: Any = current_app.jinja_env.filters["poster"]  # the demo has another
    sizes = {pick(address, width): width for width in reversed(widths)}
    return ", ".join(f"{url} {width}w" for url, width in reversed(sizes.items())) if len(sizes) > 1 else ""


def title_address(uid: str) -> str:
    """Return the address of a title's page."""
    return f"{request.script_root}/title/{uid.removeprefix('plex://')}"


def length_of_time(minutes: int) -> str:
    """Return a length in words: 1 h 48 min."""
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours}\N{NO-BREAK SPACE}h" if hours else "", f"{rest}\N{NO-BREAK SPACE}min" if rest else ""]
    return "\N{NO-BREAK SPACE}".join(part for part in parts if part)


def relative(text: str) -> str:
    """Return how long ago the moment is, or in how long it comes. The script says the same."""
    moment = datetime.fromisoformat(text)
    seconds = round((datetime.now(UTC) - moment).total_seconds())
    size = abs(seconds)
    if size >= 7 * 86400:
        return date_in_words(text)
    if size < 60:
        return "in a moment" if seconds < 0 else "just now"
    unit, length = next(each for each in (("d", 86400), ("h", 3600), ("min", 60)) if size >= each[1])
    told = f"{size // length}\N{NO-BREAK SPACE}{unit}"
    return f"in {told}" if seconds < 0 else f"{told} ago"


def date_in_words(text: str) -> str:
    """Return the day of a date or moment in UTC: 24 Nov 2026."""
    moment = datetime.fromisoformat(text)
    return f"{moment.day} {moment:%b} {moment.year}"


def rfc3339(moment: datetime) -> str:
    """Return the moment as the API writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
