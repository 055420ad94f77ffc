"""People over the API: added, shown, changed, paused, erased; their wishes; and what wrong input is told."""

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import FakePlex, row
from tests.support.household import API_KEY, Household
from tests.support.plex_faults import status
from tests.support.readers import Share, Shared
from tests.support.slow import first_quick

TOKEN = "token-of-ann-0123456789abc"


@pytest.fixture(autouse=True)
def ann_at_plex(plex: FakePlex) -> None:
    plex.add(TOKEN, username="ann.plex", rows=[row("1", "Alpha")])


@pytest.fixture(scope="module")
def nobody(share: Share) -> Shared:
    """A household of nobody, for what is refused."""
    return share(lambda household: None)


def add(api: FlaskClient, name: str = "Ann", token: str = TOKEN) -> Any:
    return api.post("/api/users", json={"name": name, "token": token})


def test_added_person_is_shown_with_everything_but_the_token(api: FlaskClient) -> None:
    reply = add(api)

    assert reply.status_code == 201
    assert api.get(reply.headers["Location"]).json == reply.json
    shown = dict(reply.json)
    assert shown.pop("created_at") == shown.pop("updated_at") == shown.pop("next_attempt_at")
    assert shown == {
        "id": 1,
        "name": "Ann",
        "source": "own",
        "via": None,
        "admin": False,
        "notify_urls_masked": [],
        "token_masked": "****9abc",
        "active": True,
        "plex_username": "ann.plex",
        "sync_state": "never",
        "sync_detail": None,
        "last_attempt_at": None,
        "last_success_at": None,
        "wishlist_size": 0,
    }


def test_token_never_appears_again(api: FlaskClient, household: Household) -> None:
    add(api)

    api.post("/api/sync")
    paths = ("/api/users", "/api/users/1", "/api/sync/status", "/api/sync/runs", "/api/wishlist")
    shown = [api.get(path).text for path in paths] + [add(api, "Ann again").text]
    stored = str(household.conn.execute("SELECT * FROM plex_users").fetchall())

    assert all(TOKEN not in text for text in [*shown, stored])


def test_short_token_is_masked_whole(api: FlaskClient, plex: FakePlex) -> None:
    plex.add("short-token")

    assert add(api, token="short-token").json["token_masked"] == "****"


def test_token_that_plex_refuses_is_not_stored(api: FlaskClient) -> None:
    reply = add(api, token="nobody's-token-0123456789")

    assert reply.status_code == 422
    assert reply.json["errors"] == [{"field": "token", "detail": "Plex does not accept this token. Get a new one."}]
    assert api.get("/api/users").json["total"] == 0


@pytest.mark.slow
def test_token_that_cannot_be_checked_now_is_stored(api: FlaskClient, plex: FakePlex) -> None:
    plex.people[TOKEN].account_faults.extend([status(503)] * 3)

    reply = add(api)

    assert reply.status_code == 201
    assert (reply.json["sync_state"], reply.json["plex_username"]) == ("never", None)
    assert api.post("/api/sync").json["status"] == "succeeded"
    assert api.get("/api/users/1").json["plex_username"] == "ann.plex"


@pytest.mark.parametrize("name", first_quick(2, ["Ann", "ANN", "ann", " Ann "]))
def test_name_that_is_taken_conflicts_whatever_the_case(api: FlaskClient, plex: FakePlex, name: str) -> None:
    add(api)
    plex.add("another-token-0123456789")

    reply = add(api, name, "another-token-0123456789")

    assert reply.status_code == 409
    assert "name" in reply.json["detail"]


def test_token_that_is_there_conflicts_and_names_its_owner(api: FlaskClient) -> None:
    add(api)

    reply = add(api, "Ben")

    assert (reply.status_code, reply.json["detail"]) == (409, "This token already belongs to Ann.")


def test_account_that_is_there_conflicts_and_names_its_owner(api: FlaskClient, plex: FakePlex) -> None:
    add(api)
    plex.people["second-token-of-ann-0123"] = plex.people[TOKEN]

    reply = add(api, "Ben", "second-token-of-ann-0123")

    assert reply.status_code == 409
    assert "ann.plex" in reply.json["detail"]
    assert "Ann" in reply.json["detail"]


