"""One person's wishes: the list as the filter by person shows it, and no empty list for who is paused or unknown."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.household import Household


def get(client: FlaskClient, path: str) -> dict[str, Any]:
    reply = client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json


@pytest.mark.parametrize("user_id", [1, 2, 3])
@pytest.mark.parametrize(
    "query",
    ["", "sort=title", "search=a&media_type=movie", "status=removed", "status=all&sort=year&limit=1", "min_wanted=2"],
)
def test_it_is_the_wishlist_filtered_by_person(
    client: FlaskClient, filled: Household, user_id: int, query: str
) -> None:
    assert get(client, f"/api/users/{user_id}/wishlist?{query}") == get(client, f"/api/wishlist?user={user_id}&{query}")


def test_pages_by_cursor_are_the_whole_list(client: FlaskClient, filled: Household) -> None:
    first = get(client, "/api/users/1/wishlist?sort=title&limit=2")
    rest = get(client, f"/api/users/1/wishlist?sort=title&limit=2&after={first['next']}")

    assert [item["title"] for item in first["items"] + rest["items"]] == ["Alpha", "beta 100%", "Gamma_Ray"]
    assert (first["total"], rest["next"]) == (3, None)


def test_who_wants_nothing_has_an_empty_list(client: FlaskClient, filled: Household) -> None:
    assert get(client, "/api/users/3/wishlist")["items"] == []


@pytest.mark.parametrize("user_id", ["9", "0", "999999999999999999"])
def test_unknown_person_is_not_found(client: FlaskClient, filled: Household, user_id: str) -> None:
    assert client.get(f"/api/users/{user_id}/wishlist").status_code == 404


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
def test_what_makes_no_sense_is_refused(client: FlaskClient, filled: Household, query: str) -> None:
    reply = client.get(f"/api/users/1/wishlist?{query}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [query.partition("=")[0]]


def test_etag_confirms_an_unchanged_list(client: FlaskClient, filled: Household) -> None:
    first = client.get("/api/users/1/wishlist")

    assert client.get("/api/users/1/wishlist", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
