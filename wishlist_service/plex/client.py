"""Plex: a person's watchlist and account.

Every call returns a complete answer or raises a PlexError. It never returns a part of a watchlist, or an empty one
after an error.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any, Final

from wishlist_service.config import Config
from wishlist_service.errors import (
    Miscounted,
    NoWatchlist,
    PlexChanged,
    Refused,
    TitleUnknown,
    TokenRejected,
    Unreachable,
)
from wishlist_service.models import Contact, PlexAccount, Watchlist, WatchlistEntry
from wishlist_service.plex.bodies import TooLarge
from wishlist_service.plex.community import PlexCommunity
from wishlist_service.plex.contacts import join
from wishlist_service.plex.home import PlexHome
from wishlist_service.plex.http import TRIES, PlexHttp, Reply
from wishlist_service.plex.rows import clean_text, parse_entry
from wishlist_service.plex.watchlist_pages import ListChanged, Page, PageReader

logger = logging.getLogger(__name__)

PAGE_SIZES: Final[tuple[int, ...]] = (
    100,
    50,
    25,
    10,
)  # for more than 100 Plex answers 400; a smaller one after a page too large
LIST_PATH: Final = "/library/sections/watchlist/all"
ADD_PATH: Final = "/actions/addToWatchlist"
REMOVE_PATH: Final = "/actions/removeFromWatchlist"
USER_PATH: Final = "/api/v2/user"
_REFUSALS: Final = (400, 401, 402, 403, 422, 498)  # by any of these Plex may mean the token

Progress = Callable[[int, int], None]


class PlexClient:
    """One for each process. Each call takes a token and sends it in a header, never in a URL.

    options: those of PlexHttp.
    """

    def __init__(self, config: Config, *, client_identifier: str, stop: threading.Event, **options: Any) -> None:
        self._list_url = f"{config.plex_discover_url}{LIST_PATH}"
        self._discover_url = config.plex_discover_url
        self._user_url = f"{config.plex_tv_url}{USER_PATH}"
        self._ping_url = f"{config.plex_tv_url}/api/v2/ping"
        self._page_pause_seconds = config.page_pause_seconds
        self._stop = stop
        self._http = PlexHttp(config, client_identifier=client_identifier, stop=stop, **options)
        self._home = PlexHome(config, client_identifier=client_identifier, stop=stop)
        self._community = PlexCommunity(config, client_identifier=client_identifier, stop=stop, **options)

    def watchlist(
        self, token: str, *, etag: str | None = None, miscount: str | None = None, progress: Progress | None = None
    ) -> Watchlist | None:
        """Return the person's whole watchlist; None if it is still that of `etag`. Raises a PlexError.

        miscount: what the previous read left: the `memory` of Miscounted, or the gap of the list it returned.
        If Plex shows more or fewer rows than it counts, the list is returned only if the previous read was the same.
        progress: called with (rows read, rows in all) after each page.
        """
        try:
            return self._read_list(token, etag=etag, progress=progress, known_twice=frozenset())
        except ListChanged as change:
            logger.info("watchlist changed while it was read, reading again reason=%r", str(change))
            known_twice = change.twice
        try:
            read = self._read_list(token, etag=None, progress=progress, known_twice=known_twice, miscounting=True)
        except ListChanged as change:
            raise PlexChanged(f"The watchlist changed during two reads ({change}). Nothing was changed.") from change
        found = read.miscount if read else None
        if found and miscount not in (found.gap, f"{found.gap} {found.rows}"):
            raise Miscounted(
                f"The watchlist changed during two reads ({found}). "
                "Nothing was changed. If the next read shows the same, new titles are added.",
                memory=f"{found.gap} {found.rows}",
            )
        return read

    def account(self, token: str, *, tries: int = TRIES) -> PlexAccount:
        """Return the account of the token. Raises TokenRejected if Plex says it is invalid, or another PlexError."""
        reply = self._http.get(self._user_url, token, tries=tries)
        if reply.status in (401, 498):
            raise TokenRejected(
                "Plex no longer accepts this token. Get a new one (docs/plex-token.md) and save it for this person."
            )
        body = _expect_ok(reply, "sending the account").decoded()
        uuid = clean_text(body.get("uuid"), longest=100) if isinstance(body, dict) else None
        if uuid is None:
            raise PlexChanged("Plex described the account in a way that this version does not understand.")
        # a managed user has a title but no username
        name = clean_text(body.get("username"), longest=200) or clean_text(body.get("title"), longest=200)
        return PlexAccount(uuid=uuid, username=name or uuid)

    def contacts(self, token: str) -> list[Contact]:
        """Return the people whom Plex shows the owner of the token, Home members first. Raises a PlexError."""
        own = self.account(token, tries=1).uuid
        members = self._home.members(token, admin_uuid=own)
        return join(members, self._community.friends(token), self._home.others(token), own_uuid=own)

    def switch(self, token: str, uuid: str, *, pin: str | None) -> str:
        """Return a token that acts as this member of the Plex Home whose admin owns `token`.

        Raises PinRejected, Refused if Plex accepts the token but does not switch, or another PlexError.
        """
        try:
            switched = self._home.switch(token, uuid, pin=pin)
        except Refused:
            self.account(token, tries=1)
            raise
        try:
            account = self.account(switched, tries=1)
        except TokenRejected as error:
            raise PlexChanged(
                "Plex does not accept the token that it gave for this member of the Plex Home."
            ) from error
        if account.uuid != uuid:  # it happened to others: they showed the admin's list under a child's name
            raise PlexChanged(
                f"Plex switched to the account {account.username} instead of the one that was asked for. "
                "Nothing was changed."
            )
        return switched

    def friends_watchlist(
        self, token: str, uuid: str, *, etag: str | None = None, progress: Progress | None = None
    ) -> Watchlist | None:
        """Return the whole watchlist that Plex shows the owner of the token of their friend; None as watchlist().

        Raises ListHidden, TokenRejected, or another PlexError.
        """
        try:
            return self._community.watchlist(token, uuid, etag=etag, progress=progress)
        except Refused:
            self.account(token)
            raise

    def add_to_watchlist(self, token: str, uid: str) -> None:
        """Add the title to the person's watchlist, if it is not there. Raises a PlexError."""
        self._change_watchlist(ADD_PATH, token, uid, tries=1)

    def remove_from_watchlist(self, token: str, uid: str, *, tries: int = TRIES) -> None:
        """Remove the title from the person's watchlist, if it is there. Raises a PlexError."""
        self._change_watchlist(REMOVE_PATH, token, uid, tries=tries)

    def find_on_watchlist(self, token: str, uids: Collection[str]) -> WatchlistEntry | None:
        """Return the newest row of the person's watchlist that has one of these uids, None if there is none.

        Reads no further than to that row. Raises a PlexError.
        """
        received, sizes = 0, [*PAGE_SIZES]
        while True:
            reply = self._get_fitting_page(token, start=received, etag=None, sizes=sizes)
            page = Page.from_reply(_expect_ok(reply, "sending the watchlist").decoded())
            entries = [parse_entry(row) for row in page.rows if isinstance(row, dict)]
            if found := next((entry for entry in entries if entry and entry.uid in uids), None):
                return found
            received += len(page.rows)
            if not page.rows or received >= page.total:
                return None

    def ping(self, token: str) -> None:
        """Use the token, so that it does not expire. Raises a PlexError."""
        _expect_ok(self._http.get(self._ping_url, token, may_wait=False), "answering a ping")

    def cooldown_seconds(self) -> float:
        """Return for how long Plex must not be asked, because it said to slow down."""
        return self._http.cooldown_seconds()

    def request_counts(self) -> Counter[str]:
        """Return how many requests ended ok, not_modified, refused, rate_limited, server_error or no_answer so far."""
        return self._http.counts() + self._home.request_counts() + self._community.request_counts()

    def _change_watchlist(self, path: str, token: str, uid: str, *, tries: int) -> None:
        query, headers = {"ratingKey": uid.rpartition("/")[2]}, {"X-Plex-Token": token}
        reply = self._http.ask("PUT", f"{self._discover_url}{path}", headers=headers, query=query, tries=tries)
        # any other 404 is about the path, for example because Plex moved its watchlists
        if reply.status == 404 and b"MetadataItem" in reply.body:
            raise TitleUnknown("Plex no longer knows this title, so it cannot change the watchlist.")
        if reply.status in _REFUSALS:
            self._explain_refusal(token, reply.status, tries=tries)
        # decoded, since the login page of a network answers 200, too
        _expect_ok(reply, "confirming the change").decoded()

    def _read_list(
        self,
        token: str,
        *,
        etag: str | None,
        progress: Progress | None,
        known_twice: frozenset[str],
        miscounting: bool = False,
    ) -> Watchlist | None:
        reader, sizes = PageReader(miscounting=miscounting), [*PAGE_SIZES]
        while not reader.complete:
            first = not reader.received
            reply = self._get_fitting_page(token, start=reader.received, etag=etag if first else None, sizes=sizes)
            if reply.status == 304 and etag and first:
                return None
            reader.add(Page.from_reply(_expect_ok(reply, "sending the watchlist").decoded()), etag=reply.etag)
            if progress:
                progress(reader.received, reader.total)
        return reader.watchlist(known_twice=known_twice)

    def _get_fitting_page(self, token: str, *, start: int, etag: str | None, sizes: list[int]) -> Reply:
        """Return the page. A size whose page was too large is dropped from `sizes`."""
        if start:
            self._stop.wait(self._page_pause_seconds)
        while True:
            try:
                return self._get_page(token, start=start, etag=etag, size=sizes[0])
            except TooLarge:
                if len(sizes) == 1:
                    raise
                del sizes[0]

    def _get_page(self, token: str, *, start: int, etag: str | None, size: int) -> Reply:
        query = {
            "includeGuids": "1",
            "sort": "watchlistedAt:desc",
            "X-Plex-Container-Start": str(start),
            "X-Plex-Container-Size": str(size),
        }
        reply = self._http.get(self._list_url, token, query=query, etag=etag)
        if reply.status in _REFUSALS:
            self._explain_refusal(token, reply.status)
        return reply

    def _explain_refusal(self, token: str, status: int, *, tries: int = TRIES) -> None:
        # Only the account shows whether a token is invalid. A refused watchlist does not.
        try:
            self.account(token, tries=tries)
        except PlexChanged as error:
            raise Unreachable(
                f"Plex refused the watchlist (HTTP {status}) and did not say whether the token is valid. "
                "Nothing was changed."
            ) from error
        if status == 403:
            raise NoWatchlist("This account has no watchlist: Discover is turned off, as for managed profiles.")
        raise PlexChanged(
            f"Plex accepts the token but refuses the watchlist (HTTP {status}). "
            "Nothing was changed; look for a newer version of this service."
        )


def _expect_ok(reply: Reply, what: str) -> Reply:
    if reply.status != 200:
        raise PlexChanged(
            f"Plex answered HTTP {reply.status} instead of {what}. "
            "Nothing was changed; look for a newer version of this service."
        )
    return reply
