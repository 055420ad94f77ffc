"""Who may do what.

admin: whoever sends the API_KEY, or is a person with that mark. member: a person who signed in with Plex. reader:
whoever sends the READ_API_KEY. Anybody may read while READING is open. Decorators mark the views that need less or
more.
"""

import hmac
import ipaddress
import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from flask import current_app, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, TooManyRequests, Unauthorized
from werkzeug.http import parse_list_header

from wishlist_service.config import Config
from wishlist_service.errors import HostRefused
from wishlist_service.web.context import LONGEST_HOST, READING, Context
from wishlist_service.web.paths import path_for_log
from wishlist_service.web.recent import network_of, parse_address
from wishlist_service.web.sessions import COOKIE, find_session

logger = logging.getLogger(__name__)

HEADER: Final = "header"
ADDRESS: Final = "address"
_ROLES: Final = ("", "reader", "admin")
# names that no stranger can own
_LOCAL: Final = (
    *(".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".localhost"),
    *(".fritz.box", ".ts.net"),
)
# this machine and private networks: loopback, RFC 1918, link-local, unique local addresses
_NEAR: Final = tuple(
    ipaddress.ip_network(each)
    for each in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("::1/128", "fe80::/10", "fc00::/7"),
    )
)
_FORWARDED: Final = ("X-Forwarded-For", "Forwarded")
CLAIM_SECONDS: Final = 3600


class Key(NamedTuple):
    """A key that was sent, and in which way: HEADER (or the form to sign in) or ADDRESS."""

    way: str
    text: str


View = TypeVar("View", bound=Callable[..., Any])

_open_views: Final[set[Callable[..., Any]]] = set()
_sessionless_views: Final[set[Callable[..., Any]]] = set()
_admin_views: Final[set[Callable[..., Any]]] = set()
_person_views: Final[set[Callable[..., Any]]] = set()
_pushed_views: Final[set[Callable[..., Any]]] = set()


def open_to_all(view: View) -> View:
    """Mark a view that needs no key, because it shows nothing about people and titles."""
    _open_views.add(view)
    return view


def same_for_all(view: View) -> View:
    """Mark a view that answers everybody alike. It does not even look who asks, which the database would tell."""
    _sessionless_views.add(view)
    return view


def needs_admin(view: View) -> View:
    """Mark a view that only an admin may see. Changes are for admins anyhow."""
    _admin_views.add(view)
    return view


def needs_person(view: View) -> View:
    """Mark a view for people who signed in with Plex, also if it changes something of theirs. g.user_id is set there.

    Anybody else gets 403; at a page, who is not signed in is led to the sign-in page.
    """
    _person_views.add(view)
    return view


def takes_reader_key(view: View) -> View:
    """Mark a view to which a program pushes what it knows. That needs what reading needs, and the key in the address.

    Such a program cannot send headers.
    """
    _pushed_views.add(view)
    return view


def mark_page(*_: Any) -> None:
    """Mark the request as one for a page. Runs before check_key."""
    g.is_page = True


def is_page() -> bool:
    """Return whether the request is for a page, which is HTML."""
    return "is_page" in g


def check_key(shared: Context) -> None:
    """Let the request in, or raise an error that says what it needs. Runs before every view.

    Sets g.role: "admin", "member", "reader", or "" for anybody. Sets g.user_id: the person who signed in with Plex, or
    None. Sets g.is_admin, and g.names_shown: whether the reply may hold people's names.
    """
    g.role, g.user_id, g.is_admin, g.names_shown = "", None, False, shared.config.names == "all"
    view = current_app.view_functions.get(request.endpoint or "")
    if request.routing_exception or view in _sessionless_views:
        return
    reading = (request.method in READING or view in _pushed_views) and view not in _admin_views
    is_open = reading and reading_is_open(shared.config)
    keys = [] if view in _open_views else _sent_keys(reading=reading)
    # On a page the session wins, since a proxy may add an Authorization of its own to everything a browser sends.
    session = find_session(shared) if COOKIE in request.cookies and (is_page() or not keys) else None
    if session:
        g.role, g.user_id = session.role, session.user_id
        if request.method not in READING:
            refuse_other_sites(shared)
    elif keys:
        g.role = find_role(shared, keys, throttled=not is_open)
    g.is_admin = g.role == "admin"
    g.names_shown = g.names_shown or g.is_admin or g.user_id is not None
    if view in _person_views:
        _refuse_without_person(keys)
    elif view not in _open_views:
        _refuse_without_right(shared, keys, reading=reading)


