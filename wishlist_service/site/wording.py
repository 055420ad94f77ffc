"""How names, addresses and moments are shown: the templates' filters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from flask import request

COLOURS: Final = 12
"""The classes c0 to c11 of the style sheet."""


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
