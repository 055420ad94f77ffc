"""Titles that the household has dismissed: out of the list until undone, whatever the watchlists say."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.slow import first_quick

ALPHA = f"/api/wishlist/{1:024x}"


def dismiss(api: FlaskClient, path: str = ALPHA, *, dismissed: Any = True) -> Any:
    return api.patch(path, json={"dismissed": dismissed})


def titles(api: FlaskClient, **query: str) -> list[str]:
    return [item["title"] for item in api.get("/api/wishlist", query_string=query | {"sort": "title"}).json["items"]]


def test_dismissed_title_leaves_list_and_numbers_until_undone(api: FlaskClient, filled: Household) -> None:
    before = api.get("/api/wishlist/stats/summary").json

    dismissed = dismiss(api)

    assert dismissed.status_code == 200
    assert dismissed.json == api.get(ALPHA).json
    assert dismissed.json["dismissed_at"] is not None
    assert dismissed.json["wanted_count"] == 2
    assert "Alpha" not in titles(api) + titles(api, status="all") + titles(api, status="removed")
    assert titles(api, status="dismissed") == ["Alpha"]
    assert api.get("/api/wishlist/stats/summary").json["total_items"] == before["total_items"] - 1
    assert dismiss(api, dismissed=False).json["dismissed_at"] is None
    assert "Alpha" in titles(api)
    assert api.get("/api/wishlist/stats/summary").json == before


def test_dismissing_twice_keeps_the_first_moment_and_changes_nothing(
    api: FlaskClient, filled: Household, conn: Connection[dict[str, Any]]
) -> None:
    dismiss(api)
    conn.execute("UPDATE wishlist_items SET dismissed_at = '2026-01-01 00:00+00' WHERE dismissed_at IS NOT NULL")
    etag = api.get(ALPHA).headers["ETag"]

    again = dismiss(api)

    assert again.json["dismissed_at"] == "2026-01-01T00:00:00Z"
    assert api.get(ALPHA, headers={"If-None-Match": etag}).status_code == 304


def test_title_stays_dismissed_when_it_leaves_the_lists_and_comes_back(api: FlaskClient, filled: Household) -> None:
    ann, ben = (filled.plex.people[f"token-of-{name}-0123456789"] for name in ("ann", "ben"))
    dismiss(api)
    ann.rows, ben.rows = ann.rows[1:], ben.rows[:1]
    filled.sync()
    assert api.get(ALPHA).json["wanted_count"] == 0

    ann.rows = [row("1", "Alpha", year=1999), *ann.rows]
    filled.sync()

    assert api.get(ALPHA).json["wanted_count"] == 1
    assert titles(api, status="dismissed") == ["Alpha"]
    assert "Alpha" not in titles(api, status="all")


def test_dismissing_writes_no_event(api: FlaskClient, filled: Household, conn: Connection[dict[str, Any]]) -> None:
    before = conn.execute("SELECT FROM wishlist_events").rowcount

    dismiss(api)

    assert conn.execute("SELECT FROM wishlist_events").rowcount == before


def test_title_nobody_ever_wished_for_is_not_found(
    api: FlaskClient, filled: Household, conn: Connection[dict[str, Any]]
) -> None:
    conn.execute("UPDATE plex_users SET active = false")

    assert dismiss(api).status_code == 404
    assert dismiss(api, f"/api/wishlist/{999:024x}").status_code == 404
    assert conn.execute("SELECT FROM wishlist_items WHERE dismissed_at IS NOT NULL").rowcount == 0


@pytest.mark.parametrize(
    "body", first_quick(1, [{}, {"dismissed": None}, {"dismissed": "true"}, {"dismissed": True, "title": "x"}])
)
def test_body_that_says_something_else_is_refused(api: FlaskClient, filled: Household, body: dict[str, Any]) -> None:
    assert api.patch(ALPHA, json=body).status_code == 422
    assert "Alpha" in titles(api)


@pytest.mark.parametrize("spelling", first_quick(1, ["plex://movie/", "plex%3A%2F%2Fmovie%2F", "movie/", ""]))
def test_every_spelling_of_the_uid_is_understood(api: FlaskClient, filled: Household, spelling: str) -> None:
    assert dismiss(api, f"/api/wishlist/{spelling}{1:024x}").json["dismissed_at"] is not None
