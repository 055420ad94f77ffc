"""The errors that the service expects. web/problems.py has their HTTP statuses."""

from dataclasses import dataclass
from datetime import timedelta


class WishlistError(Exception):
    """An expected error. str() is a sentence for the person who sees it."""


class NotFound(WishlistError):
    """What was asked for does not exist."""


class Conflict(WishlistError):
    """The request conflicts with what is stored."""


class Gone(WishlistError):
    """What a cursor refers to no longer exists."""


class PlexAway(WishlistError):
    """The request needs Plex, which cannot be asked now."""


class PinExpired(WishlistError):
    """The PIN of a sign-in has expired, or Plex does not know it."""


class SignInFailed(WishlistError):
    """A browser that was at Plex is not signed in. str() says why."""


class Stranger(WishlistError):
    """The account that signed in at Plex belongs to nobody here."""


class PausedByAdmin(WishlistError):
    """The person who signed in at Plex was paused by an admin."""


class HostRefused(WishlistError):
    """A request without a key asked for a host that a stranger may own."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"Without a key, this service does not answer for the host {host}. If it is yours, add this line to .env "
            f"and start the service again: ALLOWED_HOSTS={host}"
        )


class FeedNotReady(WishlistError):
    """A feed is incomplete, and programs that delete titles missing from it must not get it yet. str() says why."""


class DatabaseRefused(WishlistError):
    """The database was made from other migrations than those of this version. `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This version cannot use the database, since {reason}: back it up and export the wishlist with the "
            "version that made it, or use a new database."
        )
        self.reason = reason


class ServerRefused(WishlistError):
    """The database server, or what its user may do, does not suffice. `kind` is the name of the doctor's error."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class DatabaseReadOnly(WishlistError):
    """The database can only be read now."""

    def __init__(self) -> None:
        super().__init__(
            "The database can only be read: it is a standby, or default_transaction_read_only is on. "
            "Name the primary server in DATABASE_URL, or turn the setting off."
        )


class BrokenTransfer(ConnectionError):
    """A reply broke off. The server cuts the connection, so that the client does not take it for complete."""


class SyncRunning(Conflict):
    """Another sync is running. `run_id` is None while it starts."""

    def __init__(self, run_id: int | None) -> None:
        super().__init__(f"Sync run {run_id} is still running." if run_id else "A sync is just starting.")
        self.run_id = run_id


@dataclass(frozen=True)
class FieldError:
    """An error in one field of an input."""

    field: str
    detail: str


class Invalid(WishlistError):
    """The input has errors, which are all listed."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__(" ".join(f"{error.field}: {error.detail}" for error in errors))
        self.errors = errors


class SyncError(WishlistError):
    """One person's watchlist could not be read. `state` becomes their sync_state."""

    state = "error"


class TokenUnreadable(SyncError):
    """The stored token cannot be decrypted with TOKEN_ENCRYPTION_KEY."""

    state = "token_unreadable"


class OtherAccount(SyncError):
    """The token is of another Plex account than this person's, or of one that belongs to another person."""

    state = "other_account"


class PlexError(SyncError):
    """Plex did not send a complete answer."""


class TokenRejected(PlexError):
    """Plex says the token is invalid (401 of /api/v2/user, or 498 for an expired one)."""

    state = "token_rejected"


class NoWatchlist(PlexError):
    """Plex accepts the token, but the account has no watchlist (403 of the list)."""

    state = "no_watchlist"


class RateLimited(PlexError):
    """Plex answered 429, or the cooldown after one is not over.

    wait: how long the cooldown still is. told: whether Plex said so, with Retry-After. asked: whether this request was
    sent at all.
    """

    state = "rate_limited"

    def __init__(self, text: str, *, wait: timedelta, told: bool, asked: bool) -> None:
        super().__init__(text)
        self.wait = wait
        self.told = told
        self.asked = asked


class Unreachable(PlexError):
    """No usable answer: timeout, broken connection, or 5xx at every try."""

    state = "unreachable"


class PlexChanged(PlexError):
    """Plex sent a reply that this version does not understand."""

    state = "plex_changed"


class Miscounted(PlexChanged):
    """Plex shows more or fewer rows than it counts. `memory` tells the next read that it did so before."""

    def __init__(self, text: str, *, memory: str) -> None:
        super().__init__(text)
        self.memory = memory


class ListHidden(PlexError):
    """Plex shows no titles of a friend's watchlist. It is empty, or the friend does not share it."""

    state = "hidden"


class PinRejected(PlexError):
    """Plex wants a PIN to switch to a member of a Plex Home, or another one than it got."""

    state = "pin_rejected"


class Refused(PlexChanged):
    """Plex refused a request about somebody else. Only the account shows whether that is because of the token."""


class ViaUnavailable(SyncError):
    """The sign-in of the person through whom a watchlist is read cannot be used."""

    state = "via_unavailable"


class TitleUnknown(PlexChanged):
    """Plex no longer knows the title."""


class MediaServerError(WishlistError):
    """The media server did not send a complete answer. str() says how to fix it."""
