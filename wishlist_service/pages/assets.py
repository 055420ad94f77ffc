"""The style sheet, the script, the icons and the manifest. Addresses of files change with their content."""

import json
import zlib
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from wishlist_service.web.auth import same_for_all

_FILES: Final = Path(__file__).parent.parent / "static"
_TYPES: Final = {
    "style.css": "text/css; charset=utf-8",
    "script.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    "favicon.ico": "image/vnd.microsoft.icon",
    "apple-touch-icon.png": "image/png",
    "icon-192.png": "image/png",
    "icon-512.png": "image/png",
    "maskable-192.png": "image/png",
    "maskable-512.png": "image/png",
}
_BODIES: Final = {name: (_FILES / name).read_bytes() for name in _TYPES}
_VERSIONS: Final = {name: f"{zlib.crc32(body):08x}" for name, body in _BODIES.items()}
_GROUND: Final = "#14120f"

bp = Blueprint("assets", __name__)


@bp.get("/static/<name>")
@same_for_all
def asset(name: str) -> ResponseReturnValue:
    """Return one of the files. Browsers keep it for a year if the address names its version."""
    if name not in _TYPES:
        raise NotFound
    response = Response(_BODIES[name], content_type=_TYPES[name])
    response.set_etag(_VERSIONS[name], weak=True)
    if request.args.get("v") == _VERSIONS[name]:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response


@bp.get("/favicon.ico")
@same_for_all
def favicon() -> ResponseReturnValue:
    """Return the icon that browsers ask for on their own."""
    return asset("favicon.ico")


@bp.get("/manifest.webmanifest")
@same_for_all
def manifest() -> ResponseReturnValue:
    """Return what a phone needs to put the wall on its home screen."""
    icons = [
        {"src": asset_url(f"{kind}-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png", "purpose": purpose}
        for kind, purpose in (("icon", "any"), ("maskable", "maskable"))
        for size in (192, 512)
    ]
    wall = url_for("pages.wall.show")
    document: dict[str, Any] = {
        "id": wall,
        "name": "Wishlist",
        "short_name": "Wishlist",
        "description": "What we want to watch.",
        "start_url": wall,
        "scope": wall,
        "display": "standalone",
        "background_color": _GROUND,
        "theme_color": _GROUND,
        "icons": icons,
        "shortcuts": [
            {"name": "New", "url": url_for("pages.new.show"), "icons": icons[:1]},
            {"name": "Tonight", "url": url_for("pages.tonight.show"), "icons": icons[:1]},
        ],
    }
    return Response(json.dumps(document), content_type="application/manifest+json")


def asset_url(name: str) -> str:
    """Return the address of a file."""
    return url_for("pages.assets.asset", name=name, v=_VERSIONS[name])
