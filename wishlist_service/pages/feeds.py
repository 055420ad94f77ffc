"""Feeds: which other programs can read the wishlist, and what to enter there."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from wishlist_service.web.context import context

bp = Blueprint("feeds", __name__)


@bp.get("/feeds")
def show() -> ResponseReturnValue:
    """The page. Its addresses begin as the one it was asked for at; of a key they hold the name alone."""
    config = context().config
    return render_template(
        "feeds.html",
        root=request.root_url,
        needs_key=bool(config.read_api_key),
        names_shown=config.names == "all",
    )
