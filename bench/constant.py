"""The smallest Flask application, as the upper limit for our replies."""

from flask import Flask, Response

app = Flask(__name__, static_folder=None)

BODY = '{"status":"ok","database":"ok","version":"1.0.0","last_success_at":null}\n'


@app.get("/health")
def constant() -> Response:
    """Return the same reply every time."""
    return Response(BODY, content_type="application/json")
