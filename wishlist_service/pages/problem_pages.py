"""Problems as pages. web/problems.py decides which problem it is."""

from typing import Final
from urllib.parse import urlencode

from flask import Response, g, render_template, request, url_for

from wishlist_service.pages.wording import here
from wishlist_service.web.auth import is_page
from wishlist_service.web.context import READING
from wishlist_service.web.problems import Problem, problem_document

_HEADINGS: Final = {
    400: "The request was incomplete",
    403: "Not allowed",
    404: "Not found",
    409: "Not possible now",
    410: "No longer possible",
    421: "Unknown host",
    422: "Invalid address",
    429: "Too many tries",
    503: "Back in a moment",
}
_HEADERS: Final = ("Retry-After", "Allow", "Cache-Control")


def show_problem(problem: Problem) -> Response:
    """Return a page for a page's problem, the document for others. A missing key leads to the sign-in page."""
    # A browser that asks for an unknown path gets a page, too.
    unknown = not request.endpoint and not request.path.startswith("/api/")
    if not (is_page() or (unknown and "text/html" in request.headers.get("Accept", ""))):
        return problem_document(problem)
    g.tv = request.args.get("tv") == "1"  # an unknown path is no page yet
    if problem.status == 401:
        wanted = here() if request.method in READING else "/"
        response = Response(status=303)
        response.location = (
            url_for("pages.sign_in.form", tv=None) + "?" + urlencode({"next": wanted} | ({"tv": 1} if g.tv else {}))
        )
        return response
    heading = _HEADINGS.get(problem.status, "Something went wrong")
    page = Response(
        render_template("problem.html", problem=problem.document, heading=heading, here=request.script_root + here()),
        problem.status,
    )
    page.headers.extend((name, value) for name, value in problem.headers if name in _HEADERS)
    return page
