"""Webhooks of the media server: who may send them, and what they do."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.household import API_KEY, Household
from tests.support.pushes import WEBHOOK, form

READ_KEY = "test-read-key-0123456789"

Client = Callable[..., FlaskClient]


def is_asked(household: Household) -> bool:
    found = household.conn.execute("SELECT library_asked_at FROM sync_state").fetchone()
    return bool(found and found["library_asked_at"])


@pytest.mark.parametrize(
    ("read_key", "query", "status"),
    [
        (READ_KEY, {"apikey": READ_KEY}, 202),
        (READ_KEY, {"apikey": API_KEY}, 202),
        (READ_KEY, {"apikey": "wrong"}, 401),
        (READ_KEY, {}, 401),
        ("", {}, 202),
        ("", {"apikey": API_KEY}, 202),
    ],
)
def test_webhook_needs_what_reading_needs_and_takes_the_key_in_its_address(
    make_client: Client, read_key: str, query: dict[str, str], status: int
) -> None:
    client = make_client(read_api_key=read_key)

    assert client.post(WEBHOOK, query_string=query, **form()).status_code == status


def test_no_other_change_takes_a_key_in_its_address(make_client: Client) -> None:
    client = make_client(read_api_key=READ_KEY)

    assert client.post("/api/sync", query_string={"apikey": API_KEY}).status_code == 401


def test_hidden_names_need_no_key_here_either(make_client: Client) -> None:
    assert make_client(names="hidden").post(WEBHOOK, **form()).status_code == 202


@pytest.mark.parametrize("event", ["media.play", "media.scrobble", "library.on.deck", "", "library.NEW"])
def test_every_other_event_does_nothing(household: Household, make_client: Client, event: str) -> None:
    reply = make_client().post(WEBHOOK, **form(event))

    assert (reply.status_code, reply.json) == (202, {"look": False})
    assert not is_asked(household)


@pytest.mark.parametrize("picture", [b"", b"x" * 2_000_000], ids=["without", "with 2 MB"])
def test_something_new_asks_for_a_look(household: Household, make_client: Client, picture: bytes) -> None:
    reply = make_client().post(WEBHOOK, **form(picture=picture))

    assert (reply.status_code, reply.json) == (202, {"look": True})
    assert is_asked(household)


def test_more_of_it_before_the_look_writes_nothing(household: Household, make_client: Client) -> None:
    client = make_client()
    client.post(WEBHOOK, **form())
    before = household.conn.execute("SELECT xmin, library_asked_at FROM sync_state").fetchone()

    client.post(WEBHOOK, **form())

    assert household.conn.execute("SELECT xmin, library_asked_at FROM sync_state").fetchone() == before


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": {"payload": "{"}}, 422),
        ({"data": {"payload": "[]"}}, 422),
        ({"data": {"payload": '{"event": 1}'}}, 422),
        ({"data": {"payload": "[" * 100_000}}, 422),
        ({"data": {}}, 422),
        ({"json": {"payload": 1}}, 422),
        ({"json": []}, 422),
        ({"json": {"payload": '{"event": "media.stop"}'}}, 202),
        (form(picture=b"x" * 3_000_000), 413),
    ],
    ids=range(9),
)
def test_what_is_no_event_is_refused(make_client: Client, sent: dict[str, Any], status: int) -> None:
    reply = make_client().post(WEBHOOK, **sent)

    assert reply.status_code == status
    assert status != 413 or "larger than 2112 KiB" in reply.text
