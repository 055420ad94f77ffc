"""How the value of a setting is read. Each function raises ValueError with a text that follows the setting's name."""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

_POPULAR_WORD: Final = "p[a@4][s$5]{2}w[o0]rd"
_PLACEHOLDER: Final = (
    "placeholder|(?<![a-z])(?:(?:change|replace|edit|set)[ _-]*(?:me|this|it|please)(?![a-z])"
    "|(?:your|my)[ _-]*(?:own[ _-]*)?(?:api|read|secret|random|key))"
)
MAKE_ONE: Final = "Make one with: openssl rand -hex 32"


def why_unreadable(path: str, error: Exception) -> str:
    """Return the reason: for a file of another user, whose it is and how to change that."""
    if isinstance(error, PermissionError):
        with suppress(OSError):
            owner, here = Path(path).stat().st_uid, os.geteuid()
            return f"{path} belongs to the user {owner}, and this is the user {here}. Run: chown {here} {path}"
    return type(error).__name__


class CompleteError(ValueError):
    """The message is complete: the value must not follow it."""


def parse_number(text: str, *, minimum: float, maximum: float) -> float:
    """Return the number in plain decimals. Like the other parsers, raises ValueError that says what it must be."""
    # float() would also accept underscores, spaces, digits of other scripts, nan and inf
    if re.fullmatch(r"[0-9]{0,9}\.?[0-9]{1,9}", text) and minimum <= float(text) <= maximum:
        return float(text)
    raise ValueError(f"must be a number from {minimum:g} to {maximum:g}")


def parse_integer(text: str, *, minimum: int, maximum: int) -> int:
    """Return the whole number in plain digits."""
    if re.fullmatch(r"[0-9]{1,19}", text) and minimum <= int(text) <= maximum:
        return int(text)
    raise ValueError(f"must be a whole number from {minimum} to {maximum}")


def parse_choice(text: str, options: tuple[str, ...]) -> str:
    """Return the text if it is one of the options."""
    if text in options:
        return text
    raise ValueError(f"must be one of {', '.join(options)}")


def parse_flag(text: str) -> bool:
    """Return whether the text is true or false."""
    if text in ("true", "false"):
        return text == "true"
    raise ValueError("must be true or false")


