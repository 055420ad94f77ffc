"""What happens to every reply before it is sent: it is compressed, gets headers for browsers, and is counted."""

import re
from typing import Final
from urllib.parse import urlsplit

from flask import Response, g, request

from wishlist_service.web import request_counts
from wishlist_service.web.compression import encode
from wishlist_service.web.context import context
from wishlist_service.web.sessions import prolong_cookie

NOTHING: Final = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_API_POLICY: Final = f"{NOTHING}; form-action 'none'"
# Where Plex's posters are. Those on any other host are shown through PLEX_IMAGES_URL.
_IMAGES: Final = (
    "https://image.tmdb.org https://metadata-static.plex.tv https://assets.fanart.tv https://artworks.thetvdb.com "
    "https://vod-static.plex.tv"
)
_PAGE_POLICY: Final = (
    f"{NOTHING}; script-src 'self'; style-src 'self'; connect-src 'self'; manifest-src 'self'"
    f"; img-src 'self' data: {_IMAGES}"
)
_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE")


def _has_own_host() -> bool:
    """Return whether no other program shares this host name, as far as the request tells. HSTS would bind them, too."""
    host = request.environ.get("HTTP_HOST", "")
    if not (request.is_secure and host) or ":" in host or request.environ.get("SCRIPT_NAME"):
        return False
    return not re.fullmatch(r"[0-9.]+", host)


def finish(response: Response) -> Response:
    """Compress the reply, add the headers and count it. Runs after every view, which may have set its own policy."""
    if "session_prolonged" in g:
        prolong_cookie(response)
    response.vary.add("Cookie")
    encode(response)
    # With "no-referrer", browsers would send our own forms with "Origin: null".
    if response.mimetype == "text/html" and "Content-Security-Policy" not in response.headers:
        config = context().config
        # a form of ours leads to where people sign in at Plex
        forms = f"form-action 'self' {_origin(config.plex_auth_url)}"
        policy, referrer = f"{forms}; {_PAGE_POLICY} {_origin(config.plex_images_url)}", "same-origin"
    else:
        policy, referrer = _API_POLICY, "no-referrer"
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers["Referrer-Policy"] = referrer
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "private, no-cache")
    if _has_own_host():
        response.headers["Strict-Transport-Security"] = "max-age=2592000"  # 30 days

    # By route and not by path, because each path ever tried would take memory.
    route = request.url_rule.rule if request.url_rule else "unknown"
    method = request.method if request.method in _METHODS else "other"
    request_counts.counts.add(request_counts.Counted(method, route, str(response.status_code)))
    return response


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"
