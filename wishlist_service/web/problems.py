"""Every error as application/problem+json (RFC 9457), and the one table from exception to status."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request
from psycopg import OperationalError
from psycopg.errors import DiskFull, InsufficientPrivilege, QueryCanceled, ReadOnlySqlTransaction, UndefinedTable
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import HTTP_STATUS_CODES

from wishlist_service.errors import (
    Conflict,
    DatabaseReadOnly,
    FeedNotReady,
    Gone,
    HostRefused,
    Invalid,
    NotFound,
    PlexAway,
    SyncRunning,
)
from wishlist_service.web.paths import path_for_log

logger = logging.getLogger(__name__)

# Werkzeug's own sentences for these are written for visitors of web pages.
_DETAILS = {
    404: "There is nothing at this path. /docs lists all paths.",
    405: "This path does not accept this method. The Allow header lists those that it accepts.",
    415: "Send JSON, with the header Content-Type: application/json.",
}

_STATUSES: dict[type[Exception], int] = {NotFound: 404, Conflict: 409, Gone: 410, PlexAway: 502}

_BUSY = "Every database connection is busy, or the database is away. Try again in a moment."
_DATABASE_DETAILS: tuple[tuple[type[Exception], str], ...] = (
    (DiskFull, "The disk of the database is full, so nothing was changed. Free some space there."),
    (QueryCanceled, "The database took too long, so the query was stopped. Try again in a moment."),
    (PoolTimeout, _BUSY),
    (TooManyRequests, _BUSY),
    (ReadOnlySqlTransaction, f"Nothing was changed. {DatabaseReadOnly()}"),
    (InsufficientPrivilege, "The user of the database may not do this. Connect as the owner of the tables."),
    (UndefinedTable, "The database lacks a table. Run: python -m wishlist_service.migrate"),
    (OperationalError, "The database does not answer. Try again in a moment."),
)

# Radarr shows its user the member `errors`, if it has these four fields.
_READ_BY_RADARR = "feeds.list_radarr_movies"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a request. `more`: extension members. `headers`: those of the reply."""

    status: int
    detail: str
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    headers: Sequence[tuple[str, str]] = ()

    @property
    def document(self) -> dict[str, Any]:
        """Return the members of the problem document."""
        title = HTTP_STATUS_CODES[self.status]
        return {"type": "about:blank", "title": title, "status": self.status, "detail": self.detail} | self.more


def register_problems(app: Flask, show: Callable[[Problem], Response]) -> None:
    """Make the app answer every error with what `show` makes of its problem."""
    app.register_error_handler(Exception, lambda error: show(explain(error)))


def explain(error: Exception) -> Problem:
    """Return the problem that an exception means, and log those that are not the client's."""
    match error:
        case HTTPException():
            return _http_error(error)
        case Invalid():
            return _invalid(error)
        case SyncRunning():
            return Problem(409, str(error), {"run_id": error.run_id})
        case NotFound() | Conflict() | Gone() | PlexAway():
            return Problem(next(status for kind, status in _STATUSES.items() if isinstance(error, kind)), str(error))
        case HostRefused():
            return Problem(421, str(error), headers=[("Cache-Control", "no-store")])
        case FeedNotReady():
            return Problem(503, str(error), headers=[("Retry-After", "60")])
        case OperationalError() | UndefinedTable() | ReadOnlySqlTransaction() | InsufficientPrivilege():
            logger.error("database cannot serve path=%r reason=%r", path_for_log(), str(error).strip())
            detail = next(detail for kind, detail in _DATABASE_DETAILS if isinstance(error, kind))
            return Problem(503, detail, headers=[("Retry-After", "5")])
        case _:
            logger.exception("unexpected error method=%s path=%r", request.method, path_for_log())
            return Problem(500, "An unexpected error happened. The service's log has the details.")


def problem_document(problem: Problem) -> Response:
    """Return the problem as a reply for programs."""
    body = problem.document
    if request.endpoint == _READ_BY_RADARR:
        named = {name: body[name] for name in ("status", "title", "detail")}
        body.setdefault("errors", [{"id": str(problem.status)} | named])
    response = jsonify(body)
    response.status_code = problem.status
    response.mimetype = "application/problem+json"
    response.headers.extend(problem.headers)
    return response


def _invalid(error: Invalid) -> Problem:
    count = len(error.errors)
    detail = f"The request has {count} {'error' if count == 1 else 'errors'}."
    return Problem(422, detail, {"errors": [{"field": each.field, "detail": each.detail} for each in error.errors]})


def _http_error(error: HTTPException) -> Problem:
    status = error.code or 500
    if isinstance(error, RequestEntityTooLarge):
        return Problem(status, f"The body is larger than {(request.max_content_length or 0) // 1024} KiB, the maximum.")
    detail = _DETAILS.get(status) or error.description or HTTP_STATUS_CODES[status]
    headers = [pair for pair in error.get_headers() if pair[0].lower() not in ("content-type", "content-length")]
    return Problem(status, detail, headers=headers)
