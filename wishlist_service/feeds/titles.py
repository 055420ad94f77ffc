"""Titles for feeds and downloads: all of them, page by page. No feed starts before a list was read completely."""

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

# Few, because a download whose client reads nothing holds them in memory.
_AT_A_TIME: Final = 50


def require_feed_ready() -> None:
    """Raise FeedNotReady if it is not known what is wanted. Runs before every view of a feed or download.

    Programs delete titles that are no longer on a list. This is read before the titles, because a sync that ends in
    between only adds some.
    """
    named = request.args.getlist(REPEATABLE)
    # The view refuses what is not an id.
    user_ids = [int(user_id) for user_id in named if user_id.isascii() and user_id.isdecimal() and len(user_id) < 10]
    media_type = "movie" if "/radarr" in request.path else "show" if "/sonarr" in request.path else None
    ready = read(
        feeds.get_readiness, user_ids=user_ids, media_type=media_type or request.args.get("media_type") or None
    )
    if not ready.of_lists:
        raise FeedNotReady(
            "No watchlist has been read completely yet. The feed starts after the first sync that succeeds. "
            "See /api/sync/status for the reason."
        )
    if ready.paused:
        raise FeedNotReady(f"User {ready.paused[0]} is paused: their wishes are kept but not shown.")
    if ready.unread:
        raise FeedNotReady(f"The list of user {ready.unread[0]} has not been read completely yet.")
    if ready.unasked:
        raise FeedNotReady(
            "Plex has not yet been asked for the ids of these titles, since friends' lists come without them. "
            "The feed starts within a few minutes."
        )
    if "available" in request.args and not ready.of_library:
        raise FeedNotReady("The media server was not read yet, so it is not known which titles are available.")


def every_title(filters: WishlistFilter) -> Iterator[dict[str, Any]]:
    """Yield all titles as GET /api/wishlist shows them, oldest first. Only one page is in memory.

    Start it in a view; it may go on after the view has ended. Each page is its own statement, so a slow client holds
    no connection. The place of a title never changes, so a title that stays is yielded once.
    """
    pool, names_shown, place = context().pool, g.names_shown, None
    while True:
        page = read_for(
            pool, names_shown, wishlist.list_items, filters=filters, order="asc", limit=_AT_A_TIME, after=place
        )
        titles, following = json.loads(page.items_json), page.next
        del page
        yield from titles
        if following is None:
            return
        _, added_at, item_id = following
        moment = datetime.fromisoformat(added_at)
        place = Place(key=moment, added_at=moment, id=item_id)


def newest_titles(filters: WishlistFilter, *, maximum: int) -> list[dict[str, Any]]:
    """Return the titles that were added last, newest first."""
    return json.loads(read(wishlist.list_items, filters=filters, limit=maximum).items_json)
