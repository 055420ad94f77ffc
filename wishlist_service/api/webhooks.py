"""What a Plex media server tells by itself."""

import json
from typing import Any, Final

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from wishlist_service.errors import FieldError, Invalid
from wishlist_service.queries.media_server import ask_for_look
from wishlist_service.web.auth import takes_reader_key
from wishlist_service.web.context import context
from wishlist_service.web.fields import Fields

LARGEST_FORM: Final = 2 * 1024 * 1024 + 64 * 1024  # a picture of 2 MB, and the rest of the form

bp = Blueprint("webhooks", __name__, url_prefix="/api/webhooks")


@bp.post("/plex")
@takes_reader_key
def take_plex_event() -> ResponseReturnValue:
    """Ask the scheduler for a look at the media server if it has something new. Ignore every other event."""
    Fields.from_query(request).done()
    request.max_content_length = LARGEST_FORM
    event = _read_event(request.get_json(silent=True) if request.is_json else request.form)
    if event == "library.new":
        with context().pool.connection() as conn:
            ask_for_look(conn)
    return jsonify({"look": event == "library.new"}), 202


def _read_event(form: Any) -> str:
    try:
        told: Any = json.loads(form["payload"])
        event = told["event"]
    except (ValueError, TypeError, KeyError, RecursionError):
        event = None
    if not isinstance(event, str):
        detail = "must be a JSON object with the text `event`, as a media server sends it."
        raise Invalid([FieldError("payload", detail)])
    return event
