"""Problems, as a page shows them. Which problem it is, api/problems.py has decided."""

from typing import Final
from urllib.parse import quote, urlencode

from flask import Response, render_template, request, url_for

from wishlist_service.web.context import READING, is_page

_HEADINGS: Final = {
    400: "That did not come through",
    403: "Not allowed",
    404: "Not here",
    409: "Not just now",
    422: "That cannot be shown",
    429: "Too many tries",
    503: "Back in a moment",
}


def show_problem(response: Response) -> Response:
    """To run after every view: a page's problem document becomes a page, a missing key the way to sign in."""
    if response.mimetype != "application/problem+json" or not (is_page() or _browser_is_lost()):
        return response
    if response.status_code == 401:
        return _sign_in_first()
    problem = response.get_json()
    heading = _HEADINGS.get(response.status_code, "Something went wrong")
    page = Response(render_template("problem.html", problem=problem, heading=heading), response.status_code)
    for name in ("Retry-After", "Allow"):
        if name in response.headers:
            page.headers[name] = response.headers[name]
    return page


def _browser_is_lost() -> bool:
    """Whether somebody typed a path that there is not."""
    api = request.path.startswith("/api/") or request.endpoint
    return not api and "text/html" in request.headers.get("Accept", "")


def _sign_in_first() -> Response:
    # never with a key that somebody put into the address
    query = urlencode([pair for pair in request.args.items(multi=True) if pair[0] != "apikey"])
    wanted = f"{quote(request.path)}?{query}".rstrip("?") if request.method in READING else "/"
    response = Response(status=303)
    response.location = f"{url_for('site.sign_in.form')}?{urlencode({'next': wanted})}"
    return response
