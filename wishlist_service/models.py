"""The values that travel between modules: frozen, without behaviour."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WatchlistEntry:
    """One title of a person's watchlist, as read from Plex. Unknown facts are None.

    position: its place on the list, 0 for what the person added last.
    """

    uid: str
    media_type: str
    title: str
    year: int | None = None
    released_on: date | None = None
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None
    poster_url: str | None = None
    plex_url: str | None = None
    content_rating: str | None = None
    position: int = 0


@dataclass(frozen=True, kw_only=True)
class Miscount:
    """How many rows Plex counts and how many it shows, where these differ.

    gap: both differences, to the total and to the sizes of the pages.
    rows: a digest of the rows.
    """

    counted: int
    shown: int
    gap: str
    rows: str

    def __str__(self) -> str:
        return f"Plex counts {self.counted} {'title' if self.counted == 1 else 'titles'} but shows {self.shown}"


@dataclass(frozen=True, kw_only=True)
class Watchlist:
    """A whole watchlist: `entries` sorted by uid, each once.

    unreadable_keys: rating keys of rows that stand for a title but could not be read.
    unidentified: how many rows did not even say which title they stand for.
    miscount: set if Plex shows more or fewer rows than it counts.
    etag: of page 1; None when the next read must be a full one.
    """

    entries: Sequence[WatchlistEntry]
    etag: str | None = None
    unreadable_keys: frozenset[str] = frozenset()
    unidentified: int = 0
    miscount: Miscount | None = None

    @property
    def size(self) -> int:
        """How many different titles the list holds, unreadable ones included."""
        return len(self.entries) + len(self.unreadable_keys) + self.unidentified


@dataclass(frozen=True)
class PlexAccount:
    """Whose token it is."""

    uuid: str
    username: str


@dataclass(frozen=True, kw_only=True)
class SealedToken:
    """A token as it is stored, and the account that it is of, if Plex said so."""

    plex_token: str = field(repr=False)
    token_fingerprint: str
    token_masked: str
    uuid: str | None
    username: str | None


@dataclass(frozen=True, kw_only=True)
class PlexPin:
    """A sign-in begun at Plex."""

    id: int
    code: str
    client_identifier: str = field(repr=False)
    expires_in: timedelta


@dataclass(frozen=True, kw_only=True)
class PlexLink:
    """A sign-in by link; `client_identifier` is encrypted.

    name: of the person to be added; of whom a token is renewed it may be None.
    user_id: whose token is renewed, or who was added.
    """

    id: int
    name: str | None
    user_id: int | None
    status: str
    detail: str | None
    pin_id: int
    code: str
    client_identifier: str = field(repr=False)
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PlexUser:
    """A person as the API shows them."""

    id: int
    name: str
    token_masked: str
    active: bool
    plex_username: str | None
    sync_state: str
    sync_detail: str | None
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    wishlist_size: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class SyncUser:
    """A person as the sync needs them: with the encrypted token."""

    id: int
    name: str
    active: bool
    plex_token: str = field(repr=False)
    plex_uuid: str | None
    plex_username: str | None
    account_checked: bool
    account_read_at: datetime
    sync_state: str
    sync_detail: str | None
    last_attempt_at: datetime | None
    list_etag: str | None
    list_read_at: datetime | None
    list_size: int
    held_removals: str | None
    list_changes: int
    miscount: str | None
    odd_rows_since: datetime | None
    missed: list[str]


@dataclass(frozen=True, kw_only=True)
class Wisher:
    """A person and a title: the encrypted token, and whether they want it at present."""

    id: int
    name: str
    plex_token: str = field(repr=False)
    uid: str
    wants: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one complete read means for one person. `held` is the sentence why removals wait.

    missed: the titles that were not on the list while rows of it did not say which title they are.
    """

    add: frozenset[str]
    remove: frozenset[str]
    held: str | None = None
    held_removals: str | None = None
    missed: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class UserResult:
    """How one person's part of a sync run ended."""

    user_id: int
    name: str
    outcome: str
    """changed, unchanged, held or no_watchlist; for a failure its sync_state; skipped if changed meanwhile."""
    detail: str | None = None
    titles: int = 0
    added: int = 0
    removed: int = 0
    new_items: int = 0
    updated_items: int = 0
    removed_items: int = 0

    @property
    def failed(self) -> bool:
        """True when the person's list could not be read; an account without a watchlist has none to read."""
        return self.outcome not in ("changed", "unchanged", "held", "skipped", "no_watchlist")


