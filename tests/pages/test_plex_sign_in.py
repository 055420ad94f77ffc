"""Signing in with Plex: the way there and back, whom the account lets in, and what each outcome says."""

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.clients import MakeClient
from tests.support.fake_pins import Pins
from tests.support.fake_plex import Handler, row
from tests.support.front_door import OURS, come_back, go_to_plex, sign_in_with_plex
from tests.support.household import API_KEY, Household, token_of
from tests.support.neighbours import Neighbours
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick


@pytest.fixture
def pins(household: Household, alpha_template: str) -> Pins:
    household.plex.add(token_of("Ann"), username="ann", rows=[row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET admin = true")
    return Pins(household.plex)


def says(reply: TestResponse, heading: str, text: str) -> None:
    """Assert that the page says so, and has the button again."""
    page = Seen(reply)
    assert (page.one("h1").text, page.one("p", role="alert").text) == (heading, text)
    assert page.one("form", class_="with-plex")["action"] == "/sign-in/plex"
    assert "Sign in with Plex" in [button.text for button in page.all("button")]


def signed_in(client: FlaskClient) -> str | None:
    """The name of the person who is signed in."""
    user = client.get("/api/me").json["user"]
    return user and user["name"]


def test_sign_in_page_has_the_button_beside_the_key(client: FlaskClient, pins: Pins) -> None:
    page = browse(client, "/sign-in?next=/people")

    assert [button.text for button in page.all("button")] == ["Sign in with Plex", "Sign in"]
    assert page.one("form", class_="with-plex")["action"] == "/sign-in/plex?next=/people"
    assert page.one("input", name="next")["value"] == "/people"
    assert page.one("input", name="key")["type"] == "password"


def test_policy_of_pages_names_plex_for_the_form(make_client: MakeClient, household: Household) -> None:
    client = make_client(plex_auth_url="https://auth.example.test:8443/sign-in")

    policy = client.get("/sign-in").headers["Content-Security-Policy"]

    assert "form-action 'self' https://auth.example.test:8443" in policy.split("; ")


@pytest.mark.parametrize(
    ("base", "headers", "forward"),
    first_quick(
        1,
        [
            ("", OURS, "http://localhost/sign-in/plex/back"),
            ("/plex-wishlist", OURS, "http://localhost/plex-wishlist/sign-in/plex/back"),
            (
                "",
                {"Origin": "https://wishes.example.test", "Sec-Fetch-Site": "same-origin"},
                "https://wishes.example.test/sign-in/plex/back",
            ),
            (
                "/plex-wishlist",
                {"Origin": "http://192.168.1.5:8080", "Host": "192.168.1.5:8080"},
                "http://192.168.1.5:8080/plex-wishlist/sign-in/plex/back",
            ),
            ("", {"Sec-Fetch-Site": "same-origin"}, "http://localhost/sign-in/plex/back"),
        ],
    ),
)
def test_plex_leads_back_to_the_address_that_the_browser_used(
    make_client: MakeClient, pins: Pins, base: str, headers: dict[str, str], forward: str
) -> None:
    client = make_client(url_base=base)

    asked = go_to_plex(client, path=f"{base}/sign-in/plex", headers=headers)

    [pin] = pins.made.values()
    assert asked == {
        "clientID": pin.client_identifier,
        "code": pin.code,
        "context[device][product]": "Plex Wishlist Service",
        "forwardUrl": forward,
    }


def test_person_here_signs_in_and_sees_the_page_they_came_from(client: FlaskClient, pins: Pins) -> None:
    reply = sign_in_with_plex(client, pins, "ann", query_string={"next": "/people?offset=0"})

    assert (reply.status_code, reply.location) == (303, "/people?offset=0")
    assert signed_in(client) == "Ann"


def test_refused_token_heals_by_signing_in(client: FlaskClient, household: Household, pins: Pins) -> None:
    before = household.user("Ann")["token_fingerprint"]
    ann = household.plex.people.pop(token_of("Ann"))
    household.sync()
    assert household.user("Ann")["sync_state"] == "token_rejected"
    household.plex.people["another-token-of-her-session"] = ann

    sign_in_with_plex(client, pins, "ann")
    household.sync()

    assert household.user("Ann")["sync_state"] == "ok"
    assert household.user("Ann")["token_fingerprint"] != before


@pytest.mark.parametrize("who", first_quick(1, ["ben", "fay"]))
def test_person_read_through_another_one_gets_a_token_of_their_own(
    client: FlaskClient, neighbours: Neighbours, who: str
) -> None:
    pins = Pins(neighbours.plex)
    added = neighbours.add(getattr(neighbours, who), **({"pin": "7391"} if who == "ben" else {})).json

    sign_in_with_plex(client, pins, who)

    assert added["source"] in ("home", "friend")
    assert neighbours.api.get(f"/api/users/{added['id']}").json["source"] == "own"


def test_person_who_paused_themselves_is_resumed(client: FlaskClient, household: Household, pins: Pins) -> None:
    sign_in_with_plex(client, pins, "ann")
    assert client.patch("/api/users/1", json={"active": False}, headers=OURS).status_code == 200
    assert signed_in(client) is None

    reply = sign_in_with_plex(client, pins, "ann")

    assert reply.status_code == 303
    assert signed_in(client) == "Ann"
    assert household.user("Ann")["active"] is True


def test_person_whom_an_admin_paused_is_not_signed_in(client: FlaskClient, household: Household, pins: Pins) -> None:
    household.add("Ben")
    before = household.user("Ben")["token_fingerprint"]
    client.patch("/api/users/2", json={"active": False}, headers={"X-API-Key": API_KEY})

    reply = sign_in_with_plex(client, pins, "ben")

    assert reply.status_code == 403
    says(reply, "You are not signed in", "Ann has paused your list. Ask Ann.")
    assert signed_in(client) is None
    assert household.user("Ben")["token_fingerprint"] == before
    assert len(pins.signed_out) == 1


def test_admin_who_is_paused_is_not_one_to_ask(client: FlaskClient, household: Household, pins: Pins) -> None:
    household.add("Ben")
    household.plex.add(token_of("Oz"), username="oz")
    key = {"X-API-Key": API_KEY}
    client.patch("/api/users/1", json={"active": False}, headers=key)

    alone = sign_in_with_plex(client, pins, "ann")
    client.patch("/api/users/2", json={"admin": True}, headers=key)
    of_two = sign_in_with_plex(client, pins, "ann")
    stranger = sign_in_with_plex(client, pins, "oz")

    says(alone, "You are not signed in", "Your list is paused. Ask the person who runs this.")
    says(of_two, "You are not signed in", "Ben has paused your list. Ask Ben.")
    says(stranger, "Ask Ben for an invitation", "Nobody here has this Plex account. Nothing was stored.")


@pytest.mark.parametrize(
    ("admins", "settings", "asked"),
    first_quick(
        1,
        [
            (["Ann"], {}, "Ann"),
            (["Ann", "Ben"], {}, "the person who runs this"),
            ([], {}, "the person who runs this"),
            (["Ann"], {"names": "hidden"}, "the person who runs this"),
        ],
    ),
)
def test_stranger_is_told_whom_to_ask_and_nothing_is_stored(
    make_client: MakeClient,
    household: Household,
    pins: Pins,
    admins: list[str],
    settings: dict[str, str],
    asked: str,
) -> None:
    household.add("Ben")
    household.conn.execute("UPDATE plex_users SET admin = name = ANY (%s)", [admins])
    household.plex.add(token_of("Oz"), username="oz")
    client = make_client(**settings)

    reply = sign_in_with_plex(client, pins, "oz")

    assert reply.status_code == 403
    says(reply, f"Ask {asked} for an invitation", "Nobody here has this Plex account. Nothing was stored.")
    [token] = pins.signed_out
    assert token.endswith("-of-oz")
    assert len(client.get("/api/users").json["items"]) == 2
    assert household.conn.execute("SELECT count(*) AS n FROM plex_sign_ins").fetchall() == [{"n": 0}]
    assert household.conn.execute("SELECT count(*) AS n FROM sessions").fetchall() == [{"n": 0}]
    assert {person["name"] for person in household.conn.execute("SELECT * FROM plex_users")} == {"Ann", "Ben"}


def expire(pins: Pins, code: str) -> None:
    pins.expire(code)


def away(pins: Pins, _code: str) -> None:
    pins.asking_faults.append(lambda handler: handler.send_json(503, {}))


def slow_down(pins: Pins, _code: str) -> None:
    pins.asking_faults.append(lambda handler: handler.send_json(429, {}, {"Retry-After": "60"}))


def deny(_pins: Pins, _code: str) -> None:
    """They press Cancel."""


@pytest.mark.parametrize(
    ("outcome", "text"),
    first_quick(
        1,
        [
            (deny, "You did not agree at Plex, so you are not signed in. Try again."),
            (expire, "The sign-in has expired, because it took too long. Try again."),
            (slow_down, "Plex asks to slow down (HTTP 429). Wait a minute. Try again."),
            (away, "Plex has an error (HTTP 503). Nothing was changed. Try again."),
        ],
    ),
)
def test_sign_in_that_failed_is_explained_with_the_button_again(
    client: FlaskClient, pins: Pins, outcome: Callable[[Pins, str], None], text: str
) -> None:
    asked = go_to_plex(client)
    outcome(pins, asked["code"])

    reply = come_back(client, asked)

    assert reply.status_code == 422
    says(reply, "You are not signed in", text)
    assert signed_in(client) is None


@pytest.mark.parametrize(
    "pin",
    first_quick(
        1,
        [
            {"id": 2**63, "code": "abc", "expiresIn": 1800},
            {"id": 2**70, "code": "abc", "expiresIn": 1800},
            {"id": 0, "code": "abc", "expiresIn": 1800},
            {"id": -5, "code": "abc", "expiresIn": 1800},
            {"id": True, "code": "abc", "expiresIn": 1800},
            {"id": 1, "code": "abc", "expiresIn": True},
            {"id": 1, "code": "\0", "expiresIn": 1800},
        ],
    ),
)
def test_pin_that_cannot_be_stored_is_explained_with_the_button_again(
    client: FlaskClient, pins: Pins, pin: dict[str, object]
) -> None:
    pins.making_faults.append(lambda handler: handler.send_json(201, pin))

    reply = client.post("/sign-in/plex", headers=OURS)

    assert reply.status_code == 422
    assert "Plex" in Seen(reply).one("p", role="alert").text
    assert reply.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("status", first_quick(1, [429, 503]))
def test_plex_that_gives_no_pin_is_explained_with_the_button_again(
    client: FlaskClient, pins: Pins, status: int
) -> None:
    pins.making_faults.append(lambda handler: handler.send_json(status, {}, {"Retry-After": "60"}))

    reply = client.post("/sign-in/plex", headers=OURS)

    assert reply.status_code == 422
    assert f"(HTTP {status})" in Seen(reply).one("p", role="alert").text
    assert reply.headers.getlist("Set-Cookie") == []


def test_account_that_plex_does_not_tell_is_not_signed_in(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    asked = go_to_plex(client)
    token = pins.agree_as(asked["code"], "ann")
    fault: Callable[[Handler], None] = lambda handler: handler.send_json(500, {})  # noqa: E731
    household.plex.people[token].account_faults.append(fault)

    says(
        come_back(client, asked),
        "You are not signed in",
        "Plex has an error (HTTP 500). Nothing was changed. Try again.",
    )
    assert pins.signed_out == [token]


def test_no_secret_of_a_sign_in_is_in_addresses_replies_or_the_log(
    client: FlaskClient, household: Household, pins: Pins, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="wishlist_service")
    started = client.post("/sign-in/plex", headers=OURS)
    [pin] = pins.made.values()
    token = pins.agree_as(pin.code, "ann")

    back = client.get("/sign-in/plex/back")

    cookies = "".join(started.headers.getlist("Set-Cookie") + back.headers.getlist("Set-Cookie"))
    stored = str([dict(each) for each in household.conn.execute("SELECT * FROM sessions").fetchall()])
    for secret in (token, pin.code, pin.client_identifier, str(pin.id)):
        ours = [started.text, back.text, str(back.headers), cookies, caplog.text, stored, client.get("/").text]
        assert [text for text in ours if secret in text] == []
    assert re.fullmatch("https://app.plex.tv/auth#.+", started.location)
    assert (back.status_code, back.location) == (303, "/")


def test_of_two_tabs_the_later_one_signs_in_also_if_the_earlier_one_comes_back_first(
    client: FlaskClient, pins: Pins
) -> None:
    earlier, later = go_to_plex(client), go_to_plex(client)
    pins.agree_as(earlier["code"], "ann")

    first = come_back(client, earlier)
    pins.agree_as(later["code"], "ann")
    second = come_back(client, later)

    assert (first.status_code, second.status_code) == (422, 303)
    assert signed_in(client) == "Ann"


@pytest.mark.parametrize("outcome", first_quick(1, [away, deny]))
def test_browser_that_comes_back_again_is_signed_in(
    client: FlaskClient, pins: Pins, outcome: Callable[[Pins, str], None]
) -> None:
    asked = go_to_plex(client)
    outcome(pins, asked["code"])
    assert come_back(client, asked).status_code == 422
    pins.agree_as(asked["code"], "ann")

    assert come_back(client, asked).status_code == 303

    assert signed_in(client) == "Ann"
    assert pins.signed_out == []


def test_sign_in_that_two_requests_end_at_once_works_once(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    asked = go_to_plex(client)
    pins.agree_as(asked["code"], "ann")
    show = household.plex.routes["GET", "/api/v2/pins/([0-9]+)"]

    def end_meanwhile(handler: Handler, number: str) -> None:
        household.conn.execute("DELETE FROM plex_sign_ins")
        show(handler, number)

    household.plex.routes["GET", "/api/v2/pins/([0-9]+)"] = end_meanwhile

    reply = come_back(client, asked)

    assert reply.status_code == 422
    says(
        reply,
        "You are not signed in",
        "This sign-in was not started in this browser, or it has already ended. Try again.",
    )
    assert (signed_in(client), pins.signed_out) == (None, [])


def test_reloading_a_page_of_the_sign_in_leads_to_the_form(client: FlaskClient, pins: Pins) -> None:
    assert client.get("/sign-in/plex").location == "/sign-in"