def test_people_are_listed_and_filtered(api: FlaskClient, plex: FakePlex) -> None:
    add(api)
    plex.add("token-of-ben-0123456789")
    add(api, "Ben", "token-of-ben-0123456789")
    api.delete("/api/users/1")

    assert [user["name"] for user in api.get("/api/users").json["items"]] == ["Ann", "Ben"]
    assert [user["name"] for user in api.get("/api/users?active=true").json["items"]] == ["Ben"]
    assert api.get("/api/users?active=false").json["total"] == 1
    assert [user["name"] for user in api.get("/api/users?limit=1&offset=1").json["items"]] == ["Ben"]
    assert api.get("/api/users?active=maybe").status_code == 422


def test_renamed_person_keeps_everything_else(api: FlaskClient) -> None:
    before = add(api).json

    reply = api.patch("/api/users/1", json={"name": "Änne"})

    assert reply.status_code == 200
    assert reply.json | {"updated_at": None} == before | {"name": "Änne", "updated_at": None}


def test_new_token_of_the_same_account_is_taken_and_read_anew(api: FlaskClient, household: Household) -> None:
    add(api)
    api.post("/api/sync")
    household.plex.people["new-token-of-ann-01234567"] = household.plex.people.pop(TOKEN)

    reply = api.patch("/api/users/1", json={"token": "new-token-of-ann-01234567"})

    assert (reply.json["token_masked"], reply.json["sync_state"]) == ("****4567", "never")
    assert household.user("Ann")["list_etag"] is None
    assert api.post("/api/sync").json["status"] == "succeeded"
    assert household.titles("Ann") == ["Alpha"]


def test_token_of_another_account_is_refused(api: FlaskClient, plex: FakePlex) -> None:
    add(api)
    plex.add("token-of-ben-0123456789", username="ben.plex")

    reply = api.patch("/api/users/1", json={"token": "token-of-ben-0123456789"})

    assert reply.status_code == 409
    assert "ben.plex" in reply.json["detail"]
    assert "ann.plex" in reply.json["detail"]


def test_change_is_made_whole_or_not_at_all(api: FlaskClient, plex: FakePlex) -> None:
    add(api)
    plex.add("token-of-ben-0123456789")
    add(api, "Ben", "token-of-ben-0123456789")

    reply = api.patch("/api/users/2", json={"name": "Benjamin", "active": False, "token": TOKEN})

    assert reply.status_code == 409
    assert api.get("/api/users/2").json["name"] == "Ben"
    assert api.get("/api/users/2").json["active"] is True


def test_paused_person_keeps_the_wishes_but_they_are_not_shown(api: FlaskClient) -> None:
    add(api)
    api.post("/api/sync")

    assert api.delete("/api/users/1").status_code == 204
    assert api.delete("/api/users/1").status_code == 204

    assert api.get("/api/users/1").json["active"] is False
    assert api.get("/api/wishlist?status=all").json["total"] == 0
    api.patch("/api/users/1", json={"active": True})
    assert api.get("/api/wishlist").json["total"] == 1


def test_erased_person_leaves_nothing_behind(api: FlaskClient, household: Household) -> None:
    add(api)
    household.add("Ben", [row("1", "Alpha"), row("2", "Beta")])
    household.plex.people[TOKEN].rows.append(row("3", "Gamma"))
    api.post("/api/sync")

    assert api.delete("/api/users/1?purge=true").status_code == 204

    assert api.get("/api/users/1").status_code == 404
    assert api.delete("/api/users/1?purge=true").status_code == 404
    titles = household.conn.execute("SELECT title FROM wishlist_items ORDER BY title").fetchall()
    assert [item["title"] for item in titles] == ["Alpha", "Beta"]
    assert household.conn.execute("SELECT DISTINCT user_id FROM wishlist_item_sources").fetchall() == [{"user_id": 2}]


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
    nobody: Shared, body: dict[str, Any], fields: set[str]
) -> None:
    api = nobody.client(with_key=True)

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
def test_body_that_is_no_json_object_is_refused(nobody: Shared, data: str, content_type: str, expected: int) -> None:
    api = nobody.client(with_key=True)

    reply = api.post("/api/users", data=data, content_type=content_type)

    assert reply.status_code == expected
    assert reply.content_type == "application/problem+json"
    assert "browser" not in reply.text


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/users"), ("PATCH", "/api/users/1"), ("DELETE", "/api/users/1"), ("POST", "/api/sync")],
)
@pytest.mark.parametrize("key", [None, "", "wrong", API_KEY + "x", API_KEY[:-1], "schlüssel"])
def test_change_needs_the_key(nobody: Shared, method: str, path: str, key: str | None) -> None:
    client = nobody.client()
    headers = {} if key is None else {"X-API-Key": key}

    reply = client.open(path, method=method, json={"name": "Ann", "token": TOKEN}, headers=headers)

    assert reply.status_code == 401
    assert reply.json["title"] == "Unauthorized"
    assert client.get("/api/users").json["total"] == 0


