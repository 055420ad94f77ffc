"""Sync runs in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from wishlist_service.models import SyncRun
from wishlist_service.pages.wording import join_names
from wishlist_service.queries import sync_runs
from wishlist_service.web.context import read

_MOST_NAMED: Final = 4


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


def list_told_runs(limit: int) -> list[ToldRun]:
    """Return the newest runs in words."""
    runs = read(sync_runs.list_runs, limit=limit, offset=0)
    adders = read(sync_runs.list_adders, run_ids=[run.id for run in runs])
    return [tell_run(run, [name for run_id, name in adders if run_id == run.id]) for run in runs]


def tell_run(run: SyncRun, adders: Sequence[str] = ()) -> ToldRun:
    """Return the run in words. `adders`: the names of those whose wishes are new."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else None
    return ToldRun(
        id=run.id,
        status=run.status,
        word=_WORDS[run.status],
        sentence=f"{_lists(run)} {_wishes(run, adders)}".strip(),
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


def _wishes(run: SyncRun, adders: Sequence[str]) -> str:
    told: list[str] = []
    if run.added_wishes:
        told.append(f"{_named(adders)} added {run.added_wishes:,}" if adders else _counted(run.added_wishes, "added"))
    if run.removed_wishes:
        told.append(_counted(run.removed_wishes, "removed"))
    if run.updated_items:
        told.append(f"{amount(run.updated_items, 'title')} updated")
    if told:
        return f"{', '.join(told)}."
    return "Nothing changed." if run.users_processed and run.status != "running" else ""


def _counted(number: int, done: str) -> str:
    return f"{number:,} {'was' if number == 1 else 'were'} {done}"


def _named(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        return f"{join_names([*names[: _MOST_NAMED - 1], f'{len(names) - _MOST_NAMED + 1} others'])}"
    return join_names(names)


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f}\N{NO-BREAK SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\N{NO-BREAK SPACE}min {rest}\N{NO-BREAK SPACE}s" if minutes else f"{rest}\N{NO-BREAK SPACE}s"
