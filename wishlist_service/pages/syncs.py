"""Syncs: what the last ones did. For the admin."""

from typing import Final

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.errors import SyncRunning
from wishlist_service.pages.runs import list_told_runs
from wishlist_service.queries import sync_runs, users
from wishlist_service.web.actions import begin_sync
from wishlist_service.web.auth import needs_admin
from wishlist_service.web.context import read

_MAXIMUM_RUNS: Final = 50

bp = Blueprint("syncs", __name__, url_prefix="/syncs")


@bp.get("")
@needs_admin
def show() -> ResponseReturnValue:
    """Return the page. It is never cached, because a sync changes it without the wishlist."""
    return _page()


@bp.post("")
def sync_now() -> ResponseReturnValue:
    """Start a sync of everyone, and lead back to the page."""
    try:
        begin_sync()
    except SyncRunning as running:
        return _page(refused=f"{running} Wait for it to end. It may have done what you want."), 409
    return redirect(url_for(".show"), 303)


def _page(*, refused: str = "") -> str:
    runs = list_told_runs(_MAXIMUM_RUNS)
    return render_template(
        "syncs.html",
        refused=refused,
        running=[run for run in runs if run.is_running],
        ended=[run for run in runs if not run.is_running],
        next_run_at=read(sync_runs.find_next_run),
        anyone=read(users.count_users, active=None) > 0,
    )
