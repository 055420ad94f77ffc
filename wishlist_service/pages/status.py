"""Whether the wishlist is up to date: the line beside the wall's count, and the state of each list."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from flask import g

from wishlist_service.models import PlexUser
from wishlist_service.pages.new import start_of_month
from wishlist_service.pages.runs import amount
from wishlist_service.pages.wording import State, relative, rfc3339, state_of
from wishlist_service.queries import events, looks, users
from wishlist_service.queries.users import Freshness
from wishlist_service.web.context import context, read

_LATE: Final = timedelta(minutes=5)
_LOOKED_AT: Final = timedelta(hours=2)
STOPPED: Final = (
    "The scheduler has stopped, so no list is read. Start it: docker compose up -d, or make run. "
    "Its log says why it stopped."
)


class Status(NamedTuple):
    """What is said beside the count, and whether it needs somebody."""

    checked_at: str
    """The newer of the last round of looks and the oldest list's last read, as the API writes it; empty if no list
    was read."""
    ago: str
    warning: str
    """Empty if all is well."""
    stopped: bool
    outdated: tuple[int, ...]
    arrived: int
    """How many titles came to the media server this month."""
    mine: bool
    """Whether the list of who looks at the page is not up to date."""


def read_status() -> Status:
    """Return how fresh the wishlist is now."""
    freshness = read(users.get_freshness, outdated_after=outdated_after())
    scheduler = read(looks.get_scheduler)
    stopped = bool(freshness.next_sync_at) and (scheduler.scheduler == "stopped" or _is_late(freshness))
    looked_at = scheduler.looked_at if context().config.look_minutes else None
    moments = [moment for moment in (freshness.last_success_at, looked_at) if moment]
    checked_at = rfc3339(max(moments)) if freshness.last_success_at else ""
    late = len(freshness.outdated)
    warning = ""
    if late:
        warning = f"{amount(late, 'list')} {'is' if late == 1 else 'are'} not up to date"
    elif stopped:
        warning = "The scheduler has stopped"
    return Status(
        checked_at=checked_at,
        ago=relative(checked_at) if checked_at else "",
        warning=warning,
        stopped=stopped,
        outdated=tuple(freshness.outdated),
        arrived=read(events.count_arrived, since=start_of_month()),
        mine=g.me in freshness.outdated,
    )


def outdated_after() -> timedelta:
    """Return how old the last success of a list may be: two hours with looks, two full intervals without."""
    config = context().config
    return _LOOKED_AT if config.look_minutes else timedelta(hours=2 * config.sync_interval_hours)


def _is_late(freshness: Freshness) -> bool:
    """Return whether a list was due long ago, although no sync runs."""
    due = freshness.next_sync_at
    return bool(due and due < datetime.now(UTC) - _LATE and not freshness.syncing)


def state_now(person: PlexUser, status: Status) -> State:
    """Return the state of the person's list. One that was last read too long ago is not up to date."""
    state = state_of(person)
    if person.id not in status.outdated or state.level in ("action", "paused"):
        return state
    if status.stopped or person.sync_state in ("ok", "never", "held"):
        return State("Not up to date", STOPPED if status.stopped else _BEHIND)
    return state._replace(level="action")


_BEHIND: Final = "Their list was not read for too long. The next sync reads it. See the log if this does not change."
