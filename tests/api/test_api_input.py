"""Wrong input to the API about people: every fault is told, nothing is changed."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import FakePlex, row
from tests.support.household import API_KEY

TOKEN = "token-of-ann-0123456789abc"


@pytest.fixture(autouse=True)
def ann_at_plex(plex: FakePlex) -> None:
    plex.add(TOKEN, username="ann.plex", rows=[row("1", "Alpha")])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "token"}),
        ({"name": "", "token": ""}, {"name", "token"}),
        ({"name": "   ", "token": TOKEN}, {"name"}),
        ({"name": "\u200b", "token": TOKEN}, {"name"}),
        ({"name": 1, "token": None}, {"name", "token"}),
        ({"name": "x" * 101, "token": "y" * 2001}, {"name", "token"}),
        ({"name": "a\x00b", "token": TOKEN}, {"name"}),
        ({"name": "a\nb", "token": "a\nb"}, {"name", "token"}),
        ({"name": "\ud800", "token": "töken-0123456789"}, {"name", "token"}),
        ({"name": "Ann", "token": "two words 0123456789"}, {"token"}),
        ({"name": "Ann", "token": TOKEN, "colour": "red", "\ud800": 1}, {"colour", "?"}),
    ],
)
def test_wrong_input_names_every_fault_and_stores_nothing(
    api: FlaskClient, body: dict[str, Any], fields: set[str]
) -> None:
    reply = api.post("/api/users", data=json.dumps(body), content_type="application/json")

    assert reply.status_code == 422
    assert {fault["field"] for fault in reply.json["errors"]} == fields
    assert api.get("/api/users").json["total"] == 0


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        ("{", "application/json", 400),
        ("[]", "application/json", 400),
        ('"text"', "application/json", 400),
        ("", "application/json", 400),
        ("name=Ann", "application/x-www-form-urlencoded", 415),
        ('{"name": "' + "x" * 70_000 + '"}', "application/json", 413),
        ("[" * 30_000, "application/json", 400),
    ],
)
def test_body_that_is_no_json_object_is_refused(api: FlaskClient, data: str, content_type: str, expected: int) -> None:
    reply = api.post("/api/users", data=data, content_type=content_type)

    assert reply.status_code == expected
    assert reply.content_type == "application/problem+json"
    assert "browser" not in reply.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/users"), ("PATCH", "/api/users/1"), ("DELETE", "/api/users/1"), ("POST", "/api/sync")],
)
@pytest.mark.parametrize("key", [None, "", "wrong", API_KEY + "x", API_KEY[:-1], "schlüssel"])
def test_change_needs_the_key(client: FlaskClient, method: str, path: str, key: str | None) -> None:
    headers = {} if key is None else {"X-API-Key": key}

    reply = client.open(path, method=method, json={"name": "Ann", "token": TOKEN}, headers=headers)

    assert reply.status_code == 401
    assert reply.json["title"] == "Unauthorized"
    assert client.get("/api/users").json["total"] == 0


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"body"}),
        ({"name": None}, {"name"}),
        ({"active": "true"}, {"active"}),
        ({"active": 1, "name": 2, "token": 3, "id": 4}, {"active", "name", "token", "id"}),
    ],
)
def test_wrong_change_names_every_fault_and_changes_nothing(
    api: FlaskClient, body: dict[str, Any], fields: set[str]
) -> None:
    before = api.post("/api/users", json={"name": "Ann", "token": TOKEN}).json

    reply = api.patch("/api/users/1", json=body)

    assert reply.status_code == 422
    assert {fault["field"] for fault in reply.json["errors"]} == fields
    assert api.get("/api/users/1").json == before


@pytest.mark.parametrize("path", ["/api/users/999", "/api/users/99999999999999999999", "/api/users/-1", "/api/users/x"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_unknown_person_is_not_found(api: FlaskClient, method: str, path: str) -> None:
    reply = api.open(path, method=method, json={"active": True})

    assert reply.status_code == 404
    assert reply.content_type == "application/problem+json"
