"""Signing in with Plex, as the browser of a test client does it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fake_pins import Pins
from tests.support.household import Household

OURS = {"Origin": "http://localhost"}


def go_to_plex(client: FlaskClient, *, path: str = "/sign-in/plex", **options: Any) -> dict[str, str]:
    """Press the button; what the address at Plex says."""
    reply = client.post(path, **{"headers": OURS} | options)
    assert reply.status_code == 303, reply.text
    address, _, asked = reply.location.partition("#?")
    assert address == "https://app.plex.tv/auth"
    return {name: value for name, [value] in parse_qs(asked, strict_parsing=True).items()}


def come_back(client: FlaskClient, asked: dict[str, str], **options: Any) -> TestResponse:
    """Be led back by Plex."""
    return client.get(urlsplit(asked["forwardUrl"]).path, **options)


def come_back_together(
    household: Household, clients: Sequence[FlaskClient], asked: Sequence[dict[str, str]]
) -> list[TestResponse]:
    """Be led back in two browsers at once: Plex names the account of neither before both have asked."""
    both = Barrier(2)
    told = household.plex.routes["GET", "/api/v2/user"]
    household.plex.routes["GET", "/api/v2/user"] = lambda handler: (both.wait(30), told(handler))
    with ThreadPoolExecutor(2) as threads:
        replies = [*threads.map(come_back, clients, asked)]
    household.plex.routes["GET", "/api/v2/user"] = told
    return replies


def sign_in_with_plex(client: FlaskClient, pins: Pins, username: str, **options: Any) -> TestResponse:
    """Press the button, agree at Plex with this account, and be led back."""
    asked = go_to_plex(client, **options)
    pins.agree_as(asked["code"], username)
    return come_back(client, asked)
