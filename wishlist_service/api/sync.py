"""Syncs: start one, see the status, list the runs."""

import threading
import time
from typing import Final

from flask import Blueprint, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service.queries import looks, sync_runs, users
from wishlist_service.web import actions
from wishlist_service.web.context import context, read
from wishlist_service.web.fields import LARGEST_ID, Fields

bp = Blueprint("sync", __name__, url_prefix="/api/sync")

STOPPING_SECONDS: Final = 5  # gunicorn cuts off requests 8 s after it was told to stop

_STATUS_FIELDS: Final = (
    "id",
    "name",
    "sync_state",
    "sync_detail",
    "last_attempt_at",
    "last_success_at",
    "next_attempt_at",
)


@bp.post("")
def start_sync() -> ResponseReturnValue:
    """Sync everyone or one person. The reply waits up to `wait` seconds for the end."""
    query = Fields.from_query(request)
    user_id = query.integer("user_id", minimum=1, maximum=LARGEST_ID)
    wait = query.number("wait", minimum=0, maximum=50, default=25)
    query.done()

    run_id, thread = actions.begin_sync(user_id=user_id)
    _await(thread, wait, context().stop)

    run = read(sync_runs.get_run, run_id=run_id)
    if run.status in ("waiting", "running"):
        return jsonify(run), 202, {"Location": url_for(".get_run", run_id=run.id)}
    return jsonify(run)


@bp.get("/status")
def get_status() -> ResponseReturnValue:
    """Return the current run, the last and the next one, the looks, and the state of each person's list."""
    current = read(sync_runs.find_running_run)
    scheduler = read(looks.get_scheduler)
    look_minutes = context().config.look_minutes
    people = read(users.list_users, active=True, limit=LARGEST_ID, offset=0)
    return jsonify(
        {
            "running": current is not None,
            "current_run": current,
            "last_run": read(sync_runs.find_last_run),
            "next_run_at": read(sync_runs.find_next_run),
            "look_minutes": look_minutes,
            "scheduler": scheduler.scheduler,
            "looked_at": scheduler.looked_at if look_minutes else None,
            "users": [{name: getattr(person, name) for name in _STATUS_FIELDS} for person in people],
        }
    )


@bp.get("/runs")
def list_runs() -> ResponseReturnValue:
    """Return a page of runs, newest first."""
    query = Fields.from_query(request)
    limit = query.integer("limit", minimum=1, maximum=500, default=50)
    offset = query.integer("offset", minimum=0, maximum=LARGEST_ID, default=0)
    query.done()

    items = read(sync_runs.list_runs, limit=limit, offset=offset)
    total = read(sync_runs.count_runs)
    return jsonify({"items": items, "total": total, "limit": limit, "offset": offset})


@bp.get("/runs/<id:run_id>")
def get_run(run_id: int) -> ResponseReturnValue:
    """Return one run."""
    return jsonify(read(sync_runs.get_run, run_id=run_id))


def _await(thread: threading.Thread, seconds: float, stop: threading.Event) -> None:
    """Wait for the thread, but at most STOPPING_SECONDS longer once the process was told to stop."""
    deadline = time.monotonic() + seconds
    while thread.is_alive() and not stop.is_set() and (left := deadline - time.monotonic()) > 0:
        thread.join(min(left, 0.5))
    thread.join(max(0, min(deadline - time.monotonic(), STOPPING_SECONDS)))
