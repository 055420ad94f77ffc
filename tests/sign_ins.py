"""Signing in by link, as tests do it."""

from typing import Any

from flask.testing import FlaskClient
from processes import wait_until

DORA = "token-of-dora-0123456789"


def start(api: FlaskClient, path: str = "/api/users/link", **body: Any) -> dict[str, Any]:
    """A sign-in that was started; `path` as its Location tells it."""
    reply = api.post(path, json=body) if body else api.post(path)
    assert reply.status_code == 201, reply.text
    return reply.json | {"path": reply.headers["Location"]}


def wait_for_end(api: FlaskClient, link: dict[str, Any]) -> Any:
    """The reply to a look at the sign-in once it is not pending any longer."""
    replies: list[Any] = []

    def has_ended() -> bool:
        replies.append(api.get(link["path"]))
        return replies[-1].json.get("status") != "pending"

    wait_until(has_ended)
    return replies[-1]
