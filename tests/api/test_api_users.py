"""People over the API: added, shown, changed, paused, erased."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household
from tests.support.plex_faults import status

TOKEN = "token-of-ann-0123456789abc"


@pytest.fixture(autouse=True)
def ann_at_plex(plex: FakePlex) -> None:
    plex.add(TOKEN, username="ann.plex", rows=[row("1", "Alpha")])


def add(api: FlaskClient, name: str = "Ann", token: str = TOKEN) -> Any:
    return api.post("/api/users", json={"name": name, "token": token})


def test_added_person_is_shown_with_everything_but_the_token(api: FlaskClient) -> None:
    reply = add(api)

    assert reply.status_code == 201
    assert api.get(reply.headers["Location"]).json == reply.json
    shown = dict(reply.json)
    assert shown.pop("created_at") == shown.pop("updated_at")
    assert shown == {
        "id": 1,
        "name": "Ann",
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
    assert reply.json["errors"] == [{"field": "token", "detail": "Plex does not accept this token."}]
    assert api.get("/api/users").json["total"] == 0


def test_token_that_cannot_be_checked_now_is_stored(api: FlaskClient, plex: FakePlex) -> None:
    plex.people[TOKEN].account_faults.extend([status(503)] * 3)

    reply = add(api)

    assert reply.status_code == 201
    assert (reply.json["sync_state"], reply.json["plex_username"]) == ("never", None)
    assert api.post("/api/sync").json["status"] == "succeeded"
    assert api.get("/api/users/1").json["plex_username"] == "ann.plex"


@pytest.mark.parametrize("name", ["Ann", "ANN", "ann", " Ann "])
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
