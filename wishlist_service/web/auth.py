"""Who may do what: API_KEY everything, READ_API_KEY reading; without a READ_API_KEY everybody reads."""

import hmac
import logging
from typing import Final

from flask import g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized

from wishlist_service.web.context import PAGES, READING, is_page, parts
from wishlist_service.web.sessions import signed_in_role

logger = logging.getLogger(__name__)

# they tell nothing about the household
_OPEN_ENDPOINTS: Final = (
    "health.health",
    "docs.openapi",
    "docs.page",
    "docs.asset",
    *(PAGES + name for name in ("assets.asset", "sign_in.form", "sign_in.sign_in", "sign_in.sign_out")),
)
# reading them needs the API_KEY: with such an address a stranger could sign in under somebody's name, and who may
# not erase or take off watchlists need not be asked
_KEPT_ENDPOINTS: Final = (
    "links.get_link",
    *(PAGES + name for name in ("links.show", "people.ask_to_erase", "title_actions.ask")),
)


def check_key() -> None:
    """Let the request in, or raise Unauthorized, Forbidden or TooManyRequests. To run before every view.

    g.names_shown tells whether the reply may hold people's names, g.role as what somebody is signed in: keeper,
    who may do everything, reader, or nothing. Only pages know that; the API takes a key with each request.
    """
    config = parts().config
    g.names_shown = config.names == "all"
    g.role = signed_in_role() if is_page() else ""
    if request.routing_exception or request.endpoint in _OPEN_ENDPOINTS:
        return
    reading = request.method in READING and request.endpoint not in _KEPT_ENDPOINTS
    if reading and not config.read_api_key and g.names_shown:
        return

    address = request.remote_addr or ""
    sent = "" if g.role else _sent_key(reading=reading)
    if not g.role:
        parts().wrong_keys.refuse_guesser(address)
    role = g.role or role_of(sent)
    if role == "keeper":
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


def role_of(key: str) -> str:
    """What somebody with this key is: keeper, reader, or nothing."""
    config = parts().config
    if key and _equal(key, config.api_key):
        return "keeper"
    return "reader" if key and config.read_api_key and _equal(key, config.read_api_key) else ""


def note_wrong_key(address: str, key: str) -> None:
    """Remember and log a wrong key."""
    parts().wrong_keys.add(address, key)
    logger.warning("wrong key address=%s method=%s path=%r", address, request.method, request.path)


def _sent_key(*, reading: bool) -> str:
    if key := request.headers.get("X-API-Key"):
        return key
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    # programs that know no headers put it into the address; never for what changes something, nor for a page:
    # a browser keeps addresses
    return request.args.get("apikey", "") if reading and not is_page() else ""


def _equal(sent: str, key: str) -> bool:
    # bytes: compare_digest takes no text beyond ASCII, and a header may hold any
    return hmac.compare_digest(sent.encode(errors="replace"), key.encode())
