"""The wall: what everyone wants to watch, as posters."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from flask import Blueprint, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.models import PlexUser, WishlistFilter
from wishlist_service.pages.status import Status, read_status, state_now
from wishlist_service.queries import sign_ins, sync_runs, users, wishlist
from wishlist_service.web.auth import why_no_claim
from wishlist_service.web.context import context, read, reply
from wishlist_service.web.listing import Listing, get_page, read_listing

HTML: Final = "text/html; charset=utf-8"
MAXIMUM_PEOPLE: Final = 40  # in the filter
_STATUSES: Final = {"removed": "No longer wanted", "dismissed": "Dismissed", "all": "Wanted now or before"}
_MAXIMUM_TITLES_FOR_GENRES: Final = 1000

bp = Blueprint("wall", __name__)


@bp.get("/")
def show() -> ResponseReturnValue:
    """Return the wall. Its query string is that of GET /api/wishlist."""
    given = [pair for pair in request.args.items(multi=True) if pair[0] != "apikey"]
    is_random = ("sort", "random") in given
    if any(value == "" or (name == "seed" and not is_random) for name, value in given):
        # a form sent without the script sends every field, also those that mean nothing now
        filled = urlencode([(name, value) for name, value in given if value != "" and (is_random or name != "seed")])
        return redirect(f"{url_for('.show')}?{filled}".rstrip("?"))
    listing, status = read_listing(default_sort="last_wish_at"), read_status()
    # the status tells the time, so a page is kept and confirmed only while that is right
    response = reply(partial(_page, listing, status), content_type=HTML, also=status)
    if response.status_code == 200 and not response.data:
        return _empty_page(listing, status)
    return response


def _page(listing: Listing, status: Status, silent: Sequence[PlexUser] | None = None) -> str:
    """Return the page; an empty text if it must tell what changes without the wishlist.

    silent: the people of the filter whose list has nothing to show, to tell why; None if they are not known yet.
    """
    page, cursor = get_page(listing)
    plain = not request.args.keys() - {"apikey"}
    if page.total == 0 and silent is None and (plain or listing.filters.user_ids or not read(sign_ins.is_claimed)):
        return ""
    kept = [pair for pair in request.args.items(multi=True) if pair[0] not in ("after", "offset", "apikey")]
    people = list_people(listing.filters.user_ids or [])
    asks = context().config.names == "all"
    return render_template(
        "wall.html",
        listing=listing,
        filters=listing.filters,
        page=page,
        items=json.loads(page.items_json),
        first=f"?{urlencode(kept)}",
        more=f"?{urlencode([*kept, ('after', cursor)])}" if cursor else "",
        people=people,
        status=status,
        silent=[(person, state_now(person, status)) for person in silent or ()],
        genres=_genres(listing),
        heading=_heading(listing),
        set_filters=_count_set(listing.filters),
        asks_who=len(people) > 1 and g.me not in [0, *(person["id"] for person in people)] and asks,
        address=f"{request.path}?{urlencode(kept)}".rstrip("?"),
        has_library=bool(context().config.plex_server_url),
    )


def list_people(chosen: Sequence[int]) -> list[dict[str, Any]]:
    """Return the people to choose from, by name, who looks at the page first: those with wishes, and those chosen."""
    people = read(users.list_users, active=True, limit=MAXIMUM_PEOPLE, offset=0, by_name=True)
    people.sort(key=lambda person: person.id != g.me)
    return [
        {"id": person.id, "name": person.name, "chosen": person.id in chosen}
        for person in people
        if person.wishlist_size or person.id in (*chosen, g.me)
    ]


def _count_set(filters: WishlistFilter) -> int:
    """Return how many filters of the sheet are set."""
    given = (filters.media_type, filters.genre, filters.year, filters.available)
    return sum(each is not None for each in given) + (filters.status != "current")


def _heading(listing: Listing) -> str:
    """Return the filters in words, for the title of the page."""
    filters = listing.filters
    names = dict(read(users.list_names)) if filters.user_ids else {}
    joining = " and " if filters.every_user else " or "
    parts = [
        f"“{filters.search}”" if filters.search else "",
        {"movie": "Movies", "show": "Shows", None: ""}[filters.media_type],
        filters.genre or "",
        str(filters.year or ""),
        f"Wanted by {joining.join(names[each] for each in filters.user_ids)}" if filters.user_ids else "",
        f"Wanted by {filters.min_wanted} or more" if filters.min_wanted else "",
        {True: "In the library", False: "Not in the library", None: ""}[filters.available],
        _STATUSES.get(filters.status, ""),
        f"Without an id at {filters.missing.upper()}" if filters.missing else "",
    ]
    return " · ".join(part for part in parts if part)


def _genres(listing: Listing) -> list[str]:
    genres = read(wishlist.list_genres, most_titles=_MAXIMUM_TITLES_FOR_GENRES)
    chosen = listing.filters.genre
    return sorted({*genres, chosen} if chosen else genres, key=str.casefold)


def _empty_page(listing: Listing, status: Status) -> str:
    """Return the page that says what to do or to wait for. It is never cached, because a sync changes it."""
    if listing.filters.user_ids:
        chosen = [read(users.get_user, user_id=each) for each in listing.filters.user_ids]
        unread = ("never", "no_watchlist", "hidden")
        silent = [each for each in chosen if not each.active or not each.last_success_at or each.sync_state in unread]
        return _page(listing, status, silent)
    people = read(users.list_users, active=None, limit=MAXIMUM_PEOPLE, offset=0)
    claimed = bool(people) or read(sign_ins.is_claimed)
    return render_template(
        "empty.html",
        claimed=claimed,
        no_claim="" if claimed else why_no_claim(context()),
        people=people,
        failed=[person for person in people if person.active and person.sync_detail],
        any_read=any(person.last_success_at for person in people),
        is_syncing=read(sync_runs.find_running_run) is not None,
    )
