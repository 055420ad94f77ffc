"""Who may do what: the API_KEY allows everything, the READ_API_KEY reading. Without a READ_API_KEY everyone may read.

On pages, a browser sends a signed cookie instead of a key. Decorators mark the views that need less or more.
"""

import hashlib
import hmac
import ipaddress
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from flask import current_app, g, request
from itsdangerous import BadSignature, TimestampSigner
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from wishlist_service.config import Config
from wishlist_service.errors import HostRefused
from wishlist_service.web.context import LONGEST_HOST, READING, Context
from wishlist_service.web.recent import network_of

logger = logging.getLogger(__name__)

COOKIE: Final = "wishlist_session"
LIFETIME_SECONDS: Final = 30 * 24 * 3600
HEADER: Final = "header"
ADDRESS: Final = "address"
_ROLES: Final = ("", "reader", "admin")
# names that no stranger can own
_LOCAL: Final = (
    *(".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".localhost"),
    *(".fritz.box", ".ts.net"),
)


class Key(NamedTuple):
    """A key that was sent, and in which way: HEADER (or the form to sign in) or ADDRESS."""

    way: str
    text: str


View = TypeVar("View", bound=Callable[..., Any])

_open_views: Final[set[Callable[..., Any]]] = set()
_admin_views: Final[set[Callable[..., Any]]] = set()


def open_to_all(view: View) -> View:
    """Mark a view that needs no key, because it shows nothing about people and titles."""
    _open_views.add(view)
    return view


def needs_admin(view: View) -> View:
    """Mark a view that needs the API_KEY even for reading. Changes always need it."""
    _admin_views.add(view)
    return view


def mark_page(*_: Any) -> None:
    """Mark the request as one for a page. Runs before check_key."""
    g.is_page = True


def is_page() -> bool:
    """Return whether the request is for a page. Pages are HTML and accept the cookie; the API does neither."""
    return "is_page" in g


def check_key(shared: Context) -> None:
    """Let the request in, or raise an error that says what it needs. Runs before every view.

    Sets g.names_shown: whether the reply may hold people's names. Sets g.is_admin: whether the API_KEY was sent, or the
    cookie of someone who signed in with it. Sets g.role for pages: "admin", "reader" or "".
    """
    config = shared.config
    g.names_shown = config.names == "all"
    g.role = _signed_in_role(config) if is_page() else ""
    g.is_admin = g.role == "admin"
    view = current_app.view_functions.get(request.endpoint or "")
    if request.routing_exception or view in _open_views:
        return

    reading = request.method in READING and view not in _admin_views
    is_open = reading and not config.read_api_key
    keys = [] if g.role else _sent_keys(reading=reading)
    role = g.role or find_role(shared, keys, throttled=not is_open)
    g.is_admin = role == "admin"
    if g.is_admin:
        g.names_shown = True
        return
    if role and not reading:
        raise Forbidden("The READ_API_KEY may only read. Send the API_KEY.")
    if role:
        return
    if not config.read_api_key:
        _refuse_foreign_host(shared)
    if is_open and (g.names_shown or not _not_blocked(shared, keys)):
        return
    raise Unauthorized(
        "The key is wrong." if keys else "This needs a key. Send it in the header X-API-Key.",
        www_authenticate=[WWWAuthenticate("ApiKey", {"header": "X-API-Key"}), WWWAuthenticate("Bearer")],
    )


def find_role(shared: Context, keys: Sequence[Key], *, throttled: bool = True) -> str:
    """Return the highest role that one of the keys gives: "admin", "reader" or "".

    If all are wrong, the first is counted, and one a minute is logged. After too many wrong keys from an address no
    key is looked at that comes in the same way: raises TooManyRequests if `throttled`, else returns "".
    """
    looked_at = _not_blocked(shared, keys)
    if role := max((_role_of(shared.config, key.text) for key in looked_at), key=_ROLES.index, default=""):
        return role
    address = network_of(request.remote_addr or "")
    if looked_at:
        shared.recent.wrong_keys.add(f"{looked_at[0].way} {address}", looked_at[0].text)
        if shared.recent.logged_addresses.add(address, ""):
            logger.warning("wrong key address=%s method=%s path=%r", _caller(), request.method, request.path)
    elif keys and throttled:
        seconds = int(max(shared.recent.wrong_keys.seconds_left(f"{key.way} {address}") for key in keys)) + 1
        raise TooManyRequests(
            f"Too many wrong keys came from this address. Try again in {seconds} s.", retry_after=seconds
        )
    return ""


def _not_blocked(shared: Context, keys: Sequence[Key]) -> list[Key]:
    address = network_of(request.remote_addr or "")
    return [key for key in keys if not shared.recent.wrong_keys.seconds_left(f"{key.way} {address}")]


def _caller() -> str:
    """Return the caller's address for the log; a proxy may name anything."""
    address = request.remote_addr or ""
    return address if re.fullmatch(r"[0-9a-fA-F.:]+", address) else repr(address)


def _role_of(config: Config, key: str) -> str:
    if _equal(key, config.api_key):
        return "admin"
    return "reader" if config.read_api_key and _equal(key, config.read_api_key) else ""


def _refuse_foreign_host(shared: Context) -> None:
    """Raise HostRefused if a stranger's web page could have sent this through its visitor's browser.

    Such a page points its own name at this machine (DNS rebinding). Its scripts then read what its visitor may read.
    So whoever sends no key must ask for a name that no stranger can own.
    """
    config, host = shared.config, request.host or request.environ.get("HTTP_HOST", "")
    if not host or (config.trusted_proxies and not config.allowed_hosts):
        return
    if _is_answered(host, (*config.allowed_hosts, urlsplit(config.public_url).hostname or "")):
        return
    name = _name_of(host)[:LONGEST_HOST]
    if shared.recent.logged_hosts.add("", name):
        logger.warning("host refused host=%r address=%s", name, _caller())
    raise HostRefused(name)


def _name_of(host: str) -> str:
    """Return the name in a Host header: in small letters, without port and without one dot at its end."""
    return re.sub(r":[0-9]*$", "", host.strip().lower()).removesuffix(".")


def _is_answered(host: str, allowed: Iterable[str]) -> bool:
    """Return whether requests for this Host are answered without a key. `allowed`: names, *.example.org, or *."""
    name = _name_of(host)
    if name.startswith("[") and name.endswith("]"):
        return _is_address(name[1:-1], ipaddress.IPv6Address)
    if _is_address(name, ipaddress.IPv4Address) or re.fullmatch("[a-z0-9_-]+", name):
        return True
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+", name):
        return "*" in allowed
    return name.endswith(_LOCAL) or any(
        entry in ("*", name) or (entry.startswith("*.") and name.endswith(entry[1:])) for entry in allowed
    )


def _is_address(text: str, kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def sign_in(response: Response, config: Config, role: str) -> Response:
    """Set the cookie that holds the role for 30 days. It is restricted to TLS if this request came over TLS."""
    response.set_cookie(
        COOKIE,
        _signer(config).sign(role).decode(),
        max_age=LIFETIME_SECONDS,
        path=config.url_base or "/",
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def sign_out(response: Response, config: Config) -> Response:
    """Delete the cookie."""
    response.delete_cookie(
        COOKIE, path=config.url_base or "/", secure=request.is_secure, httponly=True, samesite="Strict"
    )
    return response


def _signed_in_role(config: Config) -> str:
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return ""
    try:
        return _signer(config).unsign(cookie, max_age=LIFETIME_SECONDS).decode()
    except BadSignature:
        return ""


def _signer(config: Config) -> TimestampSigner:
    # Both keys are in it, so a changed key signs everyone out.
    salt = f"role on pages\n{config.read_api_key}"
    return TimestampSigner(config.api_key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


def _sent_keys(*, reading: bool) -> list[Key]:
    """Return the keys in the order in which they count. A proxy may send an Authorization of its own, so it is last."""
    keys = [Key(HEADER, request.headers.get("X-API-Key", ""))]
    if reading and not is_page():
        # Some programs cannot send headers. Not for changes, and not for pages, because browsers keep addresses.
        keys.append(Key(ADDRESS, request.args.get("apikey", "")))
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        keys.append(Key(HEADER, token.strip()))
    return [key for key in keys if key.text]


def _equal(sent: str, key: str) -> bool:
    # As bytes: compare_digest refuses text beyond ASCII, and a header may hold any.
    return hmac.compare_digest(sent.encode(errors="replace"), key.encode())
