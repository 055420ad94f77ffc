"""Signing in by link, as tests do it."""

from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient

from tests.support.fake_pins import Pins
from tests.support.household import Household
from tests.support.processes import wait_until
from wishlist_service.models import PlexPin
from wishlist_service.queries import sign_ins
from wishlist_service.tokens import CLIENT_IDENTIFIER

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


def add_pending_and_failed(household: Household) -> None:
    """Sign-in 1, pending, and sign-in 2, failed; others can be started."""
    Pins(household.plex)
    pin = PlexPin(id=900_000, code="c" * 25, client_identifier="client", expires_in=timedelta(minutes=30))
    for name in ("Fay", "Gus"):
        link_id = sign_ins.next_link_id(household.conn)
        encrypted = household.cipher.encrypt(pin.client_identifier, owner=link_id, column=CLIENT_IDENTIFIER)
        sign_ins.add_link(
            household.conn, link_id=link_id, name=name, user_id=None, pin=pin, client_identifier=encrypted
        )
    sign_ins.end_link(household.conn, link_id=2, status="failed", detail="This came to nothing.")
