"""/api/invitations: made by an admin, listed without their addresses, withdrawn."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.household import API_KEY, Household
from tests.support.readers import Share, Shared
from tests.support.slow import first_quick
from tests.support.visitors import READ_KEY, visitor
from wishlist_service.queries.invitations import find_own_address

PATH = "/api/invitations"


def make(api: FlaskClient, **body: Any) -> dict[str, Any]:
    """An invitation that was made."""
    reply = api.post(PATH, json=body)
    assert reply.status_code == 201, reply.text
    return reply.json


def days_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - datetime.now(UTC)) / timedelta(days=1)


def test_invitation_has_an_address_of_random_bits_and_the_defaults(api: FlaskClient) -> None:
    one, other = make(api), make(api)

    assert list(one) == ["id", "url", "name", "user_id", "uses_left", "expires_at", "created_at"]
    assert (one["name"], one["user_id"], one["uses_left"]) == (None, None, 1)
    assert 13.99 < days_until(one["expires_at"]) < 14.01
    assert days_until(one["created_at"]) < 0.01
    assert re.fullmatch(r"http://localhost/join/[\w-]{22,}", one["url"])
    assert one["url"] != other["url"]


def test_given_values_are_those_of_the_invitation(api: FlaskClient, household: Household) -> None:
    household.add("Ann")

    crowd = make(api, name="Ben", days=90, uses=50)
    renewal = make(api, user_id=household.user("Ann")["id"], days=1)

    assert (crowd["name"], crowd["uses_left"]) == ("Ben", 50)
    assert 89.99 < days_until(crowd["expires_at"]) < 90.01
    assert (renewal["name"], renewal["user_id"], renewal["uses_left"]) == ("Ann", 1, 1)
    assert 0.99 < days_until(renewal["expires_at"]) < 1.01


def test_address_is_stored_nowhere(api: FlaskClient, household: Household) -> None:
    secret = make(api)["url"].rpartition("/")[2]

    [row] = household.conn.execute("SELECT * FROM invitations").fetchall()
    assert secret not in str(row)
    assert [(item["id"], item["url"]) for item in api.get(PATH).json["items"]] == [(1, None)]


def test_list_has_the_newest_first_and_not_those_that_were_withdrawn(api: FlaskClient) -> None:
    made = [make(api, name=name) for name in ("Ann", "Ben", "Cleo")]

    assert api.delete(f"{PATH}/{made[1]['id']}").status_code == 204

    listed = api.get(PATH).json
    assert listed == {"items": [made[2] | {"url": None}, made[0] | {"url": None}], "total": 2}
    for unknown in (made[1]["id"], 999):
        reply = api.delete(f"{PATH}/{unknown}")
        assert (reply.status_code, reply.json["detail"]) == (404, f"No invitation has id {unknown}.")


@pytest.fixture(scope="module")
def nobody(share: Share) -> Shared:
    """A household of nobody, for what is refused."""
    return share(lambda household: None)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"days": 0}, ["days"]),
        ({"days": 91}, ["days"]),
        ({"uses": 0, "days": "x"}, ["days", "uses"]),
        ({"uses": 51}, ["uses"]),
        ({"name": ""}, ["name"]),
        ({"user_id": 999}, ["user_id"]),
        ({"user_id": "1"}, ["user_id"]),
        ({"user_id": 1, "name": "Ann"}, ["name"]),
        ({"role": "admin"}, ["role"]),
    ],
)
def test_wrong_values_are_named(nobody: Shared, body: dict[str, Any], fields: list[str]) -> None:
    api = nobody.client(with_key=True)

    reply = api.post(PATH, json=body)

    assert (reply.status_code, [error["field"] for error in reply.json["errors"]]) == (422, fields)
    assert api.get(PATH).json["total"] == 0


def test_name_that_a_person_has_and_an_account_that_is_not_known_are_conflicts(
    api: FlaskClient, household: Household
) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET plex_uuid = NULL")

    taken, unknown = api.post(PATH, json={"name": "ann"}), api.post(PATH, json={"user_id": 1})

    assert (taken.status_code, unknown.status_code) == (409, 409)
    assert "has this name" in taken.json["detail"]
    assert "has not yet said which account" in unknown.json["detail"]


@pytest.mark.parametrize(("key", "status"), [("", 401), (READ_KEY, 403)])
def test_only_an_admin_invites_lists_and_withdraws(household: Household, key: str, status: int) -> None:
    with visitor(household, read_api_key=READ_KEY) as client:
        headers = {"X-API-Key": key} if key else {}

        assert client.post(PATH, json={}, headers=headers).status_code == status
        assert client.get(PATH, headers=headers).status_code == status
        assert client.delete(f"{PATH}/1", headers=headers).status_code == status


def test_old_invitations_are_deleted_when_a_new_one_is_made(api: FlaskClient, household: Household) -> None:
    make(api)
    make(api)
    household.conn.execute("UPDATE invitations SET expires_at = now() - interval '31 days' WHERE id = 1")

    make(api)

    assert [item["id"] for item in api.get(PATH).json["items"]] == [3, 2]


def test_address_is_the_one_that_the_browser_of_a_session_names(make_client: MakeClient, household: Household) -> None:
    client = make_client(trusted_proxies=1)  # the proxy passes on another Host
    headers = {"Origin": "https://wishes.example.test", "Sec-Fetch-Site": "same-origin", "Host": "api:8000"}
    client.post("/sign-in", data={"key": API_KEY}, headers=headers)

    made = client.post(PATH, json={}, headers=headers)

    assert made.json["url"].startswith("https://wishes.example.test/join/")
    assert find_own_address(household.conn) == "https://wishes.example.test"


@pytest.mark.parametrize("host", first_quick(1, ["", "bad host", "["]))
def test_address_without_a_host_is_not_given_out(api: FlaskClient, household: Household, host: str) -> None:
    nowhere = api.post(PATH, json={}, headers={"Host": host})
    unknown = find_own_address(household.conn)
    make(api)
    known = api.post(PATH, json={}, headers={"Host": host})

    assert (nowhere.status_code, unknown) == (409, None)
    assert "names no host" in nowhere.json["detail"]
    assert api.get(PATH).json["total"] == 2
    assert known.json["url"].startswith("http://localhost/join/")
    assert find_own_address(household.conn) == "http://localhost"


@pytest.mark.parametrize("host", first_quick(1, ["[::1]:8000", "192.168.1.5:8080", "my_nas"]))
def test_host_may_be_an_ip_address_or_a_name(api: FlaskClient, household: Household, host: str) -> None:
    made = api.post(PATH, json={}, headers={"Host": host})

    assert made.json["url"].startswith(f"http://{host}/join/")
    assert find_own_address(household.conn) == f"http://{host}"
