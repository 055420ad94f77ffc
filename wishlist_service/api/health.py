"""Is the service alive? For container health checks and monitors; never asks Plex."""

import logging
import queue
import threading
from datetime import datetime

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from psycopg import Error

from wishlist_service import __version__, db
from wishlist_service.api.parts import parts
from wishlist_service.queries import sync_runs

logger = logging.getLogger(__name__)

bp = Blueprint("health", __name__)

DATABASE_SECONDS = 2


@bp.get("/health")
def health() -> ResponseReturnValue:
    """200 if the database answers within 2 s, else 503."""
    try:
        last_success_at = _ask_database(parts().config.database_url)
    except (queue.Empty, Error) as error:
        reason = str(error).strip() or f"no answer within {DATABASE_SECONDS} s"
        logger.error("health check failed, database away reason=%r", reason)
        return jsonify({"status": "error", "database": "away", "version": __version__, "last_success_at": None}), 503
    return jsonify({"status": "ok", "database": "ok", "version": __version__, "last_success_at": last_success_at})


def _ask_database(database_url: str) -> datetime | None:
    # On a connection of its own: busy requests are not the database's fault. In a thread of its own: no setting
    # of the driver bounds how long a server that accepts the query and then falls silent may keep us waiting.
    answers: queue.SimpleQueue[datetime | Error | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(db.ask(database_url, sync_runs.find_last_success))
        except Error as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True, name="health").start()
    answer = answers.get(timeout=DATABASE_SECONDS)
    if isinstance(answer, Error):
        raise answer
    return answer
