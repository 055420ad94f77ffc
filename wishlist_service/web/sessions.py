"""Who is signed in: a signed cookie that stands for a key, on pages only."""

import hashlib
import hmac
from datetime import timedelta
from typing import Final

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from wishlist_service.config import Config

LIFETIME: Final = timedelta(days=30)


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions, whose cookie goes by TLS only if it came by TLS."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Called for each request. Few bring a cookie, and what checks signatures takes a tenth of a quick reply."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        """Called for each cookie set."""
        return request.is_secure


def register_sessions(app: Flask, config: Config) -> None:
    """Let the app remember who is signed in."""
    # another key, another signature: changing either one signs everybody out
    purpose = f"sessions of the pages\n{config.read_api_key}"
    app.secret_key = hmac.new(config.api_key.encode(), purpose.encode(), hashlib.sha256).digest()
    app.session_interface = Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="wishlist_session",
        SESSION_COOKIE_PATH=config.url_base or "/",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LIFETIME,
    )


def start_session(role: str) -> None:
    """Sign somebody in, as keeper or as reader."""
    session.clear()
    session.permanent = True
    session["role"] = role


def end_session() -> None:
    """Sign them out."""
    session.clear()


def signed_in_role() -> str:
    """keeper, reader, or nothing."""
    return session.get("role", "")
