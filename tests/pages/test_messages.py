"""The section of one's own page about messages: addresses, what is told, and a test message."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.addresses import give, sign_in_as
from tests.support.household import Household
from tests.support.receivers import SECRET, Receiver, receiver
from tests.support.seen import browse
from tests.support.visitors import visitor

PUBLIC = f"jsons://hooks.example.com/{SECRET}"
OWN = "/api/me/notifications"


@pytest.fixture
def ben(filled: Household) -> Iterator[FlaskClient]:
    with visitor(filled) as client:
        yield sign_in_as(client, filled, "Ben")


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def test_form_stores_what_is_told_and_where(ben: FlaskClient) -> None:
    page = browse(ben, "/me")
    saved = ben.post("/me/messages", data={"address": PUBLIC, "available": "on", "new_wishes": "on"})
    after = browse(ben, "/me")

    assert [box["name"] for box in page.all("input", type="checkbox") if "checked" in box.attributes] == [
        "available",
        "trouble",
    ]
    assert (saved.status_code, saved.location) == (303, "/me#messages")
    assert "jsons://hooks.example.com" in after.one("section", id="messages").text
    assert SECRET not in str(ben.get("/me").text)
    stored = {"urls": ["jsons://hooks.example.com"], "available": True, "trouble": False, "new_wishes": True}
    assert ben.get(OWN).json == stored


def test_addresses_without_a_mark_go_and_others_stay_also_those_an_admin_set(
    ben: FlaskClient, api: FlaskClient, filled: Household
) -> None:
    give(api, filled, "Ben", "json://127.0.0.1/x", PUBLIC)
    ids = [row["id"] for row in filled.conn.execute("SELECT id FROM news_addresses ORDER BY id").fetchall()]

    kept = ben.post("/me/messages", data={"keep": [str(ids[0])], "address": "ntfys://ntfy.sh/topic"})

    assert kept.status_code == 303
    assert ben.get(OWN).json["urls"] == ["json://127.0.0.1", "ntfys://ntfy.sh"]


def test_address_that_cannot_be_used_is_told_beside_the_form(ben: FlaskClient) -> None:
    reply = ben.post("/me/messages", data={"address": f"json://192.168.1.1/{SECRET}"})

    assert reply.status_code == 422
    assert "leads to this machine or a private network" in reply.text
    assert SECRET not in reply.text
    assert ben.get("/me/messages").location == "/me#messages"


def test_button_sends_a_test_message_and_shows_the_answers(
    ben: FlaskClient, api: FlaskClient, filled: Household, webhook: Receiver
) -> None:
    give(api, filled, "Ben", webhook.address)
    taken = ben.post("/me/messages/test")
    webhook.statuses.append(500)
    refused = ben.post("/me/messages/test")

    assert "json://127.0.0.1</b>: The service took the message." in taken.text
    assert "json://127.0.0.1</b>: Not sent, HTTP 500." in refused.text
    assert [message["title"] for message in webhook.messages] == ["Test message"]


def test_nobody_else_changes_or_sends_anything(api: FlaskClient, filled: Household) -> None:
    with visitor(filled) as reader:
        assert [reader.post(path).status_code for path in ("/me/messages", "/me/messages/test")] == [303, 303]
    assert filled.conn.execute("SELECT FROM news_addresses").rowcount == 0
