"""All pages, put together under one blueprint that accepts forms from our own pages only."""

from flask import Blueprint, Flask, request

from wishlist_service import __version__
from wishlist_service.pages import (
    activity,
    assets,
    contacts,
    feeds,
    join,
    me,
    new,
    people,
    plex_sign_in,
    sign_in,
    syncs,
    title,
    tonight,
    wall,
    who,
)
from wishlist_service.pages.runs import amount
from wishlist_service.pages.wording import (
    colour,
    date_in_words,
    here,
    initials,
    join_names,
    length_of_time,
    origin,
    poster,
    relative,
    rfc3339,
    srcset,
    state_of,
    title_address,
    web_url,
)
from wishlist_service.web.auth import mark_page, refuse_other_sites
from wishlist_service.web.context import READING, context
from wishlist_service.web.listing import default_order


def register_pages(app: Flask) -> None:
    """Make the app show pages."""
    pages = Blueprint("pages", __name__)
    for module in (
        wall,
        title,
        new,
        tonight,
        people,
        contacts,
        activity,
        syncs,
        feeds,
        sign_in,
        plex_sign_in,
        join,
        me,
        who,
        assets,
    ):
        pages.register_blueprint(module.bp)
    pages.url_value_preprocessor(mark_page)  # runs before check_key, which any before_request would follow
    pages.before_request(_refuse_other_sites)
    pages.before_request(who.read_me)
    app.register_blueprint(pages)

    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    filters = (amount, colour, default_order, initials, join_names, length_of_time, origin, poster, rfc3339, srcset)
    for each in (*filters, date_in_words, relative, title_address, web_url):
        app.add_template_filter(each)
    app.add_template_filter(state_of, "state")
    app.add_template_global(assets.asset_url)
    app.add_template_global(here)
    app.context_processor(lambda: {"version": __version__})


def _refuse_other_sites() -> None:
    if request.method not in READING:
        refuse_other_sites(context())
