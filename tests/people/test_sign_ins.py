"""Signing in by link: the whole way over HTTP, with the service asking Plex by itself."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from psycopg import Connection

from tests.support.fake_pins import Pins
from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household, context
from tests.support.plex_faults import reset, status
from tests.support.processes import wait_until
from tests.support.sign_ins import DORA, start, wait_for_end
from tests.support.slow import slow
from wishlist_service.people import sign_ins

FILMS = [row("1", "Alpha"), row("2", "Beta")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plex is asked many times a second, so that nobody has to wait."""
    monkeypatch.setattr(sign_ins, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(sign_ins, "LOOK_SECONDS", 0.01)


@pytest.fixture
def pins(plex: FakePlex) -> Pins:
    """The PINs of the simulated Plex, where Dora has an account."""
    plex.add(DORA, username="dora", rows=[row("d", "Dora's film")])
    return Pins(plex)


def test_person_who_agrees_is_added_and_read_by_the_next_sync(
    api: FlaskClient, pins: Pins, household: Household
) -> None:
    link = start(api, name="Dora")
    pins.agree(link["code"], DORA)

    ended = wait_for_end(api, link).json

    assert (link["status"], link["name"], link["user"]) == ("pending", "Dora", None)
    assert (ended["status"], ended["url"], ended["code"]) == ("linked", None, None)
    assert ended["user"] == api.get("/api/users/1").json
    assert (ended["user"]["name"], ended["user"]["plex_username"]) == ("Dora", "dora")
    household.sync()
    assert household.titles("Dora") == ["Dora's film"]


def test_address_is_the_one_that_plex_documents_and_each_has_a_client_of_its_own(api: FlaskClient, pins: Pins) -> None:
    first, second = start(api, name="Dora"), start(api, name="Eli")

    made = [pins.made[link["code"]] for link in (first, second)]
    assert [link["url"] for link in (first, second)] == [
        f"https://app.plex.tv/auth#?clientID={pin.client_identifier}&code={pin.code}"
        "&context%5Bdevice%5D%5Bproduct%5D=Plex%20Wishlist%20Service"
        for pin in made
    ]
    assert len(first["code"]) == 25
    assert made[0].client_identifier != made[1].client_identifier


def test_pending_sign_in_is_shown_with_its_address(api: FlaskClient, pins: Pins) -> None:
    link = start(api, name="Dora")
    wait_until(lambda: pins.asked[link["code"]] > 2)

    assert api.get(link["path"]).json | {"path": link["path"]} == link


def test_sign_in_that_plex_no_longer_knows_has_expired(api: FlaskClient, pins: Pins) -> None:
    link = start(api, name="Dora")
    pins.expire(link["code"])

    ended = wait_for_end(api, link).json

    assert (ended["status"], ended["user"], ended["url"]) == ("expired", None, None)
    assert api.get("/api/users").json["total"] == 0


def test_sign_in_that_expired_by_the_clock_is_asked_about_no_more(
    api: FlaskClient, pins: Pins, conn: Connection[dict[str, Any]]
) -> None:
    link = start(api, name="Dora")
    conn.execute("UPDATE plex_links SET expires_at = now()")
    wait_until(lambda: not context(api).links._watching)
    pins.agree(link["code"], DORA)

    assert wait_for_end(api, link).json["status"] == "expired"
    assert not context(api).links._watching
    assert api.get("/api/users").json["total"] == 0


def test_renewed_token_keeps_every_wish_and_clears_the_refusal(
    api: FlaskClient, pins: Pins, household: Household
) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    household.plex.people.pop("token-of-ann-0123456789")
    household.sync()
    assert api.get("/api/users/1").json["sync_state"] == "token_rejected"
    household.plex.people["new-token-of-ann-01234567"] = ann
    link = start(api, "/api/users/1/link")
    pins.agree(link["code"], "new-token-of-ann-01234567")

    user = wait_for_end(api, link).json["user"]

    assert (link["name"], user["id"], user["sync_state"], user["sync_detail"]) == ("Ann", 1, "never", None)
    assert (user["token_masked"], user["wishlist_size"]) == ("****4567", 2)
    household.sync()
    assert (household.user("Ann")["sync_state"], household.titles("Ann")) == ("ok", ["Alpha", "Beta"])


def test_renewal_with_another_account_is_a_conflict_that_names_both(
    api: FlaskClient, pins: Pins, household: Household
) -> None:
    household.add("Ann", FILMS)
    link = start(api, "/api/users/1/link")
    pins.agree(link["code"], DORA)

    reply = wait_for_end(api, link)

    assert (reply.status_code, reply.mimetype) == (409, "application/problem+json")
    assert "dora" in reply.json["detail"]
    assert "ann" in reply.json["detail"]
    assert household.user("Ann")["token_masked"] == "****6789"


@pytest.mark.parametrize("renewed", [False, True])
@pytest.mark.parametrize("away", [500, *slow(404)])
def test_sign_in_waits_until_plex_names_the_account(
    api: FlaskClient, pins: Pins, household: Household, renewed: bool, away: int
) -> None:
    new = household.add("Ann", FILMS) if renewed else household.plex.people[DORA]
    household.plex.people["new-token-0123456789abcd"] = new
    new.account_status = away
    link = start(api, "/api/users/1/link") if renewed else start(api, name="Dora")
    pins.agree(link["code"], "new-token-0123456789abcd")
    asked = pins.asked[link["code"]]
    wait_until(lambda: pins.asked[link["code"]] > asked + 2)

    meanwhile = api.get(link["path"]).json["status"]
    new.account_status = 200

    assert meanwhile == "pending"
    ended = wait_for_end(api, link).json
    assert (ended["status"], ended["user"]["token_masked"]) == ("linked", "****abcd")


def test_renewal_never_takes_another_accounts_token_also_while_plex_is_away(
    api: FlaskClient, pins: Pins, household: Household
) -> None:
    household.add("Ann", FILMS)
    dora = household.plex.people[DORA]
    dora.account_status = 503
    link = start(api, "/api/users/1/link")
    pins.agree(link["code"], DORA)
    asked = pins.asked[link["code"]]
    wait_until(lambda: pins.asked[link["code"]] > asked + 2)

    assert household.user("Ann")["token_masked"] == "****6789"
    dora.account_status = 200
    assert wait_for_end(api, link).status_code == 409
    assert household.user("Ann")["token_masked"] == "****6789"


@pytest.mark.parametrize("renewed", [False, True])
def test_account_that_is_somebody_elses_is_a_conflict_that_names_them(
    api: FlaskClient, pins: Pins, household: Household, renewed: bool
) -> None:
    household.plex.people["fresh-token-of-ann-0123"] = household.add("Ann", FILMS)
    household.add("Ben", [])
    link = start(api, "/api/users/2/link") if renewed else start(api, name="Ann again")
    pins.agree(link["code"], "fresh-token-of-ann-0123")

    reply = wait_for_end(api, link)

    assert (reply.status_code, reply.json["status"]) == (409, 409)
    assert reply.json["detail"] == "The Plex account ann already belongs to Ann."


def test_name_that_is_taken_is_refused_before_plex_is_asked(api: FlaskClient, pins: Pins, household: Household) -> None:
    household.add("Ann", FILMS)

    reply = api.post("/api/users/link", json={"name": "ANN"})

    assert (reply.status_code, pins.made) == (409, {})
    assert "Another person has this" in reply.json["detail"]


def test_name_taken_meanwhile_is_told(api: FlaskClient, pins: Pins, household: Household) -> None:
    link = start(api, name="Dora")
    household.add("dora", [], token="token-of-another-dora-01")
    pins.agree(link["code"], DORA)
    household.plex.people[DORA].uuid = "0123456789abcdef"

    reply = wait_for_end(api, link)

    assert reply.status_code == 409
    assert "Another person has this name" in reply.json["detail"]


def test_unknown_person_is_not_found(api: FlaskClient, pins: Pins) -> None:
    assert api.post("/api/users/7/link").status_code == 404
    assert api.get("/api/users/link/7").status_code == 404
    assert pins.made == {}


def test_person_erased_meanwhile_takes_the_sign_in_along(api: FlaskClient, pins: Pins, household: Household) -> None:
    household.add("Ann", FILMS)
    link = start(api, "/api/users/1/link")
    api.delete("/api/users/1?purge=true")

    assert api.get(link["path"]).status_code == 404


def test_token_that_plex_refuses_at_once_ends_the_sign_in(api: FlaskClient, pins: Pins) -> None:
    link = start(api, name="Dora")
    pins.agree(link["code"], "token-of-nobody-012345678")

    reply = wait_for_end(api, link)

    assert (reply.status_code, api.get("/api/users").json["total"]) == (409, 0)
    assert "Start a new" in reply.json["detail"]


@pytest.mark.slow
def test_being_too_fast_is_waited_out(api: FlaskClient, pins: Pins) -> None:
    pins.asking_faults.append(status(429, Retry_After="1"))
    link = start(api, name="Dora")
    pins.agree(link["code"], DORA)

    assert wait_for_end(api, link).json["status"] == "linked"
    assert pins.asked[link["code"]] == 2


@pytest.mark.parametrize(
    "fault",
    [
        status(503),
        *slow(
            status(500),
            reset,
            status(404),
            status(200, body=b"<html>"),
            status(200, body=b"[]", kind="application/json"),
        ),
    ],
    ids=["503", "500", "reset", "404 of somebody else", "a page", "no object"],
)
def test_plex_in_trouble_is_waited_for(api: FlaskClient, pins: Pins, fault: Any) -> None:
    pins.asking_faults.extend([fault] * 3)
    link = start(api, name="Dora")
    pins.agree(link["code"], DORA)

    assert wait_for_end(api, link).json["status"] == "linked"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(503), "does not answer"),
        (status(429), "slow down"),
        (status(400), "unexpected"),
        (status(201, body=b'{"id": 7}', kind="application/json"), "unexpected"),
    ],
)
def test_sign_in_that_plex_does_not_start_says_why(api: FlaskClient, pins: Pins, fault: Any, reason: str) -> None:
    pins.making_faults.append(fault)

    reply = api.post("/api/users/link", json={"name": "Dora"})

    assert (reply.status_code, reply.mimetype) == (502, "application/problem+json")
    assert reason in reply.json["detail"]
