"""The values that modules exchange: frozen, without behaviour."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final


@dataclass(frozen=True, kw_only=True)
class WatchlistEntry:
    """One title of a person's watchlist, as read from Plex. Unknown facts are None.

    external_ids: like imdb://tt0111161, tmdb://278 and tvdb://190; there may be several of a kind.
    position: its place on the watchlist, 0 for the title added last.
    """

    uid: str
    media_type: str
    title: str
    year: int | None = None
    released_on: date | None = None
    external_ids: frozenset[str] = frozenset()
    poster_url: str | None = None
    plex_url: str | None = None
    content_rating: str | None = None
    duration_minutes: int | None = None
    audience_rating: float | None = None
    seasons: int | None = None
    tagline: str | None = None
    backdrop_url: str | None = None
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
    """A complete watchlist: `entries` sorted by uid, each once.

    etag: of page 1; None if the next read must be a full one. page_etag: of page 1 in any case.
    unreadable_keys: rating keys of rows that could not be read.
    unidentified: how many rows have no rating key.
    miscount: set if Plex shows more or fewer rows than it counts.
    """

    entries: Sequence[WatchlistEntry]
    etag: str | None = None
    page_etag: str | None = None
    unreadable_keys: frozenset[str] = frozenset()
    unidentified: int = 0
    miscount: Miscount | None = None

    @property
    def size(self) -> int:
        """How many titles the watchlist has, unreadable ones included."""
        return len(self.entries) + len(self.unreadable_keys) + self.unidentified


@dataclass(frozen=True)
class PlexAccount:
    """The Plex account of a token."""

    uuid: str
    username: str


@dataclass(frozen=True, kw_only=True)
class Contact:
    """An account that Plex shows to another one.

    kind: `home` or `managed` (a member of their Plex Home), `friend`, or `other` (has access to their servers).
    protected: whether Plex wants a PIN to switch to it.
    user_id: the person here with this account, if any.
    """

    plex_uuid: str
    username: str | None
    title: str
    kind: str
    protected: bool = False
    user_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class SealedToken:
    """A token as it is stored, and its account if Plex named it."""

    plex_token: str = field(repr=False)
    token_fingerprint: str
    token_masked: str
    uuid: str | None
    username: str | None


@dataclass(frozen=True, kw_only=True)
class PlexPin:
    """A sign-in started at Plex."""

    id: int
    code: str
    client_identifier: str = field(repr=False)
    expires_in: timedelta


@dataclass(frozen=True, kw_only=True)
class PlexLink:
    """A sign-in by link. `client_identifier` is encrypted.

    name: of the person to add; may be None for one whose token is renewed.
    user_id: of the person whose token is renewed, or who was added.
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
    """A person as the API shows them: the columns of plex_user_reports."""

    id: int
    name: str
    source: str
    via: dict[str, Any] | None
    token_masked: str | None
    active: bool
    admin: bool
    plex_username: str | None
    sync_state: str
    sync_detail: str | None
    last_attempt_at: datetime | None
    last_success_at: datetime | None
    next_attempt_at: datetime | None
    wishlist_size: int
    notify_urls_masked: list[str] | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class SyncUser:
    """A person for the sync: the columns of sync_people. Tokens and PIN are encrypted."""

    id: int
    name: str
    active: bool
    source: str
    plex_token: str | None = field(repr=False)
    plex_pin: str | None = field(repr=False)
    via_id: int | None
    via_source: str | None
    via_name: str | None
    via_token: str | None = field(repr=False)
    via_gap: str | None
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
    failures: int


@dataclass(frozen=True, kw_only=True)
class Wisher:
    """A person, with the encrypted token if there is one, and whether they want the title at present.

    uids: the records of the title that are on the watchlist.
    """

    id: int
    name: str
    plex_token: str | None = field(repr=False)
    uid: str
    uids: list[str]
    wants: bool


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a complete read changes for one person: ids of titles.

    held: the sentence that says why removals wait.
    missed: the titles that were missing while the watchlist had rows without a usable id.
    """

    add: frozenset[int]
    remove: frozenset[int]
    held: str | None = None
    held_removals: str | None = None
    missed: frozenset[int] = frozenset()


NOT_SHOWN: Final = ("no_watchlist", "hidden", "via_unavailable")
"""The states of a watchlist that nobody can show. They are no error."""


@dataclass(frozen=True, kw_only=True)
class UserResult:
    """How one person's part of a sync run ended."""

    user_id: int
    name: str
    outcome: str
    """changed, unchanged, held, or the sync_state of a list that was not read; skipped if changed meanwhile."""
    detail: str | None = None
    titles: int = 0
    added: int = 0
    removed: int = 0
    new_items: int = 0
    updated_items: int = 0
    removed_items: int = 0

    @property
    def failed(self) -> bool:
        """Whether the person's watchlist could not be read. One that nobody can show is no failure."""
        return self.outcome not in ("changed", "unchanged", "held", "skipped", *NOT_SHOWN)


@dataclass(frozen=True, kw_only=True)
class SyncRun:
    """A sync run as the API shows it: the columns of sync_run_reports."""

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
    added_wishes: int
    removed_wishes: int
    total_items: int | None
    errors: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class WishlistFilter:
    """The filters of the wishlist. None does not filter."""

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
        """Return the arguments of wishlist_matching() in sql/ by name."""
        return vars(self) | {"genre": self.genre and self.genre.lower()}


@dataclass(frozen=True)
class Place:
    """A place in a sorted list: the item with this sort key, added_at and id."""

    key: datetime | date | str | int
    added_at: datetime
    id: int


@dataclass(frozen=True)
class EventPlace:
    """A place in the history: the event with this id."""

    happened_at: datetime
    id: int


@dataclass(frozen=True)
class ItemPage:
    """A page of items as JSON text made by PostgreSQL, and how many match in all.

    total_is_exact: False if more match than were counted.
    next: sort key, added_at and id of the last item, as JSON values; None at the end of the list.
    """

    total: int
    items_json: str
    next: list[Any] | None
    total_is_exact: bool = True


@dataclass(frozen=True)
class Feed:
    """A complete feed for another program, and how many of the requested titles it cannot name."""

    body: str
    skipped: int


@dataclass(frozen=True, kw_only=True)
class TitleDetails:
    """What the page of a title says. Unknown facts are None.

    uid: of the record that the page describes. Another one than was asked for is a renewed record.
    """

    uid: str | None = None
    summary: str | None = None
    genres: Sequence[str] = ()
    year: int | None = None
    released_on: date | None = None
    poster_url: str | None = None
    plex_url: str | None = None
    content_rating: str | None = None
    external_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Renewal:
    """An invitation that renews a token."""

    url: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class NewAddress:
    """An address of a person as it is stored: encrypted, and what may be shown of it.

    fingerprints: keyed hashes, one for each key. anywhere: whether it may lead to this machine or a private network.
    """

    fingerprints: list[str]
    address: str = field(repr=False)
    masked: str
    anywhere: bool


@dataclass(frozen=True, kw_only=True)
class Message:
    """A notification. `urgent` if a person must do something."""

    title: str
    body: str = field(repr=False)
    urgent: bool = False
