"""Who may do what: the API_KEY everything, the READ_API_KEY reading, nobody guessing."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce, Share
from wishlist_service.app import close_app, create_app, open_app

READ_KEY = "test-read-key-0123456789"
ALPHA = row("1", "Alpha")
READS = [
    "/api/wishlist",
    "/api/wishlist/stats/summary",
    "/api/wishlist/" + "0" * 23 + "1",
    "/api/users",
    "/api/users/1",
    "/api/users/1/wishlist",
    "/api/history",
    "/api/changes",
    "/api/summary",
    "/api/sync/status",
    "/api/sync/runs",
    "/api/sync/runs/1",
    "/metrics",
]


def add_two(household: Household) -> None:
    """Ann and Ben want Alpha, Ben's token is of another account."""
    household.add("Annabella", [ALPHA])
    household.add("Benedict", [ALPHA])
    household.sync()
    household.conn.execute(
        """
        UPDATE plex_users SET sync_state = 'other_account', sync_detail = 'Of annabella, which Annabella stands for.'
         WHERE name = 'Benedict'
        """
    )
    household.conn.execute(
        """
        UPDATE sync_runs SET errors = '[{"user_id": 2, "name": "Benedict", "state": "other_account",
                                         "detail": "Of annabella, which Annabella stands for."}]'
        """
    )


@pytest.fixture(scope="module")
def two_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_two)


@pytest.fixture
def make_client(two_template: str, make_client: MakeClient) -> MakeClient:
    """The API with other settings, before these two."""
    return make_client


@pytest.fixture(scope="module")
def make_reader(share: Share) -> Iterator[MakeClient]:
    """As make_client, for tests that only read: with the same settings they ask the same application."""
    config = share(add_two).household.config
    apps: dict[str, Flask] = {}

    def make(**settings: Any) -> FlaskClient:
        if repr(settings) not in apps:
            apps[repr(settings)] = create_app(replace(config, **settings))
            open_app(apps[repr(settings)])
        return apps[repr(settings)].test_client()

    yield make
    for app in apps.values():
        close_app(app)


def sent(how: str, key: str) -> dict[str, Any]:
    """The key, sent in this way."""
    if how == "address":
        return {"query_string": {"apikey": key}}
    return {"headers": {"X-API-Key": key} if how == "header" else {"Authorization": f"Bearer {key}"}}


@pytest.mark.parametrize("path", READS)
def test_reading_is_open_without_a_reading_key(make_reader: MakeClient, path: str) -> None:
    assert make_reader().get(path).status_code == 200


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("how", ["header", "bearer", "address"])
def test_reading_takes_either_key_in_each_way(make_reader: MakeClient, path: str, how: str) -> None:
    client = make_reader(read_api_key=READ_KEY)

    assert client.get(path, **sent(how, READ_KEY)).status_code == 200
    assert client.get(path, **sent(how, API_KEY)).status_code == 200
    assert client.get(path, **sent(how, "wrong")).status_code == 401
    assert client.get(path).status_code == 401


def test_every_view_but_a_few_needs_the_reading_key(make_reader: MakeClient) -> None:
    client = make_reader(read_api_key=READ_KEY)
    rules = client.application.url_map.iter_rules()

    statuses = {
        rule.rule: client.get(re.sub("<id:.+?>", "1", rule.rule)).status_code
        for rule in rules
        if "GET" in (rule.methods or ())
    }

    # 303 leads a person to where the key is asked for
    needs_none = {path for path, status in statuses.items() if status not in (401, 303)}
    assert statuses["/"] == 303
    assert needs_none == {
        "/health",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/docs/<name>",
        "/static/<name>",
        "/favicon.ico",
        "/manifest.webmanifest",
        "/sign-in",
        "/sign-in/plex/back",
        "/join/<secret>",
        "/api/me/notifications",  # of a person: a key is refused, too
    } | {
        path
        for path in statuses
        if "<uid:" in path  # no such path
    }


@pytest.mark.parametrize("how", ["header", "bearer"])
def test_changing_takes_the_api_key_alone(make_client: MakeClient, how: str) -> None:
    client = make_client(read_api_key=READ_KEY)

    refused = client.post("/api/sync", **sent(how, READ_KEY))
    accepted = client.post("/api/sync", **sent(how, API_KEY))

    assert (refused.status_code, accepted.status_code) == (403, 200)
    assert refused.json["detail"] == "The READ_API_KEY may only read. Send the API_KEY."


@pytest.mark.parametrize("key", [API_KEY, READ_KEY])
def test_changing_takes_no_key_from_the_address(make_client: MakeClient, key: str) -> None:
    client = make_client(read_api_key=READ_KEY)

    assert client.post("/api/sync", query_string={"apikey": key}).status_code == 401


@pytest.mark.parametrize("key", ["", "wrong", "töken", API_KEY + "x", API_KEY[:-1]])
def test_changing_with_a_wrong_key_is_refused(make_client: MakeClient, key: str) -> None:
    reply = make_client().delete("/api/users/1", headers={"X-API-Key": key})

    assert reply.status_code == 401
    assert "header=X-API-Key" in reply.headers["WWW-Authenticate"]


def test_unknown_path_is_unknown_whatever_the_key(make_reader: MakeClient) -> None:
    client = make_reader(read_api_key=READ_KEY)

    assert client.get("/nothing").status_code == client.post("/nothing").status_code == 404


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("settings", [{"read_api_key": READ_KEY}, {}])
def test_hidden_names_are_shown_to_the_api_key_alone(
    make_reader: MakeClient, path: str, settings: dict[str, str]
) -> None:
    client = make_reader(names="hidden", **settings)

    hidden = client.get(path, **(sent("header", READ_KEY) if settings else {}))
    shown = client.get(path, **sent("header", API_KEY))

    assert (hidden.status_code, shown.status_code) == (200, 200)
    assert "nnabella" not in hidden.text
    assert "enedict" not in hidden.text
    assert ("Person " in hidden.text) == ("nnabella" in shown.text or "enedict" in shown.text)


def test_connection_that_hid_names_shows_them_again(make_reader: MakeClient) -> None:
    client = make_reader(names="hidden", web_threads=1)
    client.get("/api/users")

    assert "Annabella" in client.get("/api/users", **sent("header", API_KEY)).text


def test_key_in_the_address_is_no_unknown_parameter(make_reader: MakeClient) -> None:
    assert make_reader().get("/api/wishlist?apikey=whatever&limit=1").status_code == 200


@pytest.mark.parametrize("settings", [{}, {"read_api_key": READ_KEY}, {"names": "hidden"}])
def test_last_characters_of_a_token_are_shown_to_the_api_key_alone(
    make_reader: MakeClient, settings: dict[str, str]
) -> None:
    client = make_reader(**settings)
    reading = {"X-API-Key": READ_KEY} if "read_api_key" in settings else {}

    for path in ("/api/users/1", "/api/users"):
        shown, hidden = (client.get(path, headers=key).json for key in ({"X-API-Key": API_KEY}, reading))
        masked = [(body["items"][0] if "items" in body else body)["token_masked"] for body in (shown, hidden)]
        assert len(masked[0]) == 8
        assert masked[1] == "****"