@dataclass(frozen=True, kw_only=True)
class SyncRun:
    """One pass over people."""

    id: int
    trigger: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    users_processed: int
    items_fetched: int
    new_items: int
    updated_items: int
    removed_items: int
    total_items: int | None
    errors: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Server:
    """The database server; `size` is that of the database, as a text."""

    major_version: int
    version: str
    read_only: bool
    size: str
    connections: int
    most_connections: int


@dataclass(frozen=True)
class Contents:
    """How much a database holds, removed wishes' titles included."""

    people: int
    titles: int
    sync_runs: int


@dataclass(frozen=True, kw_only=True)
class WishlistFilter:
    """The filters of the wishlist; None does not filter."""

    search: str | None = None
    year: int | None = None
    media_type: str | None = None
    user_ids: list[int] | None = None
    every_user: bool = False
    min_wanted: int | None = None
    status: str = "current"
    genre: str | None = None
    available: bool | None = None
    missing: str | None = None

    def parameters(self) -> dict[str, Any]:
        """What wishlist_matching() in sql/ is called with, by name: %, _ and the backslash are ordinary characters."""
        text = self.search and re.sub(r"([\\%_])", r"\\\1", self.search)
        return vars(self) | {"title_pattern": text and f"%{text}%", "genre": self.genre and self.genre.lower()}


@dataclass(frozen=True)
class Place:
    """A place in a sorted list: that of the item with this sort key, added_at and id."""

    key: datetime | date | str | int
    added_at: datetime
    id: int


@dataclass(frozen=True)
class EventPlace:
    """A place in the history: that of the event with this id."""

    happened_at: datetime
    id: int


@dataclass(frozen=True)
class EventPage:
    """A page of events as JSON text, when its last one happened and that one's id, and whether there are more."""

    items_json: str
    last: list[Any] | None
    more: bool


@dataclass(frozen=True)
class ItemPage:
    """A page of items as JSON text made by PostgreSQL, and how many match in all.

    total_is_exact: False when there are more, which were not counted.
    next: the last item's sort key, added_at and id, as JSON values; None at the end of the list.
    """

    total: int
    items_json: str
    next: list[Any] | None
    total_is_exact: bool = True


@dataclass(frozen=True)
class Feed:
    """A whole reply for another program, and how many of the titles asked for it cannot carry."""

    body: str
    skipped: int


@dataclass(frozen=True)
class FeedReadiness:
    """Whether any active person's list was ever read, and the library looked through; which people give no list."""

    of_lists: bool
    of_library: bool
    paused: list[int]
    unread: list[int]


@dataclass(frozen=True, kw_only=True)
class TitleDetails:
    """What Plex tells of a single title beside what a list tells. Unknown facts are None."""

    summary: str | None = None
    genres: Sequence[str] = ()
    imdb_id: str | None = None
    tmdb_id: int | None = None
    tvdb_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class TitleQuestion:
    """A title to ask Plex about, and whose encrypted token to ask with."""

    item_id: int
    uid: str
    user_id: int
    plex_token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class NewWish:
    """Somebody wants a title since a short while."""

    name: str
    title: str
    year: int | None


@dataclass(frozen=True, kw_only=True)
class ListError:
    """A person's watchlist is held, or their token is refused: the state change with this id."""

    change_id: int
    user_id: int
    name: str
    plex_username: str | None
    sync_state: str
    sync_detail: str | None


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """A link to renew a token."""

    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Told:
    """Up to which event and which change of state there is news, or somebody was told it."""

    event_id: int
    change_id: int


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is sent. `urgent`: somebody has to do something."""

    title: str
    body: str = field(repr=False)
    urgent: bool
