"""Requests are counted in files that the workers share (gunicorn.conf.py says where)."""

from typing import Final

from flask import Response, request
from prometheus_client import CollectorRegistry, Counter

_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE")
this_process: Final = CollectorRegistry()
_requests: Final = Counter(
    "wishlist_http_requests", "Requests answered.", ["method", "route", "status"], registry=this_process
)


def count_request(response: Response) -> Response:
    """To run after every view."""
    # by route, not by path: a label for every path ever tried would fill the memory
    route = request.url_rule.rule if request.url_rule else "unknown"
    count(request.method if request.method in _METHODS else "other", route, response.status_code)
    return response


def count(method: str, route: str, status: int) -> None:
    """Count a reply."""
    _requests.labels(method, route, status).inc()
