"""Tonight: what the media server has of what those who watch want, and one title picked for them."""

import json
import secrets
from typing import Any, Final

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.models import WishlistFilter
from wishlist_service.pages.wall import list_people
from wishlist_service.queries import media_server, wishlist
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import LARGEST_ID, Fields
from wishlist_service.web.listing import REPEATABLE, read_user_ids

_MAXIMUM: Final = 100

bp = Blueprint("tonight", __name__)


@bp.get("/tonight")
def show() -> ResponseReturnValue:
    """Return the page. With `seed` it shows one title: `offset` counts the others that were passed over.

    It is never cached, because each page offers another seed.
    """
    query = Fields.from_query(request, repeatable=REPEATABLE)
    user_ids = read_user_ids(query)
    seed = query.integer("seed", minimum=0, maximum=LARGEST_ID)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    if offset and seed is None:
        query.error("offset", "can only be given together with seed.")
    query.done()

    has_library = bool(context().config.plex_server_url)
    filters = WishlistFilter(user_ids=user_ids, available=True)
    picked, items, total = None, [], 0
    if has_library and seed is not None:
        picked, total = _pick(filters, seed, offset)
    if has_library and picked is None:
        page = read(wishlist.list_items, filters=filters, sort="wanted_count", limit=_MAXIMUM)
        items, total = json.loads(page.items_json), page.total
    play_urls = read(media_server.list_play_urls, item_ids=[picked["id"]]) if picked else {}
    return render_template(
        "tonight.html",
        has_library=has_library,
        people=list_people(user_ids or []),
        chosen=user_ids or [],
        items=items,
        total=total,
        picked=picked,
        play_url=play_urls.get(picked["id"]) if picked else None,
        everything=_address(user_ids),
        pick=_address(user_ids, seed=secrets.randbelow(LARGEST_ID)),
        another=_address(user_ids, seed=seed, offset=(offset + 1) % total if total else 0),
    )


def _pick(filters: WishlistFilter, seed: int, offset: int) -> tuple[dict[str, Any] | None, int]:
    """Return the title at this place of the random order, and how many there are. After the last comes the first."""
    page = read(wishlist.list_items, filters=filters, sort="random", order="asc", seed=seed, limit=1, offset=offset)
    items = json.loads(page.items_json)
    if not items and page.total:
        return _pick(filters, seed, offset % page.total)
    return (items[0] if items else None), page.total


def _address(user_ids: list[int] | None, *, seed: int | None = None, offset: int = 0) -> str:
    return url_for(".show", user=user_ids or [], seed=seed, offset=offset or None)
