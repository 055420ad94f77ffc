"""Titles for feeds and downloads: all of them, page by page, and none before the first sync has told any."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from flask import g, request

from wishlist_service.errors import NeverSynced
from wishlist_service.models import Place, WishlistFilter
from wishlist_service.queries import feeds, wishlist
from wishlist_service.web.context import parts, read, read_for
from wishlist_service.web.filters import REPEATABLE

_AT_A_TIME: Final = 500


def refuse_the_unknown() -> None:
    """To run before every view that tells other programs what is wanted. Raises NeverSynced.

    They delete what is no longer on a list. Asked before the titles are: a sync that ends in between adds some.
    """
    named = request.args.getlist(REPEATABLE)
    # what is no id at all is the view's to refuse
    user_ids = [int(user_id) for user_id in named if user_id.isascii() and user_id.isdecimal() and len(user_id) < 10]
    known = read(feeds.get_knowledge, user_ids=user_ids)
    if not known.of_lists:
        raise NeverSynced(
            "No watchlist has been read completely yet; there is a list after the first sync that ends well. "
            "/api/sync/status tells what is in the way."
        )
    if known.paused:
        raise NeverSynced(f"User {known.paused[0]} is paused: what they want is kept, but not shown.")
    if known.unread:
        raise NeverSynced(f"The list of user {known.unread[0]} has not been read completely yet.")
    if "available" in request.args and not known.of_library:
        raise NeverSynced("The media server has not been looked through yet, so what is available is not known.")


def every_title(filters: WishlistFilter) -> Iterator[dict[str, Any]]:
    """All titles as GET /api/wishlist shows them, the oldest first, without ever holding them all.

    To be begun in a view; it may go on after it.

    Each page is a statement of its own, so a client that takes its time holds no connection. What is there
    throughout comes once: the place of a title never changes.
    """
    pool, names_shown, place = parts().pool, g.names_shown, None
    while True:
        page = read_for(
            pool, names_shown, wishlist.list_items, filters=filters, order="asc", limit=_AT_A_TIME, after=place
        )
        yield from json.loads(page.items_json)
        if page.next is None:
            return
        _, added_at, item_id = page.next
        moment = datetime.fromisoformat(added_at)
        place = Place(key=moment, added_at=moment, id=item_id)


def newest_titles(filters: WishlistFilter, *, maximum: int) -> list[dict[str, Any]]:
    """The last that were added, the newest first."""
    return json.loads(read(wishlist.list_items, filters=filters, limit=maximum).items_json)
