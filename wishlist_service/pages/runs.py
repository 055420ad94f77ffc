"""Sync runs in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wishlist_service.models import SyncRun


@dataclass(frozen=True, kw_only=True)
class ToldRun:
    """A run in words."""

    id: int
    status: str
    word: str
    sentence: str
    trigger: str
    started_at: datetime
    duration: str
    """Empty while it runs, or if its end is unknown."""
    errors: list[dict[str, Any]]

    @property
    def is_running(self) -> bool:
        """Return whether it is still running."""
        return self.status in ("waiting", "running")


_WORDS = {
    "waiting": "Waiting",
    "running": "Running",
    "succeeded": "Succeeded",
    "partial": "Partly succeeded",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
_TRIGGERS = {
    "scheduled": "scheduled",
    "manual": "started by hand",
    "command": "started by a command",
    "look": "found by a look",
}


def tell_run(run: SyncRun) -> ToldRun:
    """Return the run in words."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else None
    return ToldRun(
        id=run.id,
        status=run.status,
        word=_WORDS[run.status],
        sentence=f"{_lists(run)} {_titles(run)}".strip(),
        trigger=_TRIGGERS[run.trigger],
        started_at=run.started_at,
        duration="" if seconds is None else _duration(seconds),
        errors=run.errors,
    )


def amount(number: int, what: str) -> str:
    """Return a number with its noun: 1 title, 2 titles."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _lists(run: SyncRun) -> str:
    failed = len(run.errors)
    if run.status == "waiting":
        return "It begins when the sync that runs now has ended."
    if not run.users_processed:
        if run.status != "running":
            return "No list was read."
        return f"{amount(failed, 'list')} could not be read." if failed else "The lists are being read."
    so_far = " so far" if run.status == "running" else ""
    return f"{amount(run.users_processed, 'list')} read{so_far}{f', {failed} failed' if failed else ''}."


def _titles(run: SyncRun) -> str:
    numbers = ((run.new_items, "new"), (run.removed_items, "removed"), (run.updated_items, "updated"))
    changes = [(number, what) for number, what in numbers if number]
    if not changes:
        return "Nothing changed." if run.users_processed and run.status != "running" else ""
    [(first, what), *others] = changes
    return ", ".join([f"{amount(first, 'title')} {what}", *(f"{number:,} {what}" for number, what in others)]) + "."


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\N{NO-BREAK SPACE}min {rest}\N{NO-BREAK SPACE}s" if minutes else f"{rest}\N{NO-BREAK SPACE}s"
