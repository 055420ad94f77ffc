"""The web application of the demo: the service itself, and the posters that the simulated Plex names.

The posters are under the address that the browser uses for the pages, so every device that sees the pages sees them.
"""

from urllib.parse import urlsplit

from flask import Response, request
from werkzeug.exceptions import NotFound

from tests.demo.titles import POSTERS, SMALL, titles
from wsgi import app

by_slug = {title.slug: title for title in titles().values()}


@app.get(f"{POSTERS}<slug>.svg")
def poster(slug: str) -> Response:
    """The poster of a title, small or large."""
    if slug not in by_slug:
        raise NotFound
    drawn = by_slug[slug].poster(small="small" in request.args)
    return Response(drawn, content_type="image/svg+xml", headers={"Cache-Control": "max-age=3600"})


def poster_here(address: str | None, width: int) -> str:
    """The poster's address without scheme and host, so that the browser asks where it got the page."""
    path = urlsplit(address or "").path
    return path and (f"{path}?small" if width <= SMALL else path) if POSTERS in path else ""


app.jinja_env.filters["poster"] = poster_here
