"""Health tells the truth about the database, in time, and never asks Plex; errors have one shape."""

import time
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from tests.support.fake_plex import FakePlex, row
from tests.support.household import API_KEY, Household, make_config
from wishlist_service import __version__
from wishlist_service.app import close_app, create_app, open_app


@pytest.fixture
def without_database() -> Iterator[FlaskClient]:
    app = create_app(make_config(database_url="postgresql://nobody@127.0.0.1:9/none"))
    open_app(app)
    yield app.test_client()
    close_app(app)


def test_health_is_ok_and_asks_no_plex(client: FlaskClient, household: Household, plex: FakePlex) -> None:
    household.add("Ann", [row("1", "Alpha")])
    before = client.get("/health")
    household.sync()
    plex.asked.clear()

    after = client.get("/health")

    assert (before.status_code, after.status_code) == (200, 200)
    assert before.json == {
        "status": "ok",
        "database": "ok",
        "version": __version__,
        "claimed": True,
        "last_success_at": None,
    }
    assert after.json["last_success_at"] == f"{household.user('Ann')['last_success_at']:%Y-%m-%dT%H:%M:%SZ}"
    assert plex.asked == []


def test_last_success_of_a_paused_person_does_not_count(client: FlaskClient, household: Household) -> None:
    household.add("Ann")
    household.sync()
    household.conn.execute("UPDATE plex_users SET active = false")

    assert client.get("/health").json["last_success_at"] is None


def test_health_fails_when_there_is_no_database(without_database: FlaskClient) -> None:
    reply = without_database.get("/health")

    assert reply.status_code == 503
    unknown = {"claimed": None, "last_success_at": None}
    assert reply.json == {"status": "error", "database": "away", "version": __version__} | unknown


def test_health_fails_when_the_database_keeps_silent(client: FlaskClient, conn: Connection[dict[str, object]]) -> None:
    client.get("/health")
    started = time.monotonic()
    with conn.transaction():
        conn.execute("LOCK TABLE plex_users IN ACCESS EXCLUSIVE MODE")

        silent = client.get("/health")

    assert silent.status_code == 503
    assert time.monotonic() - started >= 2
    assert client.get("/health").status_code == 200


def test_nobody_is_added_without_a_database(without_database: FlaskClient) -> None:
    body = {"name": "Ann", "token": "token-of-ann-0123456789"}

    reply = without_database.post("/api/users", json=body, headers={"X-API-Key": API_KEY})

    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")


def test_read_without_a_database_is_503_with_retry_after(without_database: FlaskClient) -> None:
    reply = without_database.get("/api/wishlist")

    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert reply.content_type == "application/problem+json"


def test_read_survives_that_postgresql_dropped_the_connections(
    client: FlaskClient, conn: Connection[dict[str, object]]
) -> None:
    client.get("/api/wishlist")
    conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plex-wishlist-api'")

    assert client.get("/api/wishlist").status_code == 200


def test_unexpected_error_is_logged_and_told_without_its_text(
    client: FlaskClient, conn: Connection[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    conn.execute("ALTER VIEW wishlist_documents RENAME COLUMN document TO paper")

    reply = client.get("/api/wishlist")

    assert reply.status_code == 500
    assert reply.content_type == "application/problem+json"
    assert "document" not in reply.text
    assert "column item.document does not exist" in caplog.text


def test_database_without_tables_is_503_with_what_to_do(
    client: FlaskClient, conn: Connection[dict[str, object]]
) -> None:
    conn.execute("DROP VIEW plex_user_reports")

    reply = client.get("/api/users")

    assert reply.status_code == 503
    assert reply.json["detail"].endswith("Run: python -m wishlist_service.migrate")


@pytest.mark.parametrize(("method", "path", "expected"), [("GET", "/nothing", 404), ("PUT", "/health", 405)])
def test_unknown_path_or_method_is_a_problem(client: FlaskClient, method: str, path: str, expected: int) -> None:
    reply = client.open(path, method=method)

    assert reply.status_code == expected
    assert reply.content_type == "application/problem+json"
    assert set(reply.json) == {"type", "title", "status", "detail"}
    assert (expected == 405) == ("Allow" in reply.headers)


def test_forged_forwarding_headers_change_nothing_but_what_is_trusted(household: Household) -> None:
    forged = {
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "6.6.6.6",
    }
    app = create_app(make_config(database_url=household.config.database_url, trusted_proxies=1, url_base="/wishes"))
    open_app(app)

    reply = app.test_client().get("/wishes/?search=", headers=forged)
    served = app.test_client().get("/wishes/openapi.json", headers=forged).json["servers"]
    close_app(app)

    assert reply.headers["Location"] == "/wishes/"
    assert served == [{"url": "/wishes"}]


@pytest.mark.parametrize("path", ["/health", "/wishes/health"])
def test_both_paths_answer_with_and_without_the_base(household: Household, path: str) -> None:
    app = create_app(make_config(database_url=household.config.database_url, url_base="/wishes"))
    open_app(app)

    reply = app.test_client().get(path)
    close_app(app)

    assert reply.status_code == 200
