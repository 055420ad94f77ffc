"""Replies sent again before Flask has looked: the very same, only to who may read without a key, and counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.household import API_KEY, Household
from wishlist_service.app import close_app, create_app, open_app, parts_of

LIST = "/api/wishlist?limit=2"
PATHS = [
    LIST,
    f"/api/wishlist/{1:024x}",
    "/api/wishlist/plex%3A%2F%2Fmovie%2F000000000000000000000001",
    "/feeds/watchlist.xml",
]


@contextmanager
def patient(household: Household, **settings: Any) -> Iterator[FlaskClient]:
    """The API, to which a look at the database does for an hour."""
    app = create_app(replace(household.config, **settings))
    open_app(app)
    parts_of(app).replies.shared_seconds = 3600
    try:
        yield app.test_client()
    finally:
        close_app(app)


def take_views_away(client: FlaskClient) -> None:
    """From now on Flask answers everything with 500."""
    client.application.view_functions.clear()


def get_twice(client: FlaskClient, path: str) -> TestResponse:
    """From then on it is kept with its headers."""
    assert client.get(path).status_code == 200
    return client.get(path)


def whole(reply: TestResponse) -> tuple[Any, ...]:
    return reply.status, list(reply.headers), reply.data


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("base", ["", "/plex-wishlist"])
def test_the_same_reply_is_sent_again(filled: Household, path: str, base: str) -> None:
    with patient(filled, url_base=base) as client:
        first = get_twice(client, base + path)
        take_views_away(client)

        assert first.status_code == 200
        assert whole(client.get(base + path)) == whole(first)
        assert whole(client.get(base + path, headers={"X-API-Key": "whatever"})) == whole(first)


def test_other_questions_go_to_the_application(filled: Household) -> None:
    with patient(filled) as client:
        first, page = get_twice(client, LIST), get_twice(client, "/")
        assert (first.status_code, page.status_code) == (200, 200)
        confirmed = client.get(LIST, headers={"If-None-Match": first.headers["ETag"]})
        take_views_away(client)

        assert confirmed.status_code == 304
        assert client.get(LIST).status_code == 200
        for path in ("/", "/health", f"{LIST}&offset=1", "/api/wishlist", "/api/wishlist/stats/summary"):
            assert client.get(path).status_code == 500, path
        assert client.get(LIST, headers={"Host": "elsewhere.example"}).status_code == 500
        assert client.get(LIST, headers={"If-None-Match": '"something"'}).status_code == 500
        assert client.head(LIST).status_code == 500
        assert client.post(LIST).status_code == 405


@pytest.mark.parametrize("settings", [{"read_api_key": "test-read-key-0123456789"}, {"names": "hidden"}])
def test_where_a_key_matters_the_application_decides(filled: Household, settings: dict[str, Any]) -> None:
    with patient(filled, **settings) as client:
        for _ in range(3):
            shown = client.get(LIST, headers={"X-API-Key": API_KEY})
        stranger = client.get(LIST)

    assert '"name":"Ann"' in shown.text
    assert "Ann" not in stranger.text
    assert stranger.status_code == (401 if "read_api_key" in settings else 200)


def test_refusals_are_not_kept(filled: Household) -> None:
    with patient(filled) as client:
        for _ in range(3):
            assert client.get("/api/wishlist?limit=x").status_code == 422
            assert client.get("/api/wishlist/000000000000000000000099").status_code == 404
        take_views_away(client)

        assert client.get("/api/wishlist?limit=x").status_code == 500
        assert client.get("/api/wishlist/000000000000000000000099").status_code == 500


def test_what_is_sent_again_is_counted(filled: Household) -> None:
    with patient(filled) as client:

        def counted() -> float:
            line = 'wishlist_http_requests_total{method="GET",route="/api/wishlist",status="200"} '
            lines = client.get("/metrics").text.splitlines()
            return sum(float(each.removeprefix(line)) for each in lines if each.startswith(line))

        before = counted()
        for _ in range(5):
            assert client.get(LIST).status_code == 200

        assert counted() == before + 5
