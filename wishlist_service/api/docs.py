"""The description of the API: an OpenAPI document, and Swagger UI served from here."""

import json
from pathlib import Path
from typing import Any, Final

import flask_swagger_ui
from flask import Blueprint, Response, jsonify, render_template_string, request, send_from_directory
from flask.typing import ResponseReturnValue

from wishlist_service import __version__
from wishlist_service.web.auth import same_for_all
from wishlist_service.web.finish import NOTHING

_SWAGGER_UI: Final = Path(flask_swagger_ui.__file__).parent / "dist"

# The page of the package has an inline script, which the content security policy forbids.
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="dark light">
  <meta name="robots" content="noindex">
  <title>API · Wishlist</title>
  <link rel="icon" href="{{ url_for('docs.asset', name='favicon-32x32.png') }}">
  <link rel="stylesheet" href="{{ url_for('docs.asset', name='swagger-ui.css') }}">
  <link rel="stylesheet" href="{{ url_for('docs.asset', name='page.css') }}">
</head>
<body>
  <header class="way-back"><a href='{{ url_for("pages.wall.show") }}'>Back to the wall</a><h1>API</h1></header>
  <main id="swagger-ui"></main>
  <script src="{{ url_for('docs.asset', name='swagger-ui-bundle.js') }}"></script>
  <script src="{{ url_for('docs.asset', name='start.js') }}" data-url="{{ url_for('docs.openapi') }}"></script>
</body>
</html>
"""
# Without validatorUrl: null, the page would ask another host.
_START: Final = """SwaggerUIBundle({
  url: document.currentScript.dataset.url,
  dom_id: "#swagger-ui",
  validatorUrl: null,
});
"""
# Swagger UI is made for light pages, so its colours are turned over.
_STYLE: Final = """body { margin: 0; }
.way-back { padding: .8rem 1.25rem; font: 1rem/1.5 system-ui, sans-serif; }
.way-back h1 { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); }
.way-back a { display: inline-flex; align-items: center; min-height: 2.75rem; color: #9b4513; }
.way-back a::before { content: "\\2190"; content: "\\2190" / ""; margin-right: .5rem; }
@media (prefers-color-scheme: dark) {
  body { background: #14120f; }
  .way-back a { color: #f0a35e; }
  #swagger-ui { filter: invert(.9) hue-rotate(180deg); }
}
"""
_POLICY: Final = (
    f"{NOTHING}; form-action 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    "; connect-src 'self'"
)

bp = Blueprint("docs", __name__)


@bp.get("/openapi.json")
@same_for_all
def openapi() -> ResponseReturnValue:
    """Return the document, with the address that the client used."""
    document = read_document()
    info = document["info"] | {"version": __version__}
    return jsonify(document | {"info": info, "servers": [{"url": request.script_root or "/"}]})


@bp.get("/docs")
@bp.get("/docs/")
@same_for_all
def page() -> ResponseReturnValue:
    """Return the page of Swagger UI."""
    return render_template_string(_PAGE), {"Content-Security-Policy": _POLICY}


@bp.get("/docs/<name>")
@same_for_all
def asset(name: str) -> ResponseReturnValue:
    """Return a file of the page."""
    if name == "start.js":
        return Response(_START, content_type="text/javascript; charset=utf-8")
    if name == "page.css":
        return Response(_STYLE, content_type="text/css; charset=utf-8")
    return send_from_directory(_SWAGGER_UI, name)


def read_document() -> dict[str, Any]:
    """Return openapi.json. It is read each time, because it would take half a megabyte of each process."""
    return json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))
