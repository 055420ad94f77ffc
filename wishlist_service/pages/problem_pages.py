"""Problems, as a page shows them. Which problem it is, web/problems.py has decided."""

from typing import Final
from urllib.parse import quote, urlencode

from flask import Response, render_template, request, url_for

from wishlist_service.web.auth import is_page
from wishlist_service.web.context import READING
from wishlist_service.web.problems import Problem, problem_document

_HEADINGS: Final = {
    400: "That did not come through",
    403: "Not allowed",
    404: "Not here",
    409: "Not just now",
    422: "That cannot be shown",
    429: "Too many tries",
    503: "Back in a moment",
}


def show_problem(problem: Problem) -> Response:
    """Return the reply to a request that failed: a page for a page, the way to sign in for a missing key."""
    if not (is_page() or _browser_is_lost()):
        return problem_document(problem)
    if problem.status == 401:
        return _sign_in_first()
    heading = _HEADINGS.get(problem.status, "Something went wrong")
    page = Response(render_template("problem.html", problem=problem.document, heading=heading), problem.status)
    page.headers.extend((name, value) for name, value in problem.headers if name in ("Retry-After", "Allow"))
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
    response.location = f"{url_for('pages.sign_in.form')}?{urlencode({'next': wanted})}"
    return response