@pytest.mark.parametrize(
    ("body", "fields"),
    first_quick(
        1,
        [
            ({}, {"body"}),
            ({"name": None}, {"name"}),
            ({"active": "true"}, {"active"}),
            ({"active": 1, "name": 2, "token": 3, "id": 4}, {"active", "name", "token", "id"}),
        ],
    ),
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
def test_unknown_person_is_not_found(nobody: Shared, method: str, path: str) -> None:
    api = nobody.client(with_key=True)

    reply = api.open(path, method=method, json={"active": True})

    assert reply.status_code == 404
    assert reply.content_type == "application/problem+json"


def get(client: FlaskClient, path: str) -> dict[str, Any]:
    reply = client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json


@pytest.mark.parametrize("user_id", [1, 2, 3])
@pytest.mark.parametrize(
    "query",
    ["", "sort=title", "search=a&media_type=movie", "status=removed", "status=all&sort=year&limit=1", "min_wanted=2"],
)
def test_it_is_the_wishlist_filtered_by_person(reader: FlaskClient, user_id: int, query: str) -> None:
    assert get(reader, f"/api/users/{user_id}/wishlist?{query}") == get(reader, f"/api/wishlist?user={user_id}&{query}")


def test_pages_by_cursor_are_the_whole_list(reader: FlaskClient) -> None:
    first = get(reader, "/api/users/1/wishlist?sort=title&limit=2")
    rest = get(reader, f"/api/users/1/wishlist?sort=title&limit=2&after={first['next']}")

    assert [item["title"] for item in first["items"] + rest["items"]] == ["Alpha", "beta 100%", "Gamma_Ray"]
    assert (first["total"], rest["next"]) == (3, None)


def test_who_wants_nothing_has_an_empty_list(reader: FlaskClient) -> None:
    assert get(reader, "/api/users/3/wishlist")["items"] == []


@pytest.mark.parametrize("user_id", ["9", "0", "999999999999999999"])
def test_wishes_of_an_unknown_person_are_not_found(reader: FlaskClient, user_id: str) -> None:
    assert reader.get(f"/api/users/{user_id}/wishlist").status_code == 404


def test_paused_person_is_told_of_rather_than_an_empty_list(api: FlaskClient, filled: Household) -> None:
    first = api.get("/api/users/1/wishlist")
    assert api.delete("/api/users/1").status_code == 204

    paused = api.get("/api/users/1/wishlist", headers={"If-None-Match": first.headers["ETag"]})
    assert paused.status_code == 409
    assert paused.json["detail"] == (
        'Ann is paused: their wishes are kept but not shown. To resume, send {"active": true} with PATCH /api/users/1.'
    )

    assert api.patch("/api/users/1", json={"active": True}).status_code == 200
    assert get(api, "/api/users/1/wishlist")["total"] == 3


@pytest.mark.parametrize("name", ["Ann", "Dora"])
def test_erased_person_is_not_confirmed_to_be_the_same(api: FlaskClient, filled: Household, name: str) -> None:
    filled.add("Dora")  # wants nothing: the wishlist stays as it is without her
    path = f"/api/users/{filled.user(name)['id']}"
    first = api.get(f"{path}/wishlist")

    assert api.delete(f"{path}?purge=true").status_code == 204

    assert api.get(f"{path}/wishlist").status_code == 404
    assert api.get(f"{path}/wishlist", headers={"If-None-Match": first.headers["ETag"]}).status_code == 404


@pytest.mark.parametrize("query", ["user=2", "match=all", "limit=0", "sort=colour", "after=x"])
def test_what_makes_no_sense_is_refused(reader: FlaskClient, query: str) -> None:
    reply = reader.get(f"/api/users/1/wishlist?{query}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [query.partition("=")[0]]


def test_etag_confirms_an_unchanged_list(reader: FlaskClient) -> None:
    first = reader.get("/api/users/1/wishlist")

    assert reader.get("/api/users/1/wishlist", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
