"""Paths: any spelling of an item's uid, the prefix that a reverse proxy adds, and what the log shows of them."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from flask import request
from werkzeug.routing import BaseConverter, ValidationError

_UID = re.compile(r"(?:plex:/*)?(?:(movie|show)/+)?([0-9a-f]{24})/*", re.IGNORECASE | re.ASCII)


def uids_meant(text: str) -> list[str] | None:
    """Return the uids that a spelling may mean; None if it is not a spelling of a uid.

    A proxy may decode %2F, collapse slashes or encode twice, and people type the short form. So these all count:
    plex://movie/<24 hex>, plex:/movie/<24 hex>, movie/<24 hex> and the bare hex digits.
    """
    match = _UID.fullmatch(unquote(unquote(text)).strip())
    if match is None:
        return None
    media_types = (match[1].lower(),) if match[1] else ("movie", "show")
    return [f"plex://{media_type}/{match[2].lower()}" for media_type in media_types]


def path_for_log() -> str:
    """Return the rule of the request's path, since the path of an invitation is a secret."""
    return str(request.url_rule or request.path)


class UidConverter(BaseConverter):
    """<uid:uids> in a rule: the list of uids meant."""

    part_isolating = False  # the value may hold slashes
    regex = "(?ia:(?:plex(?::|%3A)(?:/|%2F)*)?(?:(?:movie|show)(?:/|%2F)+)?[0-9A-F]{24}(?:/|%2F)*)"

    def to_python(self, value: str) -> list[str]:
        """Return the uids. Raises ValidationError."""
        uids = uids_meant(value)
        if uids is None:
            raise ValidationError(value)
        return uids


class IdConverter(BaseConverter):
    """<id:name> in a rule: a number that fits a bigint. With <int(max=…)>, 404 would become 405."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)


class UrlBase:
    """WSGI middleware: accepts paths with and without the prefix. Links have it once."""

    def __init__(self, wsgi_app: Any, base: str) -> None:
        self._wsgi_app = wsgi_app
        self._base = base

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve one request."""
        path = environ.get("PATH_INFO", "")
        if path == self._base or path.startswith(self._base + "/"):
            environ["PATH_INFO"] = path[len(self._base) :] or "/"
        environ["SCRIPT_NAME"] = self._base
        return self._wsgi_app(environ, start_response)
