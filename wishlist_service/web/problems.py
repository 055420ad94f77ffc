"""Every error as application/problem+json (RFC 9457): the one table from exception to status."""

import logging
from typing import Any

from flask import Flask, Response, jsonify, request
from psycopg import OperationalError
from psycopg.errors import DiskFull, QueryCanceled, UndefinedTable
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from wishlist_service.errors import Conflict, Gone, Invalid, NeverSynced, NotFound, PlexAway, SyncRunning

logger = logging.getLogger(__name__)

# where Werkzeug's own sentence speaks to the visitor of a web page
_DETAILS = {
    404: "There is nothing at this path. /docs lists what there is.",
    405: "This path does not take this method. The Allow header lists those it takes.",
    413: "The body is too large; 64 KiB is the most.",
    415: "Send JSON, with the header Content-Type: application/json.",
}

_DATABASE_DETAILS: tuple[tuple[type[Exception], str], ...] = (
    (DiskFull, "The disk of the database is full. Nothing was changed; free some space there."),
    (QueryCanceled, "This took the database too long and was stopped."),
    (PoolTimeout, "Every database connection is busy, or the database is away. Try again in a moment."),
    (TooManyRequests, "Every database connection is busy, or the database is away. Try again in a moment."),
    (UndefinedTable, "The database lacks a table. Run: python -m wishlist_service.migrate"),
    (OperationalError, "The database does not answer. Try again in a moment."),
)


# Radarr shows its user what it finds in a member `errors`, in these four fields
_READ_BY_RADARR = "feeds.list_radarr_movies"


def register_problems(app: Flask) -> None:
    """Make the app answer every error with a problem document."""
    app.register_error_handler(NotFound, lambda error: problem(404, str(error)))
    app.register_error_handler(Conflict, lambda error: problem(409, str(error)))
    app.register_error_handler(Gone, lambda error: problem(410, str(error)))
    app.register_error_handler(SyncRunning, lambda error: problem(409, str(error), run_id=error.run_id))
    app.register_error_handler(PlexAway, lambda error: problem(502, str(error)))
    app.register_error_handler(Invalid, _invalid)
    app.register_error_handler(NeverSynced, _never_synced)
    app.register_error_handler(OperationalError, _database_fault)
    app.register_error_handler(UndefinedTable, _database_fault)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def problem(status: int, detail: str, **more: Any) -> Response:
    """A problem document; `more` are its extension members."""
    title = HTTP_STATUS_CODES[status]
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail} | more
    if request.endpoint == _READ_BY_RADARR:
        body.setdefault("errors", [{"id": str(status), "status": status, "title": title, "detail": detail}])
    response = jsonify(body)
    response.status_code = status
    response.mimetype = "application/problem+json"
    return response


def _invalid(error: Invalid) -> Response:
    count = len(error.faults)
    detail = "One thing is wrong with the request." if count == 1 else f"{count} things are wrong with the request."
    return problem(422, detail, errors=[{"field": fault.field, "detail": fault.detail} for fault in error.faults])


def _never_synced(error: NeverSynced) -> Response:
    response = problem(503, str(error))
    response.headers["Retry-After"] = "60"
    return response


def _database_fault(error: OperationalError | UndefinedTable) -> Response:
    detail = next(detail for kind, detail in _DATABASE_DETAILS if isinstance(error, kind))
    logger.error("database cannot serve path=%r reason=%r", request.path, str(error).strip())
    response = problem(503, detail)
    response.headers["Retry-After"] = "5"
    return response


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    detail = _DETAILS.get(status) or error.description or HTTP_STATUS_CODES[status]
    response = problem(status, detail)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers.add(name, value)
    return response


def _unexpected(_error: Exception) -> Response:
    logger.exception("unexpected error method=%s path=%r", request.method, request.path)
    return problem(500, "An unexpected error happened; the service's log has the details.")
