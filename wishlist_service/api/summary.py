"""The wishlist at a glance, for dashboards."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from wishlist_service.queries import wishlist
from wishlist_service.web.context import read, reply_with

bp = Blueprint("summary", __name__, url_prefix="/api/summary")


@bp.get("")
def get_summary() -> ResponseReturnValue:
    """Flat numbers, and the latest titles."""
    return reply_with(f"{read(wishlist.get_summary)}\n".encode())
