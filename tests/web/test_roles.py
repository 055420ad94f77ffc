"""Roles: what admins, members and readers may do, with a key or with a browser's session."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.front_door import OURS, sign_in_with_plex
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce
from tests.support.settings import config, faults
from tests.support.slow import slow
from wishlist_service.web.auth import reading_is_open

READ_KEY = "test-read-key-0123456789"
ITEM = "/api/wishlist/" + "0" * 23 + "1"
CHANGES: list[tuple[str, str, Any]] = [
    ("PATCH", "/api/users/2", {"name": "Bea"}),
    ("PATCH", "/api/users/2", {"admin": True}),
    ("PATCH", ITEM, {"dismissed": True}),
    ("POST", "/api/users/link", {"name": "Dora"}),
    ("DELETE", "/api/users/2", None),
    ("POST", "/api/sync", None),
]


def add_two(household: Household) -> None:
    """Ann is an admin, Ben is not; both want Alpha."""
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET admin = name = 'Ann'")
    household.sync()


@pytest.fixture(scope="module")
def two_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_two)


@pytest.fixture
def pins(household: Household, two_template: str) -> Pins:
    return Pins(household.plex)


def with_key(key: str) -> dict[str, Any]:
    return {"headers": {"X-API-Key": key}}


def test_people_show_whether_they_are_admins_and_a_change_is_shown(api: FlaskClient, pins: Pins) -> None:
    assert [user["admin"] for user in api.get("/api/users").json["items"]] == [True, False]

    given = api.patch("/api/users/2", json={"admin": True})
    taken = api.patch("/api/users/1", json={"admin": False})

    assert (given.json["admin"], taken.json["admin"]) == (True, False)
    assert [user["admin"] for user in api.get("/api/users").json["items"]] == [False, True]
    assert (given.json["name"], given.json["active"]) == ("Ben", True)


@pytest.mark.parametrize("value", ["yes", 1, None, []])
def test_admin_is_true_or_false(api: FlaskClient, pins: Pins, value: Any) -> None:
    reply = api.patch("/api/users/2", json={"admin": value})

    assert reply.status_code == 422
    assert [error["field"] for error in reply.json["errors"]] == ["admin"]


def test_api_says_who_asks(make_client: MakeClient, pins: Pins) -> None:
    client = make_client()

    anybody = client.get("/api/me")
    key = client.get("/api/me", **with_key(API_KEY))
    sign_in_with_plex(client, pins, "ben")
    member, ben = client.get("/api/me"), client.get("/api/users/2").json
    sign_in_with_plex(client, pins, "ann")
    admin = client.get("/api/me")

    assert anybody.json == {"role": "reader", "user": None}
    assert key.json == {"role": "admin", "user": None}
    assert member.json == {"role": "member", "user": ben}
    assert ben["token_masked"] == "****"
    assert admin.json == {"role": "admin", "user": client.get("/api/users/1").json}


def test_api_says_who_asks_also_while_reading_is_closed(make_client: MakeClient, pins: Pins) -> None:
    client = make_client(read_api_key=READ_KEY)

    assert client.get("/api/me").status_code == 401
    assert client.get("/api/me", **with_key(READ_KEY)).json == {"role": "reader", "user": None}
    client.post("/sign-in", data={"key": READ_KEY}, headers=OURS)
    assert client.get("/api/me").json == {"role": "reader", "user": None}
    sign_in_with_plex(client, pins, "ben")
    assert client.get("/api/me").json["role"] == "member"


@pytest.mark.parametrize("settings", [{"read_api_key": READ_KEY}, {"reading": "closed"}])
def test_closed_reading_needs_a_key_or_a_session(make_client: MakeClient, pins: Pins, settings: dict[str, str]) -> None:
    client = make_client(**settings)
    paths = ("/api/wishlist", "/api/users", "/feeds/radarr.json", "/metrics")
    assert [client.get(path).status_code for path in paths] == [401] * 4
    assert (client.get("/").status_code, client.get("/people").status_code) == (303, 303)
    assert (client.get("/health").status_code, client.get("/sign-in").status_code) == (200, 200)
    assert [client.get(path, **with_key(API_KEY)).status_code for path in paths] == [200] * 4

    sign_in_with_plex(client, pins, "ben")

    assert [client.get(path).status_code for path in (*paths, "/", "/people")] == [200] * 6


def test_reading_cannot_be_open_beside_a_reading_key() -> None:
    [fault] = faults(READING="open", READ_API_KEY=READ_KEY)

    assert fault == "READING=open cannot be used with a READ_API_KEY, which closes reading. Remove one of them"
    assert not reading_is_open(config(READING="closed"))
    assert reading_is_open(config(READING="open"))
    assert reading_is_open(config())
    assert not reading_is_open(config(READ_API_KEY=READ_KEY))
    assert faults(READING="shut") == ["READING must be one of open, closed, not 'shut'"]


def test_member_sees_all_names_even_with_hidden_names(make_client: MakeClient, pins: Pins) -> None:
    client = make_client(names="hidden")
    assert "Ann" not in client.get("/api/users").text
    assert "Ann" not in client.get("/").text

    sign_in_with_plex(client, pins, "ben")

    for path in ("/api/users", ITEM, "/", "/people"):
        assert "Ann" in client.get(path).text


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_member_changes_nothing_of_others(client: FlaskClient, pins: Pins, method: str, path: str, body: Any) -> None:
    sign_in_with_plex(client, pins, "ben")

    reply = client.open(path, method=method, json=body, headers=OURS)

    assert (reply.status_code, reply.json["detail"]) == (403, "Only an admin may do this.")


def test_member_sees_no_contacts_of_others_and_no_sign_in_links(client: FlaskClient, pins: Pins) -> None:
    client.post("/api/users/link", json={"name": "Dora"}, **with_key(API_KEY))
    sign_in_with_plex(client, pins, "ben")

    for path in ("/api/users/1/contacts", "/api/users/link/1", "/people/1/contacts"):
        assert client.get(path).status_code == 403
    assert client.post("/people/1", data={"name": "X"}, headers=OURS).status_code == 403
    assert "Ben at Plex" not in client.get("/people").text
    assert "Make an admin" not in client.get("/people").text


@pytest.mark.parametrize("headers", [OURS, *slow({"Sec-Fetch-Site": "same-origin"})], ids=["origin", "sec-fetch-site"])
@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_session_of_an_admin_does_what_the_key_does(
    client: FlaskClient, pins: Pins, method: str, path: str, body: Any, headers: dict[str, str]
) -> None:
    sign_in_with_plex(client, pins, "ann")

    reply = client.open(path, method=method, json=body, headers=headers)

    assert reply.status_code in (200, 201, 202, 204), reply.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-site"},
        {"Referer": "http://localhost/"},
        *(
            {"Origin": origin}
            for origin in ("http://[", "http://[::1", "https://]x[", "http://[zz]", "http://a@localhost")
        ),
        {"Origin": "http://[", "Host": "["},
    ],
)
@pytest.mark.parametrize("who", [API_KEY, *slow("ann", "ben")])
def test_change_by_session_must_come_from_a_page_of_ours(
    client: FlaskClient, pins: Pins, who: str, headers: dict[str, str]
) -> None:
    if who == API_KEY:
        client.post("/sign-in", data={"key": API_KEY}, headers=OURS)
    else:
        sign_in_with_plex(client, pins, who)

    reply = client.patch("/api/users/2", json={"name": "Bea"}, headers=headers)

    assert (reply.status_code, reply.mimetype) == (403, "application/problem+json")
    assert "not sent from a page of this service" in reply.json["detail"]
    assert client.get("/api/users/2").json["name"] == "Ben"
    # a key needs neither
    assert client.patch("/api/users/2", json={"name": "Bea"}, headers={"X-API-Key": API_KEY}).status_code == 200


def test_key_wins_over_the_session(make_client: MakeClient, pins: Pins) -> None:
    client = make_client(read_api_key=READ_KEY)
    sign_in_with_plex(client, pins, "ann")

    assert client.get("/api/me", **with_key(READ_KEY)).json == {"role": "reader", "user": None}
    assert client.get("/api/me", **with_key("a-wrong-key")).status_code == 401
    assert client.patch("/api/users/2", json={"name": "Bea"}, headers=OURS | {"X-API-Key": READ_KEY}).status_code == 403
    sign_in_with_plex(client, pins, "ben")
    assert client.get("/api/me", **with_key(API_KEY)).json == {"role": "admin", "user": None}


def test_reply_for_a_session_is_not_kept_for_others(make_client: MakeClient, pins: Pins) -> None:
    client, other = make_client(names="hidden"), make_client(names="hidden")
    sign_in_with_plex(client, pins, "ben")

    for path in ("/api/wishlist", ITEM, "/api/users", "/feeds/watchlist.xml", "/"):
        ours = client.get(path)
        assert "Cookie" in ours.headers["Vary"]
        assert "private" in ours.headers["Cache-Control"]
        client.set_cookie("wishlist_session", "x" * 43)  # as somebody else, of the same process
        theirs = client.get(path, headers={"If-None-Match": ours.headers.get("ETag", "")})
        assert (theirs.status_code, "Annabel" in theirs.text) == (200, False)
        sign_in_with_plex(client, pins, "ben")
    assert "Person 1" in other.get("/api/users").text


@pytest.mark.parametrize("path", ["/sign-in", *slow("/sign-in/plex", "/who", "/sign-out")])
@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "https://]x[", "http://[zz]", "http://", "\x00"])
def test_origin_that_is_no_address_is_not_ours(client: FlaskClient, pins: Pins, path: str, origin: str) -> None:
    for host in ("localhost", "[", ""):
        reply = client.post(path, headers={"Origin": origin, "Host": host})

        assert reply.status_code == 403
    assert pins.made == {}
