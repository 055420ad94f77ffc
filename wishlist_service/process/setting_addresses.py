"""Settings that are addresses. Each parser raises ValueError with a text that follows the setting's name."""

import re
from collections.abc import Callable


class CompleteError(ValueError):
    """The message is complete: the value must not follow it."""


def web_url(like: str) -> Callable[[str], str]:
    """Return a parser of one address; the error gives an example."""

    def parse(text: str) -> str:
        address = text.rstrip("/")
        if re.fullmatch(r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[\w./~-]*)?", address, re.ASCII):
            return address
        raise CompleteError(f"must be an address like {like}")  # it may hold a password

    return parse


def hosts(text: str) -> tuple[str, ...]:
    """Return host names, in small letters and without ports. `*` and `*.example.org` are allowed."""
    names = tuple(
        re.sub(r"(:[0-9]*)?$", "", name.lower()).removesuffix(".") for name in re.split(r"[,\s]+", text) if name
    )
    if not all(re.fullmatch(r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", name) for name in names):
        raise ValueError("must be host names like nas.example.org or *.example.org")
    return names


def addresses(text: str) -> tuple[str, ...]:
    """Return addresses that are separated by spaces, or by commas."""
    # a comma separates only before another address, because addresses hold commas, too
    parts = re.split(r"\s|,(?=[A-Za-z][A-Za-z0-9+.-]*://)", text)
    return tuple(address for part in parts if (address := part.strip(",")))


def origins(text: str) -> tuple[str, ...]:
    """Return origins as browsers send them."""
    origins = [part.lower().rstrip("/") for part in re.split(r"[\s,]+", text) if part]
    form = r"\*|[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?"
    for origin in origins:
        if not re.fullmatch(form, origin):
            raise ValueError("must hold origins like https://dash.example.org, without a path, or *")
    # browsers leave out the usual port
    return tuple(re.sub("^(http://.*):80$|^(https://.*):443$", r"\1\2", origin) for origin in origins)


def url_base(text: str) -> str:
    """Return the path with one slash at its beginning, or ""."""
    path = text.strip("/")
    if path and not re.fullmatch(r"[\w~-][\w.~-]*(/[\w~-][\w.~-]*)*", path, re.ASCII):
        raise ValueError("must be a plain path like /plex-wishlist")
    if path.partition("/")[0] in ("api", "docs", "health", "metrics", "openapi.json"):
        raise CompleteError(f"must not begin with a path of the service itself, like /{path}")
    return f"/{path}" if path else ""
