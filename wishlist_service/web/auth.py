"""Who may do what: API_KEY everything, READ_API_KEY reading; without a READ_API_KEY everybody reads.

A browser sends a signed cookie instead of a key, on pages only. A view says what else it needs by a decorator.
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
    """Mark a view that needs no key, because it tells nothing about the household."""
    _open_views.add(view)
    return view


def needs_admin(view: View) -> View:
    """Mark a view that only the API_KEY may read; whatever changes something needs it anyway."""
    _admin_views.add(view)
    return view


def mark_page(*_: Any) -> None:
    """To run before every view of a page."""
    g.is_page = True


def is_page() -> bool:
    """Whether the request is for a page. Pages speak HTML and know who is signed in; the API does neither."""
    return "is_page" in g


def check_key(shared: Context) -> None:
    """Let the request in, or raise Unauthorized, Forbidden or TooManyRequests. To run before every view.

    g.names_shown says whether the reply may hold people's names. g.role says as what somebody is signed in: admin,
    who may do everything, reader, or nothing. Only pages know that; the API takes a key with each request.
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
    sent = "" if g.role else _sent_key(reading=reading)
    if not g.role:
        shared.wrong_keys.refuse_guesser(address)
    role = g.role or role_of(config, sent)
    if role == "admin":
        g.names_shown = True
        return
    if role and not reading:
        raise Forbidden("This key may only read. Send the API_KEY.")
    if role or (reading and not sent and not config.read_api_key):
        return
    if sent:
        note_wrong_key(address, sent)
    raise Unauthorized(
        "The key is wrong." if sent else "This needs a key, in the header X-API-Key.",
        www_authenticate=[WWWAuthenticate("ApiKey", {"header": "X-API-Key"}), WWWAuthenticate("Bearer")],
    )


def role_of(config: Config, key: str) -> str:
    """Return the role that this key gives: admin, reader, or nothing."""
    if key and _equal(key, config.api_key):
        return "admin"
    return "reader" if key and config.read_api_key and _equal(key, config.read_api_key) else ""


def note_wrong_key(address: str, key: str) -> None:
    """Remember and log a wrong key."""
    context().wrong_keys.add(address, key)
    logger.warning("wrong key address=%s method=%s path=%r", address, request.method, request.path)


def sign_in(response: Response, config: Config, role: str) -> Response:
    """Have the browser keep the role for 30 days, in a cookie that goes by TLS only if this request did."""
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
    """Have the browser forget the role."""
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
    # Made of both keys: a new one signs everybody out.
    salt = f"role on pages\n{config.read_api_key}"
    return TimestampSigner(config.api_key, salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)


def _sent_key(*, reading: bool) -> str:
    if key := request.headers.get("X-API-Key"):
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    # Some programs know no headers and send it in the address. Never for a change, nor for a page: a browser keeps
    # addresses.
    return request.args.get("apikey", "") if reading and not is_page() else ""


def _equal(sent: str, key: str) -> bool:
    # Bytes: compare_digest takes no text beyond ASCII, and a header may hold any.
    return hmac.compare_digest(sent.encode(errors="replace"), key.encode())
