"""Health, for containers and monitors. It never asks Plex."""

import logging
from datetime import datetime

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue
from psycopg import Connection, Error

from wishlist_service import __version__, db
from wishlist_service.process.deadline import within
from wishlist_service.queries import sign_ins, sync_runs
from wishlist_service.web.auth import same_for_all
from wishlist_service.web.context import context

logger = logging.getLogger(__name__)

bp = Blueprint("health", __name__)

DATABASE_SECONDS = 2


@bp.get("/health")
@same_for_all
def health() -> ResponseReturnValue:
    """Return 200 if the database answers within 2 s, else 503."""
    try:
        # On its own connection, because busy requests do not mean that the database is away. With a deadline, because
        # no setting of the driver limits the wait for a server that takes the query and falls silent.
        url = context().config.database_url
        claimed, last_success_at = within(DATABASE_SECONDS, lambda: db.ask(url, _look))
    except (TimeoutError, Error) as error:
        reason = str(error).strip() or f"no answer within {DATABASE_SECONDS} s"
        logger.error("health check failed, database away reason=%r", reason)
        unknown = {"claimed": None, "last_success_at": None}
        return jsonify({"status": "error", "database": "away", "version": __version__} | unknown), 503
    found = {"claimed": claimed, "last_success_at": last_success_at}
    return jsonify({"status": "ok", "database": "ok", "version": __version__} | found)


def _look(conn: Connection) -> tuple[bool, datetime | None]:
    return sign_ins.is_claimed(conn), sync_runs.find_last_success(conn)
