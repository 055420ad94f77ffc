"""The API's description: an OpenAPI document and Swagger UI on it, without any other host."""

import json
from pathlib import Path
from typing import Any, Final

import flask_swagger_ui
from flask import Blueprint, Response, jsonify, render_template_string, request, send_from_directory
from flask.typing import ResponseReturnValue

from wishlist_service import __version__

_SWAGGER_UI: Final = Path(flask_swagger_ui.__file__).parent / "dist"

# Its own page: the one of the package has an inline script, which the content security policy forbids.
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>Plex Wishlist Service</title>
  <link rel="icon" href="{{ url_for('docs.asset', name='favicon-32x32.png') }}">
  <link rel="stylesheet" href="{{ url_for('docs.asset', name='swagger-ui.css') }}">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="{{ url_for('docs.asset', name='swagger-ui-bundle.js') }}"></script>
  <script src="{{ url_for('docs.asset', name='start.js') }}" data-url="{{ url_for('docs.openapi') }}"></script>
</body>
</html>
"""
# without validatorUrl: null the page asks another host
_START: Final = """SwaggerUIBundle({
  url: document.currentScript.dataset.url,
  dom_id: "#swagger-ui",
  validatorUrl: null,
});
"""

_NOTHING: Final = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_API_POLICY: Final = f"{_NOTHING}; form-action 'none'"
_DOCS_POLICY: Final = (
    f"{_API_POLICY}; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
# posters come from other hosts
_PAGE_POLICY: Final = (
    f"{_NOTHING}; form-action 'self'; script-src 'self'; style-src 'self'; img-src 'self' https: data:"
    "; connect-src 'self'"
)

bp = Blueprint("docs", __name__)


@bp.get("/openapi.json")
def openapi() -> ResponseReturnValue:
    """The document, with the address the caller reached us under."""
    document = read_document()
    info = document["info"] | {"version": __version__}
    return jsonify(document | {"info": info, "servers": [{"url": request.script_root or "/"}]})


@bp.get("/docs")
@bp.get("/docs/")
def page() -> ResponseReturnValue:
    """Swagger UI."""
    return render_template_string(_PAGE)


@bp.get("/docs/<name>")
def asset(name: str) -> ResponseReturnValue:
    """What the page is made of."""
    if name == "start.js":
        return Response(_START, content_type="text/javascript; charset=utf-8")
    return send_from_directory(_SWAGGER_UI, name)


def read_document() -> dict[str, Any]:
    """openapi.json as it lies here: asked for too seldom to have it take half a megabyte of each process."""
    return json.loads(Path(__file__).with_name("openapi.json").read_text(encoding="utf-8"))


def add_headers(response: Response) -> Response:
    """What a browser needs to know about every reply."""
    if request.endpoint == "docs.page":
        policy, referrer = _DOCS_POLICY, "no-referrer"
    elif response.mimetype == "text/html":
        # a page that never tells where somebody comes from has its own forms sent with "Origin: null"
        policy, referrer = _PAGE_POLICY, "same-origin"
    else:
        policy, referrer = _API_POLICY, "no-referrer"
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = referrer
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response
