"""The least a Flask application can do: the ceiling that our replies are held against."""

from flask import Flask, Response

app = Flask(__name__, static_folder=None)

BODY = '{"status":"ok","database":"ok","version":"1.0.0","last_success_at":null}\n'


@app.get("/health")
def constant() -> Response:
    """The same reply every time."""
    return Response(BODY, content_type="application/json")