def number(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of numbers in plain decimals."""
    return partial(parse_number, minimum=minimum, maximum=maximum)


def number_or_zero(minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of numbers in plain decimals, or 0."""

    def parse(text: str) -> float:
        try:
            return parse_number(text, minimum=0, maximum=0)
        except ValueError:
            pass
        try:
            return parse_number(text, minimum=minimum, maximum=maximum)
        except ValueError as error:
            raise ValueError(f"{error}, or 0") from None

    return parse


def integer(minimum: int, maximum: int) -> Callable[[str], int]:
    """Return a parser of whole numbers."""
    return partial(parse_integer, minimum=minimum, maximum=maximum)


def choice(*options: str) -> Callable[[str], str]:
    """Return a parser of one of the options, in small or capital letters."""
    spelled = {option.lower(): option for option in options}
    return lambda text: parse_choice(spelled.get(text.lower(), text), options)


def flag(text: str) -> bool:
    """Return whether the text is true or false, in small or capital letters."""
    return parse_flag(text.lower())


def database_url(text: str) -> str:
    """Return the address of a PostgreSQL database."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return text


def with_password(url: str, password: str) -> str:
    """Return the address of the database with the password, if one is given."""
    # imported here because gunicorn's first process needs no driver, which takes 8 MB
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError:  # its text may quote the password
        raise ValueError(
            "is invalid: it has an unknown parameter, or special characters that are not percent-encoded"
        ) from None
    # such a character moves a part of the password into its neighbours, which errors quote
    place = f"{parts.get('host')}{parts.get('dbname')}"
    if "@" in place or not re.fullmatch("[0-9,]*", str(parts.get("port") or "")):
        raise ValueError("has special characters that must be percent-encoded: @ as %40, / as %2F")
    return make_conninfo(url, password=password) if password else url


def header_secret(text: str) -> str:
    """Return a key that is sent in headers, if it is hard to guess."""
    if not text.isascii() or not text.isprintable():
        raise ValueError(f"must have ASCII characters only. {MAKE_ONE}")
    [key] = secrets(text, split=False)
    if why := _why_guessable(key.lower()):
        raise ValueError(f"is easy to guess: it {why}. {MAKE_ONE}")
    return key


def _why_guessable(key: str) -> str:
    """Return why a key of small letters is easy to guess; "" if it is not."""
    if len(set(key)) < 6:
        return "has fewer than 6 different characters"
    # Two thirds: what is left of a random key does not repeat its beginning.
    if any(key[length:] == key[:-length] for length in range(1, len(key) * 2 // 3 + 1)):
        return "repeats a short piece"
    if re.search(_POPULAR_WORD, key):
        # One of four random words may be this one.
        others = re.findall("[a-z]+", re.sub(_POPULAR_WORD, " ", key))
        if len(others) < 3 or min(map(len, others)) < 3:
            return "is the word password with something around it"
    return "is a placeholder" if re.search(_PLACEHOLDER, key) else ""


def secrets(text: str, *, split: bool = True) -> tuple[str, ...]:
    """Return the keys between commas, or the whole text as one."""
    values = tuple(part.strip() for part in text.split(",") if part.strip()) if split else (text,)
    if not values:
        raise ValueError(f"is missing. {MAKE_ONE}")
    if short := [str(number) for number, value in enumerate(values, start=1) if len(value) < 16]:
        which = f" (key {', '.join(short)})" if len(values) > 1 else ""
        raise ValueError(f"is too short{which}: use 16 characters or more. {MAKE_ONE}")
    return values


def foreign_secret(text: str) -> str:
    """Return a secret that another program made."""
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("must have visible ASCII characters only")
    return text


def language(text: str) -> str:
    """Return a language like de or pt-BR."""
    if not re.fullmatch("[a-z]{2}(-[A-Z]{2})?", text):
        raise ValueError("must be a language like de or pt-BR")
    return text


def line(text: str) -> str:
    """Return a short text of one line."""
    if not text.isprintable() or len(text) > 100:
        raise ValueError("must be one line of at most 100 characters")
    return text


def web_url(like: str) -> Callable[[str], str]:
    """Return a parser of web addresses without a slash at the end."""

    def parse(text: str) -> str:
        address = text.rstrip("/")
        if re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[\w./~-]*)?", address, re.ASCII):
            return address
        raise CompleteError(f"must be an address like {like}")  # it may hold a password

    return parse


def addresses(text: str) -> tuple[str, ...]:
    """Return the addresses between spaces, line ends or commas."""
    # a comma separates only before another address, because addresses hold commas, too
    parts = re.split(r"\s|,(?=[A-Za-z][A-Za-z0-9+.-]*://)", text)
    return tuple(address for part in parts if (address := part.strip(",")))


def origins(text: str) -> tuple[str, ...]:
    """Return the origins of web pages between spaces or commas, as browsers send them."""
    origins = [part.lower().rstrip("/") for part in re.split(r"[\s,]+", text) if part]
    form = r"\*|[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?"
    for origin in origins:
        if not re.fullmatch(form, origin):
            raise ValueError("must hold origins like https://dash.example.org, without a path, or *")
    # browsers leave out the usual port
    return tuple(re.sub("^(http://.*):80$|^(https://.*):443$", r"\1\2", origin) for origin in origins)


def hosts(text: str) -> tuple[str, ...]:
    """Return the host names between spaces or commas, in small letters and without ports."""
    names = tuple(
        re.sub(r"(:[0-9]*)?$", "", name.lower()).removesuffix(".") for name in re.split(r"[,\s]+", text) if name
    )
    if not all(re.fullmatch(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", name) for name in names):
        raise ValueError("must be host names like nas.example.org or *.example.org")
    return names


def path(text: str) -> Path:
    """Return the path of a directory."""
    if "\0" in text:
        raise ValueError("must be the path of a directory")
    return Path(text)


def url_base(text: str) -> str:
    """Return the path below which the service is reached; empty for none."""
    path = text.strip("/")
    if path and not re.fullmatch(r"[\w~-][\w.~-]*(/[\w~-][\w.~-]*)*", path, re.ASCII):
        raise ValueError("must be a plain path like /plex-wishlist")
    if path.partition("/")[0] in ("api", "docs", "health", "metrics", "openapi.json"):
        raise CompleteError(f"must not begin with a path of the service itself, like /{path}")
    return f"/{path}" if path else ""
