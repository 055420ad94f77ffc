"""The API's description: an OpenAPI document and Swagger UI on it, without any other host."""

import json
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from wishlist_service import __version__

OPENAPI: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))

bp = Blueprint("docs", __name__)


@bp.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """The document, with the address the caller reached us under."""
    info = OPENAPI["info"] | {"version": __version__}
    return jsonify(OPENAPI | {"info": info, "servers": [{"url": request.script_root or "/"}]})


@bp.get("/")
def home() -> ResponseReturnValue:
    """A person who types the bare address wants to see something."""
    return redirect(url_for("swagger_ui.show"))
