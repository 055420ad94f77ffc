"""Signing in by link with several processes, after a restart, with a database in trouble, and with the wrong keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection, connect

from tests.support.fake_pins import Pins
from tests.support.fake_plex import FakePlex
from tests.support.household import API_KEY, Household, context
from tests.support.processes import gunicorn, kill_all, request, settings_for, wait_until
from tests.support.sign_ins import DORA, start, wait_for_end
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.config import Config
from wishlist_service.errors import Conflict
from wishlist_service.people import sign_ins
from wishlist_service.queries import sign_ins as link_queries
from wishlist_service.tokens import CLIENT_IDENTIFIER, TokenCipher


@pytest.fixture(autouse=True)
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread of this process asks Plex; the tests say who asks when."""
    monkeypatch.setattr(sign_ins, "LOOK_SECONDS", 3600)


@pytest.fixture
def pins(plex: FakePlex) -> Pins:
    """The PINs of the simulated Plex, where Dora has an account."""
    plex.add(DORA, username="dora")
    return Pins(plex)


@contextmanager
def another_app(config: Config) -> Iterator[FlaskClient]:
    """A second process' application, with the key sent along."""
    app = create_app(config)
    open_app(app)
    client = app.test_client()
    client.environ_base["HTTP_X_API_KEY"] = API_KEY
    try:
        yield client
    finally:
        close_app(app)


@pytest.mark.slow
def test_two_processes_do_not_ask_twice_as_often(
    api: FlaskClient, pins: Pins, config: Config, conn: Connection[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = start(api, name="Dora")
    with another_app(config) as other:
        monkeypatch.setattr(sign_ins, "POLL_SECONDS", 3600)
        conn.execute("UPDATE plex_links SET polled_at = now() - interval '2 hours'")
        answers = [context(client).links._ask_about_one() for client in (api, other, api)]

    assert answers == [True, True, True]
    assert pins.asked[link["code"]] == 1


def test_sign_in_that_another_process_has_in_hand_is_left_to_it(
    api: FlaskClient, pins: Pins, conn: Connection[dict[str, Any]], config: Config
) -> None:
    start(api, name="Dora")

    with connect(config.database_url) as first, first.transaction():
        held = link_queries.claim_link(first, pause=timedelta(0))
        assert link_queries.claim_link(conn, pause=timedelta(0)) is None

    assert held is not None
    assert held.name == "Dora"


def test_answer_that_comes_twice_adds_one_person(api: FlaskClient, pins: Pins, household: Household) -> None:
    link = start(api, name="Dora")
    pins.agree(link["code"], DORA)
    claimed = link_queries.claim_link(household.conn, pause=timedelta(0))
    assert claimed is not None
    ours = context(api).links

    ours._store(claimed, DORA)
    household.plex.people["a-second-token-of-dora"] = household.plex.people[DORA]
    for token in (DORA, "a-second-token-of-dora"):
        with pytest.raises(Conflict):
            ours._store(claimed, token)
    ours._end(claimed, "failed", "This came too late.")

    assert api.get(link["path"]).json["status"] == "linked"
    assert api.get("/api/users").json["total"] == 1


def test_ended_sign_ins_are_forgotten_after_a_day(
    api: FlaskClient, pins: Pins, conn: Connection[dict[str, Any]]
) -> None:
    old, young = start(api, name="Dora"), start(api, name="Eli")
    conn.execute("UPDATE plex_links SET expires_at = now() - interval '25 hours' WHERE id = %s", [old["id"]])
    conn.execute("UPDATE plex_links SET expires_at = now() - interval '23 hours' WHERE id = %s", [young["id"]])
    start(api, name="Fay")

    assert api.get(old["path"]).status_code == 404
    assert api.get(young["path"]).json["status"] == "expired"


def test_sign_in_is_shown_to_the_api_key_alone(config: Config, api: FlaskClient, pins: Pins) -> None:
    path = start(api, name="Dora")["path"]
    with another_app(replace(config, read_api_key="a-key-that-may-only-read")) as client:
        client.environ_base.pop("HTTP_X_API_KEY")

        replies = [
            client.get(path),
            client.get(path, headers={"X-API-Key": "a-key-that-may-only-read"}),
            client.get(f"{path}?apikey={API_KEY}"),
            client.get(path, headers={"X-API-Key": API_KEY}),
        ]

    assert [reply.status_code for reply in replies] == [401, 403, 401, 200]


@pytest.mark.slow
def test_sign_in_outlives_the_service_and_its_token_is_nowhere_in_the_clear(household: Household, pins: Pins) -> None:
    env = settings_for(household, LOG_LEVEL="DEBUG")
    key = {"X-API-Key": API_KEY}

    with gunicorn(env) as (killed, address):
        started = request("POST", f"{address}/api/users/link", headers=key, body={"name": "Dora"})
        kill_all(killed.process.pid)
    pin = pins.made[started.json["code"]]
    pins.agree(pin.code, DORA)
    with gunicorn(env) as (second, address):
        second.wait_for("status=linked")  # nobody had to ask
        ended = request("GET", f"{address}{started.headers['Location']}", headers=key)
        second.end()

    assert (ended.json["status"], ended.json["user"]["name"]) == ("linked", "Dora")
    rows = household.conn.execute(
        "SELECT plex_links::text AS link, plex_users::text AS person FROM plex_links, plex_users"
    )
    stored = str(rows.fetchall())
    assert "dora" in stored
    assert DORA not in stored + killed.output + second.output + started.text + ended.text
    assert pin.client_identifier not in stored + killed.output + second.output + ended.text


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service asks Plex by itself, many times a second."""
    for name in ("POLL_SECONDS", "LOOK_SECONDS", "LONGEST_LOOK_SECONDS"):
        monkeypatch.setattr(sign_ins, name, 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("broken", "told", "mended"),
    [
        ("ALTER TABLE plex_links RENAME TO away", "wait for the database", "ALTER TABLE away RENAME TO plex_links"),
        (
            "ALTER TABLE plex_users ADD CONSTRAINT nobody CHECK (name = '') NOT VALID",
            "unexpected error while waiting",
            "ALTER TABLE plex_users DROP CONSTRAINT nobody",
        ),
    ],
    ids=["no table", "refused row"],
)
def test_trouble_with_the_database_is_waited_out(
    api: FlaskClient,
    pins: Pins,
    conn: Connection[dict[str, Any]],
    caplog: pytest.LogCaptureFixture,
    broken: str,
    told: str,
    mended: str,
) -> None:
    link = start(api, name="Dora")
    conn.execute(broken)
    pins.agree(link["code"], DORA)
    wait_until(lambda: told in caplog.text)

    conn.execute(mended)

    assert wait_for_end(api, link).json["status"] == "linked"
    assert DORA not in caplog.text


@pytest.mark.usefixtures("quick")
def test_sign_in_of_another_encryption_key_is_given_up(
    api: FlaskClient, pins: Pins, conn: Connection[dict[str, Any]]
) -> None:
    link = start(api, name="Dora")
    cipher = TokenCipher(["another-passphrase-0123456789"])
    other = cipher.encrypt("a-client", owner=link["id"], column=CLIENT_IDENTIFIER)
    conn.execute("UPDATE plex_links SET client_identifier = %s", [other])

    at_once = api.get(link["path"])
    wait_until(lambda: conn.execute("SELECT FROM plex_links WHERE status = 'failed'").rowcount)
    later = api.get(link["path"])

    assert "TOKEN_ENCRYPTION_KEY" in later.json["detail"]
    assert (at_once.status_code, at_once.json) == (later.status_code, later.json)
