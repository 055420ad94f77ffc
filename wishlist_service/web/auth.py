"""Who may do what: the API_KEY allows everything, the READ_API_KEY reading. Without a READ_API_KEY everyone may read.

On pages, a browser sends a signed cookie instead of a key. Decorators mark the views that need less or more.
"""

import hashlib
import hmac
import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import current_app, g, request
from itsdangerous import BadSignature, TimestampSigner
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response

from wishlist_service.config import Config
from wishlist_service.web.context import READING, Context, context

logger = logging.getLogger(__name__)

COOKIE: Final = "wishlist_session"
LIFETIME_SECONDS: Final = 30 * 24 * 3600

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
    """Let the request in, or raise Unauthorized, Forbidden or TooManyRequests. Runs before every view.

    Sets g.names_shown: whether the reply may hold people's names. Sets g.role for pages: "admin", "reader" or "".
    """
    config = shared.config
    g.names_shown = config.names == "all"
    g.role = _signed_in_role(config) if is_page() else ""
    view = current_app.view_functions.get(request.endpoint or "")
    if request.routing_exception or view in _open_views:
        return
    reading = request.method in READING and view not in _admin_views
    if reading and not config.read_api_key and g.names_shown:
        return

    address = request.remote_addr or ""
    keys = [] if g.role else _sent_keys(reading=reading)
    sent = keys[0] if keys else ""
    if not g.role:
        shared.wrong_keys.refuse_guesser(address)
    role = g.role or max((role_of(config, key) for key in keys), key=["", "reader", "admin"].index, default="")
    if role == "admin":
        g.names_shown = True
        return
    if role and not reading:
        raise Forbidden("The READ_API_KEY may only read. Send the API_KEY.")
    if role or (reading and not sent and not config.read_api_key):
        return
    if sent:
        note_wrong_key(address, sent)
    raise Unauthorized(
        "The key is wrong." if sent else "This needs a key. Send it in the header X-API-Key.",
        www_authenticate=[WWWAuthenticate("ApiKey", {"header": "X-API-Key"}), WWWAuthenticate("Bearer")],
    )


def role_of(config: Config, key: str) -> str:
    """Return the role that this key gives: "admin", "reader" or ""."""
    if key and _equal(key, config.api_key):
        return "admin"
    return "reader" if key and config.read_api_key and _equal(key, config.read_api_key) else ""


def note_wrong_key(address: str, key: str) -> None:
    """Count and log a wrong key."""
    context().wrong_keys.add(address, key)
    logger.warning("wrong key address=%s method=%s path=%r", address, request.method, request.path)


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


def _sent_keys(*, reading: bool) -> list[str]:
    """Return the keys in the order in which they count. A proxy may send an Authorization of its own, so it is last."""
    keys = [request.headers.get("X-API-Key", "")]
    if reading and not is_page():
        # Some programs cannot send headers. Not for changes, and not for pages, because browsers keep addresses.
        keys.append(request.args.get("apikey", ""))
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        keys.append(token.strip())
    return [key for key in keys if key]


def _equal(sent: str, key: str) -> bool:
    # As bytes: compare_digest refuses text beyond ASCII, and a header may hold any.
    return hmac.compare_digest(sent.encode(errors="replace"), key.encode())
