"""All pages, put together under one blueprint."""

from flask import Blueprint, Flask, Response

from wishlist_service import __version__
from wishlist_service.pages import (
    activity,
    assets,
    feeds,
    people,
    sign_in,
    sign_ins,
    title,
    title_actions,
    wall,
)
from wishlist_service.pages.origin import refuse_other_sites
from wishlist_service.pages.runs import amount
from wishlist_service.pages.wording import colour, initials, join_names, rfc3339, state_of, title_address, web_url
from wishlist_service.web.auth import mark_page


def register_pages(app: Flask) -> None:
    """Make the app show pages."""
    pages = Blueprint("pages", __name__)
    for module in (wall, title, title_actions, people, sign_ins, activity, feeds, sign_in, assets):
        pages.register_blueprint(module.bp)
    pages.url_value_preprocessor(mark_page)  # runs before check_key, which any before_request would follow
    pages.before_request(refuse_other_sites)
    pages.after_request(_vary_by_cookie)
    app.register_blueprint(pages)

    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    for each in (amount, colour, initials, join_names, rfc3339, title_address, web_url):
        app.add_template_filter(each)
    app.add_template_filter(state_of, "state")
    app.add_template_global(assets.asset_url)
    app.context_processor(lambda: {"version": __version__})


def _vary_by_cookie(response: Response) -> Response:
    response.vary.add("Cookie")
    return response
