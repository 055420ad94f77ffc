"""What can go wrong, in the service's own words. HTTP statuses live in web/problems.py."""

from dataclasses import dataclass


class WishlistError(Exception):
    """Any expected failure; str() is a sentence for the person who meets it."""


class NotFound(WishlistError):
    """The thing asked for does not exist."""


class Conflict(WishlistError):
    """The request contradicts what is stored."""


class Gone(WishlistError):
    """What a cursor refers to is no longer here."""


class PlexAway(WishlistError):
    """What was asked for needs Plex, which cannot be asked just now."""


class PinExpired(WishlistError):
    """Plex no longer knows the PIN of a sign-in, or it has expired."""


class FeedNotReady(WishlistError):
    """A program that deletes what a feed does not name must not get it yet; str() says why."""


class DatabaseRefused(WishlistError):
    """The database was made from other migrations than those of this version; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This version cannot use the database, since {reason}: back it up and export the wishlist with the "
            "version that made it, or use a new database."
        )
        self.reason = reason


class BrokenTransfer(ConnectionError):
    """A reply that has begun cannot be finished: the server cuts the connection, so that it does not pass for whole."""


class SyncRunning(Conflict):
    """Another sync holds the lock; run_id names it, or is None while it is being set up."""

    def __init__(self, run_id: int | None) -> None:
        super().__init__(f"Sync run {run_id} is still running." if run_id else "A sync is just starting.")
        self.run_id = run_id


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an input."""

    field: str
    detail: str


class Invalid(WishlistError):
    """The input was understood but cannot be accepted; carries every fault at once."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(" ".join(f"{fault.field}: {fault.detail}" for fault in faults))
        self.faults = faults


class SyncFailure(WishlistError):
    """One person's list could not be read; `state` is what their sync_state becomes."""

    state = "error"


class TokenUnreadable(SyncFailure):
    """The stored token cannot be decrypted with the keys at hand."""

    state = "token_unreadable"


class OtherAccount(SyncFailure):
    """The token is of another Plex account than this person's, or of one that is here already."""

    state = "other_account"


class PlexError(SyncFailure):
    """Plex did not give a complete answer."""


class TokenRejected(PlexError):
    """Plex says the token is not valid (401 of /api/v2/user, or 498 for an expired one)."""

    state = "token_rejected"


class NoWatchlist(PlexError):
    """Plex accepts the token, but the account has no watchlist (403 of the list)."""

    state = "no_watchlist"


class RateLimited(PlexError):
    """Plex answered 429, or a cooldown after one is still on."""

    state = "rate_limited"


class Unreachable(PlexError):
    """No usable answer: time-out, broken connection, or 5xx after every try."""

    state = "unreachable"


class PlexChanged(PlexError):
    """Plex answered something this version does not understand."""

    state = "plex_changed"


class Miscounted(PlexChanged):
    """Plex shows more or fewer rows than it counts. `memory` tells the next read that it did so before."""

    def __init__(self, text: str, *, memory: str) -> None:
        super().__init__(text)
        self.memory = memory


class TitleUnknown(PlexChanged):
    """Plex has no such title any longer."""


class MediaServerError(WishlistError):
    """The household's media server did not give a complete answer; str() names the cure."""
