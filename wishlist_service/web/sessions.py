"""Sessions of browsers: a cookie with a random id, of which the database has the SHA-256, the role and the person.

Deleting the row signs the browser out at its next request, whichever process answers that.
"""

import hashlib
import hmac
import logging
import re
import secrets
from typing import Final

from flask import g, request
from werkzeug.wrappers import Response

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.queries import sessions
from wishlist_service.tokens import hash_of
from wishlist_service.web.context import Context, context

logger = logging.getLogger(__name__)

COOKIE: Final = "wishlist_session"
LIFETIME_SECONDS: Final = 30 * 24 * 3600


def start_session(response: Response, *, role: str = "member", user_id: int | None = None) -> Response:
    """Sign this browser in for 30 days, under a new id. The session that it had before ends.

    role: "member" with the id of a person, or "admin" or "reader" for who sent a key.
    Raises NotFound if the person is paused or no longer here.
    """
    shared, session_id = context(), new_id()
    key_mac = None if user_id is not None else _mac_of_keys(shared.config, session_id)
    with shared.pool.connection() as conn, conn.transaction():
        sessions.remove_ended_sessions(conn)
        if before := sent_id(COOKIE):
            sessions.remove_session(conn, id_hash=hash_of(before))
        sessions.add_session(conn, id_hash=hash_of(session_id), role=role, user_id=user_id, key_mac=key_mac)
    return set_cookie(response, COOKIE, session_id, seconds=LIFETIME_SECONDS)


def end_session(response: Response) -> Response:
    """Sign this browser out."""
    if session_id := sent_id(COOKIE):
        with context().pool.connection() as conn:
            sessions.remove_session(conn, id_hash=hash_of(session_id))
    return delete_cookie(response, COOKIE)


def end_sessions_of(user_id: int) -> None:
    """Sign a person out everywhere."""
    with context().pool.connection() as conn:
        sessions.remove_sessions_of(conn, user_id=user_id)


def find_session(shared: Context) -> sessions.Session | None:
    """Return the session of this browser. Prolongs it once a day, and sets g.session_prolonged then."""
    session_id = sent_id(COOKIE)
    found = db.read(shared.pool, sessions.find_session, id_hash=hash_of(session_id)) if session_id else None
    if found is None:
        return None
    if found.key_mac is not None and not hmac.compare_digest(found.key_mac, _mac_of_keys(shared.config, session_id)):
        return None  # a key was changed
    if found.due:
        try:
            with shared.pool.connection() as conn:
                if sessions.prolong_session(conn, id_hash=hash_of(session_id)):
                    g.session_prolonged = True
        except db.EXPECTED as error:  # a standby can be read all the same
            logger.warning("session was not prolonged reason=%r", str(error).strip())
    return found


def prolong_cookie(response: Response) -> None:
    """Let the browser keep its cookie as long as the session, which was prolonged. One that is new or gone stays so."""
    if "Set-Cookie" not in response.headers:
        set_cookie(response, COOKIE, sent_id(COOKIE), seconds=LIFETIME_SECONDS)


def new_id() -> str:
    """Return 256 random bits as text for a cookie."""
    return secrets.token_urlsafe(32)


def sent_id(cookie: str) -> str:
    """Return the id in this cookie of the request; empty if there is none."""
    text = request.cookies.get(cookie, "")
    return text if re.fullmatch(r"[\w-]{43}", text, re.ASCII) else ""


def set_cookie(response: Response, name: str, value: str, *, seconds: int) -> Response:
    """Set a cookie that no script reads. It is restricted to TLS if this request came over TLS.

    Lax, because the way back from Plex and links in messages must bring it.
    """
    path = context().config.url_base or "/"
    response.set_cookie(
        name, value, max_age=seconds, path=path, secure=request.is_secure, httponly=True, samesite="Lax"
    )
    return response


def delete_cookie(response: Response, name: str) -> Response:
    """Delete a cookie of set_cookie()."""
    path = context().config.url_base or "/"
    response.delete_cookie(name, path=path, secure=request.is_secure, httponly=True, samesite="Lax")
    return response


def _mac_of_keys(config: Config, session_id: str) -> str:
    # With the id in it, the stored value does not help to guess a key. Both keys are in it, so changing one of them
    # ends all sessions that began with a key.
    message = f"{session_id}\n{config.read_api_key}"
    return hmac.new(config.api_key.encode(), message.encode(), hashlib.sha256).hexdigest()
