"""All pages, put together under one blueprint that accepts forms from our own pages only."""

from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import Forbidden

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
from wishlist_service.web.auth import mark_page
from wishlist_service.web.context import READING, context
from wishlist_service.web.listing import default_order


def register_pages(app: Flask) -> None:
    """Make the app show pages."""
    pages = Blueprint("pages", __name__)
    for module in (wall, title, new, tonight, people, contacts, activity, syncs, feeds, sign_in, join, me, who, assets):
        pages.register_blueprint(module.bp)
    pages.url_value_preprocessor(mark_page)  # runs before check_key, which any before_request would follow
    pages.url_value_preprocessor(who.read_me)
    pages.before_request(_refuse_other_sites)
    pages.after_request(_vary_by_cookie)
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
    """Raise Forbidden for a change that another site's page sent. Runs before every view of a page.

    Browsers send Sec-Fetch-Site over TLS or on the same machine only, and Origin with every form. Only host and
    port of the origin are compared, because only a proxy knows the scheme.
    """
    if request.method in READING:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    sender = urlsplit(origin).netloc
    known = (request.host, urlsplit(context().config.public_url).netloc)
    ours = site == "same-origin" if site else bool(sender) and sender in known
    if not ours:
        text = "This form was not sent from a page of this service. Open the page here and try again."
        if sender and site is None:
            text += (
                f" It came from {origin}, and the reverse proxy names this service {request.host or 'nothing'}. "
                f"If both are this service, let the proxy pass on the Host header, or set PUBLIC_URL={origin}."
            )
        raise Forbidden(text)


def _vary_by_cookie(response: Response) -> Response:
    response.vary.add("Cookie")
    return response
