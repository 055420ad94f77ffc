"""Titles for feeds and downloads: all of them, page by page, and none before the first sync has told any."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from flask import g

from wishlist_service.api.parts import parts, read, read_for
from wishlist_service.errors import NeverSynced
from wishlist_service.page_models import Place, WishlistFilter
from wishlist_service.queries import feeds, wishlist

_AT_A_TIME: Final = 500


def refuse_before_first_sync() -> None:
    """To run before every view that tells other programs what is wanted. Raises NeverSynced.

    They delete what is no longer on a list. Asked before the titles are: a sync that ends in between adds some.
    """
    if not read(feeds.was_ever_synced):
        raise NeverSynced(
            "No watchlist has been read completely yet; there is a list after the first sync that ends well. "
            "/api/sync/status tells what is in the way."
        )


def every_title(filters: WishlistFilter) -> Iterator[dict[str, Any]]:
    """All titles as GET /api/wishlist shows them, the oldest first, without ever holding them all.

    To be begun in a view; it may go on after it.

    Each page is a statement of its own, so a client that takes its time holds no connection. What is there
    throughout comes once: the place of a title never changes.
    """
    pool, names_shown, place = parts().pool, g.names_shown, None
    while True:
        page = read_for(
            pool,
            names_shown,
            wishlist.list_items,
            filters=filters,
            sort="added_at",
            order="asc",
            limit=_AT_A_TIME,
            offset=0,
            after=place,
        )
        yield from json.loads(page.items_json)
        if page.next is None:
            return
        _, added_at, item_id = page.next
        moment = datetime.fromisoformat(added_at)
        place = Place(key=moment, added_at=moment, id=item_id)


def newest_titles(filters: WishlistFilter, *, most: int) -> list[dict[str, Any]]:
    """The last that were added, the newest first."""
    page = read(wishlist.list_items, filters=filters, sort="added_at", order="desc", limit=most, offset=0, after=None)
    return json.loads(page.items_json)
