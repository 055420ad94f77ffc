"""Feeds: which programs can read the wishlist, and what to enter in them."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.web.context import context

bp = Blueprint("feeds", __name__)


@bp.get("/feeds")
def show() -> ResponseReturnValue:
    """Return the page. Its addresses start like its own, and hold the name of the key in place of a key."""
    config = context().config
    return render_template(
        "feeds.html",
        root=request.root_url,
        needs_key=bool(config.read_api_key),
        names_shown=config.names == "all",
    )
