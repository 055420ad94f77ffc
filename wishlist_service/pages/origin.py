"""Forms are taken from our own pages only."""

from urllib.parse import urlsplit

from flask import request
from werkzeug.exceptions import Forbidden

from wishlist_service.web.context import READING


def refuse_other_sites() -> None:
    """Raise Forbidden for a change that another site's page sent. To run before every view of a page.

    Browsers tell by Sec-Fetch-Site where a request comes from, but only by TLS or on the same machine; by
    Origin with every form. Its host and port are compared, not its scheme: that is the proxy's to know.
    """
    if request.method in READING:
        return
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    ours = site == "same-origin" if site else urlsplit(origin).netloc == request.host
    if not ours:
        raise Forbidden("This form was not sent from a page of this service. Open the page here and try again.")
