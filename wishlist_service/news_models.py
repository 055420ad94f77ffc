"""The values of the news that people are told: frozen, without behaviour."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class NewWish:
    """Somebody wants a title since a short while."""

    name: str
    title: str
    year: int | None


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Somebody's list is held, or their token refused: the change of state with this id."""

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
