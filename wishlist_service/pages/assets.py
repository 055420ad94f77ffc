"""The style sheet, the script and the icon. Their addresses change with their content."""

import zlib
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from wishlist_service.web.auth import open_to_all

_FILES: Final = Path(__file__).parent.parent / "static"
_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "script.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_BODIES: Final = {name: (_FILES / name).read_bytes() for name in _TYPES}
_VERSIONS: Final = {name: f"{zlib.crc32(body):08x}" for name, body in _BODIES.items()}

bp = Blueprint("assets", __name__)


@bp.get("/static/<name>")
@open_to_all
def asset(name: str) -> ResponseReturnValue:
    """Return one of the files. Browsers keep it for a year if the address names its version."""
    if name not in _TYPES:
        raise NotFound
    response = Response(_BODIES[name], content_type=_TYPES[name])
    response.set_etag(_VERSIONS[name], weak=True)
    if request.args.get("v") == _VERSIONS[name]:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


def asset_url(name: str) -> str:
    """Return the address of a file."""
    return url_for("pages.assets.asset", name=name, v=_VERSIONS[name])