def reading_is_open(config: Config) -> bool:
    """Return whether everybody may read without a key."""
    return config.reading != "closed" and not config.read_api_key


def _refuse_without_right(shared: Context, keys: Sequence[Key], *, reading: bool) -> None:
    if g.is_admin or (g.role and reading):
        return
    if g.user_id is not None:
        raise Forbidden("Only an admin may do this.")
    if g.role:
        raise Forbidden("The READ_API_KEY may only read. Send the API_KEY.")
    if reading_is_open(shared.config):
        _refuse_foreign_host(shared)
        if reading and (g.names_shown or not _not_blocked(shared, keys)):
            return
    raise _unauthorized(keys)


def _refuse_without_person(keys: Sequence[Key]) -> None:
    """Raise Forbidden for whoever is not a person who signed in, and Unauthorized if signing in is all that lacks."""
    if g.user_id is not None:
        return
    if not g.role and (keys or is_page()):
        raise _unauthorized(keys)
    raise Forbidden("This is for a person. Sign in with Plex; a key is of no person.")


def _unauthorized(keys: Sequence[Key]) -> Unauthorized:
    return Unauthorized(
        "The key is wrong." if keys else "This needs a key. Send it in the header X-API-Key.",
        www_authenticate=[WWWAuthenticate("ApiKey", {"header": "X-API-Key"}), WWWAuthenticate("Bearer")],
    )


def refuse_other_sites(shared: Context) -> None:
    """Raise Forbidden for a change that another site's page sent.

    Browsers send Sec-Fetch-Site over TLS or on the same machine only, and Origin with every form. Only host and
    port of the origin are compared, because only a proxy knows the scheme.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    found = re.fullmatch(r"https?://([^/?#\s]+)", origin)
    sender = found[1] if found else ""
    known = (request.host, urlsplit(shared.config.public_url).netloc)
    ours = site == "same-origin" if site else bool(sender) and sender in known
    if not ours:
        text = "This was not sent from a page of this service. Open the page here and try again."
        if sender and site is None:
            text += (
                f" It came from {origin}, and the reverse proxy names this service {request.host or 'nothing'}. "
                f"If both are this service, let the proxy pass on the Host header, or set PUBLIC_URL={origin}."
            )
        raise Forbidden(text)


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
            logger.warning("wrong key address=%s method=%s path=%r", _caller(), request.method, path_for_log())
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
    host = request.host or request.environ.get("HTTP_HOST", "")
    if not host or is_own_host(shared.config, host):
        return
    name = _name_of(host)[:LONGEST_HOST]
    if shared.recent.logged_hosts.add("", name):
        logger.warning("host refused host=%r address=%s", name, _caller())
    raise HostRefused(name)


def is_own_host(config: Config, host: str) -> bool:
    """Return whether no stranger can own this host. Behind a proxy, the proxy decides which hosts exist."""
    if config.trusted_proxies and not config.allowed_hosts:
        return True
    return _is_answered(host, (*config.allowed_hosts, urlsplit(config.public_url).hostname or ""))


def why_no_claim(shared: Context) -> str:
    """Return why this browser may not begin an installation that nobody uses yet; empty if it may.

    An admin may. Without a key it must be near, within an hour of the start. A proxy that TRUSTED_PROXIES does not
    name would make everybody look near, and so would a name that a stranger points at this machine (DNS rebinding).
    """
    config = shared.config
    if g.is_admin:
        return ""
    if time.monotonic() - shared.recent.started >= CLAIM_SECONDS:
        return "This service was started more than an hour ago. Start it again for another hour."
    if any(name in request.headers for name in _FORWARDED):
        told = len(parse_list_header(request.headers.get("X-Forwarded-For", "")))
        if not config.trusted_proxies:
            return "A reverse proxy sent this, and TRUSTED_PROXIES does not name it."
        if told < config.trusted_proxies:  # then the address is that of a proxy
            return "The reverse proxies sent fewer addresses in X-Forwarded-For than TRUSTED_PROXIES says."
    if not (request.host and _is_answered(request.host, [urlsplit(config.public_url).hostname or ""])):
        return "The name of this host could be anybody's. Open the service by its IP address, or set PUBLIC_URL."
    if not _is_near(request.remote_addr or ""):
        return "This browser is neither on this machine nor in a private network."
    return ""


def _is_near(address: str) -> bool:
    ip = parse_address(address)
    return ip is not None and any(ip in network for network in _NEAR)


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
