"""CORS: which other sites' pages may read the API in a browser. They send a key; cookies never count."""

from flask import Response, request

from wishlist_service.web.auth import is_page
from wishlist_service.web.context import context

_READ_BY_PAGES = "ETag, Retry-After, Location, WWW-Authenticate, X-Wishlist-Skipped"


def answer_preflight() -> Response | None:
    """Answer a browser that asks whether a page of an allowed site may send a request. Runs before check_key."""
    asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    if not asked or is_page() or not _allowed_origin():
        return None
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
    response.headers["Access-Control-Allow-Headers"] = "X-API-Key, Authorization, If-None-Match, Content-Type"
    response.headers["Access-Control-Max-Age"] = "7200"
    return response


def allow_origin(response: Response) -> Response:
    """Let pages of the allowed sites read this reply, also if it is an error. Runs after every view."""
    if is_page():
        return response
    response.vary.add("Origin")
    origin = _allowed_origin()
    if origin and request.method in ("GET", "HEAD", "OPTIONS"):
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _READ_BY_PAGES
    return response


def _allowed_origin() -> str:
    """Return what Access-Control-Allow-Origin must say to this request; empty if its site is not allowed."""
    allowed, origin = context().config.cors_origins, request.headers.get("Origin", "")
    if not origin:
        return ""
    return "*" if "*" in allowed else origin if origin.lower() in allowed else ""
