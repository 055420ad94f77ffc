"""Plex: friends and their watchlists, which GraphQL shows to the friend who asks.

Plex's rules, as observed: at most 100 titles a page and at least 10; errors come with HTTP 200; a watchlist that is
not shared is an error that begins with "User not found:", or looks like an empty one.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from wishlist_service.config import Config
from wishlist_service.errors import ListHidden, PlexChanged, Refused, Unreachable
from wishlist_service.models import Contact, Watchlist, WatchlistEntry
from wishlist_service.plex.contacts import parse_friends
from wishlist_service.plex.http import PlexHttp, Reply
from wishlist_service.plex.rows import parse_entry, rating_key

PAGE_SIZE: Final = 100
MOST_PAGES: Final = 200
_NOT_VISIBLE: Final = "User not found:"
_FRIENDS: Final = "query Friends { allFriendsV2 { user { id username displayName } } }"
_WATCHLIST: Final = """
query Watchlist($uuid: ID!, $first: PaginationInt!, $after: String) {
  user(id: $uuid) {
    watchlist(first: $first, after: $after) {
      nodes { id guid type title year }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""


class PlexCommunity:
    """One for each process, with its own cooldown: it is a host of its own. `options` are those of PlexHttp."""

    def __init__(self, config: Config, *, client_identifier: str, stop: threading.Event, **options: Any) -> None:
        self._url = config.plex_community_url
        self._page_pause_seconds = config.page_pause_seconds
        self._stop = stop
        self._http = PlexHttp(config, client_identifier=client_identifier, stop=stop, **options)

    def friends(self, token: str) -> list[Contact]:
        """Return the friends of the token's owner. Raises a PlexError."""
        reply = self._ask(token, _FRIENDS, {}, tries=1)
        return parse_friends(reply.decoded())

    def watchlist(
        self, token: str, uuid: str, *, etag: str | None, progress: Callable[[int, int], None] | None = None
    ) -> Watchlist | None:
        """Return the whole watchlist of a friend of the token's owner; None if it is still that of `etag`.

        Raises ListHidden if no title is visible, Refused, or another PlexError.
        """
        nodes: list[Any] = []
        etags: list[str | None] = []
        cursors: set[str] = set()
        after: str | None = None
        for _ in range(MOST_PAGES):
            if after is not None:
                self._stop.wait(self._page_pause_seconds)
            reply = self._ask(token, _WATCHLIST, {"uuid": uuid, "first": PAGE_SIZE, "after": after})
            page, after = parse_page(reply.decoded())
            nodes += page
            etags.append(reply.etag)
            if progress:
                progress(len(nodes), len(nodes))
            if after is None:
                break
            if after in cursors:
                raise PlexChanged("Plex sent the same page of this friend's watchlist twice. Nothing was changed.")
            cursors.add(after)
        else:
            raise PlexChanged(
                f"Plex sent more than {MOST_PAGES} pages of this friend's watchlist. Nothing was changed."
            )
        if not nodes:
            raise ListHidden("Plex shows no titles of this watchlist.")
        # Only the ETags of all pages tell that nothing changed: no page has the number of titles.
        read_etag = " ".join(each for each in etags if each) if all(etags) else None
        if etag is not None and etag == read_etag:
            return None
        return _joined(nodes, read_etag)

    def request_counts(self) -> Counter[str]:
        """Return how many requests ended in each way so far."""
        return self._http.counts()

    def _ask(self, token: str, query: str, variables: dict[str, Any], **options: Any) -> Reply:
        headers = {"X-Plex-Token": token}
        body = {"query": query, "variables": variables}
        reply = self._http.ask("POST", self._url, headers=headers, body=body, **options)
        if reply.status in (401, 402, 403, 498):
            raise Refused(f"Plex refused to say anything about friends (HTTP {reply.status}). Nothing was changed.")
        if reply.status != 200:
            raise PlexChanged(
                f"Plex answered HTTP {reply.status} to a question about friends. "
                "Nothing was changed; look for a newer version of this service."
            )
        return reply


def parse_page(body: object) -> tuple[list[Any], str | None]:
    """Return the rows of a page, and the cursor of the next one if there is one.

    Raises ListHidden if Plex does not show the watchlist, Unreachable if it has an error, PlexChanged if the reply is
    not understood.
    """
    if not isinstance(body, Mapping):
        raise PlexChanged(_not_understood("no object"))
    data = body.get("data")
    user = data.get("user") if isinstance(data, Mapping) else None
    watchlist = user.get("watchlist") if isinstance(user, Mapping) else None
    if errors := body.get("errors"):
        texts = [_message(error) for error in (errors if isinstance(errors, list) else [errors])]
        if watchlist is None and all(text.startswith(_NOT_VISIBLE) for text in texts):
            raise ListHidden("Plex does not show this watchlist.")
        raise Unreachable("Plex could not send this friend's watchlist completely. Nothing was changed.")
    match watchlist:
        case {"nodes": list() as nodes, "pageInfo": {"hasNextPage": False}}:
            return nodes, None
        case {"nodes": list() as nodes, "pageInfo": {"hasNextPage": True, "endCursor": str(cursor)}} if cursor:
            return nodes, cursor
        case {"nodes": list(), "pageInfo": {"hasNextPage": True}}:
            raise PlexChanged(_not_understood("no cursor of the next page"))
        case _:
            raise PlexChanged(_not_understood("no watchlist"))


def parse_node(node: object) -> WatchlistEntry | None:
    """Return the entry of a row; None if it has no usable title or is no movie or show."""
    return parse_entry(_as_row(node)) if isinstance(node, Mapping) else None


def _as_row(node: Mapping[str, Any]) -> dict[str, Any]:
    # type is MOVIE or SHOW
    return {
        "ratingKey": node.get("id"),
        "guid": node.get("guid"),
        "type": str(node.get("type")).lower(),
        "title": node.get("title"),
        "year": node.get("year"),
    }


def _joined(nodes: list[Any], etag: str | None) -> Watchlist:
    entries: dict[str, WatchlistEntry] = {}
    unreadable: set[str] = set()
    unidentified = 0
    for position, node in enumerate(nodes):
        key = rating_key(_as_row(node)) if isinstance(node, Mapping) else None
        entry = parse_node(node)
        if key is None:
            unidentified += 1
        elif entry is None:
            unreadable.add(key)
        else:
            entries.setdefault(entry.uid, replace(entry, position=position))
    return Watchlist(
        entries=sorted(entries.values(), key=lambda entry: entry.uid),
        etag=etag,
        page_etag=etag,
        unreadable_keys=frozenset(unreadable - {uid.rpartition("/")[2] for uid in entries}),
        unidentified=unidentified,
    )


def _message(error: object) -> str:
    return str(error.get("message")) if isinstance(error, Mapping) else ""


def _not_understood(what: str) -> str:
    return (
        f"Plex sent a friend's watchlist in a way that this version does not understand ({what}). "
        "Nothing was changed; look for a newer version of this service."
    )
