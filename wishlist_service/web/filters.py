"""The filters of the wishlist, read from a query string: the same for pages, feeds and downloads."""

from typing import Final

from wishlist_service.models import WishlistFilter
from wishlist_service.web.context import read_user_ids
from wishlist_service.web.fields import LARGEST_ID, Fields

REPEATABLE: Final = "user"
MEDIA_TYPES: Final = ("movie", "show")
IDS: Final = ("imdb", "tmdb", "tvdb")


def read_filters(
    query: Fields,
    *,
    user_id: int | None = None,
    media_types: tuple[str, ...] = MEDIA_TYPES,
    missing: tuple[str, ...] = IDS,
) -> WishlistFilter:
    """What everybody can filter by; of what somebody wants at present.

    user_id: whose wishes they are, if that is settled already.
    media_types, missing: what a list can be asked for. Other words are refused, for the reply could only be
    empty, and an empty list has programs clean up. One type alone is also what is meant if none is given.
    """
    only_type = media_types[0] if len(media_types) == 1 else None
    return WishlistFilter(
        search=query.optional_text("search", maximum=200),
        year=query.integer("year", minimum=1, maximum=9999),
        media_type=query.choice("media_type", media_types, default=only_type),
        user_ids=read_user_ids(query) if user_id is None else [user_id],
        every_user=user_id is None and query.choice("match", ("any", "all"), default="any") == "all",
        min_wanted=query.integer("min_wanted", minimum=1, maximum=LARGEST_ID),
        genre=query.optional_text("genre", maximum=100),
        available=query.flag("available"),
        missing=query.choice("missing", missing, default=None),
    )
