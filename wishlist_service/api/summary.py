"""The wishlist at a glance, for dashboards."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from wishlist_service.queries import summary
from wishlist_service.web.context import read, reply_with

bp = Blueprint("summary", __name__, url_prefix="/api/summary")


@bp.get("")
def get_summary() -> ResponseReturnValue:
    """Flat numbers, and the latest titles."""
    return reply_with(f"{read(summary.get_summary)}\n".encode())
