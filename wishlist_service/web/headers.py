"""What a browser needs to know about every reply."""

from typing import Final

from flask import Response, request

_NOTHING: Final = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_API_POLICY: Final = f"{_NOTHING}; form-action 'none'"
_DOCS_POLICY: Final = (
    f"{_API_POLICY}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
# posters come from other hosts
_PAGE_POLICY: Final = (
    f"{_NOTHING}; form-action 'self'; script-src 'self'; style-src 'self'; img-src 'self' https: data:"
    "; connect-src 'self'"
)


def add_headers(response: Response) -> Response:
    """What a browser needs to know about every reply."""
    if request.endpoint == "docs.page":
        policy, referrer = _DOCS_POLICY, "no-referrer"
    elif response.mimetype == "text/html":
        # a page that never tells where somebody comes from has its own forms sent with "Origin: null"
        policy, referrer = _PAGE_POLICY, "same-origin"
    else:
        policy, referrer = _API_POLICY, "no-referrer"
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = referrer
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response
