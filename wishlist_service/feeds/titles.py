"""Titles for feeds and downloads: all of them, page by page, and none before the first sync has told any."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from flask import g, request

from wishlist_service.errors import FeedNotReady
from wishlist_service.models import Place, WishlistFilter
from wishlist_service.queries import feeds, wishlist
from wishlist_service.web.context import context, read, read_for
from wishlist_service.web.listing import REPEATABLE

_AT_A_TIME: Final = 500


def require_feed_ready() -> None:
    """To run before every view that tells other programs what is wanted. Raises FeedNotReady.

    They delete what is no longer on a list. Asked before the titles are: a sync that ends in between adds some.
    """
    named = request.args.getlist(REPEATABLE)
    # What is no id at all is the view's to refuse.
    user_ids = [int(user_id) for user_id in named if user_id.isascii() and user_id.isdecimal() and len(user_id) < 10]
    ready = read(feeds.get_readiness, user_ids=user_ids)
    if not ready.of_lists:
        raise FeedNotReady(
            "No watchlist has been read completely yet. The feed begins after the first sync that succeeds. "
            "See /api/sync/status for the reason."
        )
    if ready.paused:
        raise FeedNotReady(f"User {ready.paused[0]} is paused: what they want is kept, but not shown.")
    if ready.unread:
        raise FeedNotReady(f"The list of user {ready.unread[0]} has not been read completely yet.")
    if "available" in request.args and not ready.of_library:
        raise FeedNotReady("The media server has not been looked through yet, so what is available is not known.")


def every_title(filters: WishlistFilter) -> Iterator[dict[str, Any]]:
    """All titles as GET /api/wishlist shows them, the oldest first, without ever holding them all.

    To be begun in a view; it may go on after it.

    Each page is a statement of its own, so a client that takes its time holds no connection. What is there
    throughout comes once: the place of a title never changes.
    """
    pool, names_shown, place = context().pool, g.names_shown, None
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
