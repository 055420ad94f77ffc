"""The page of a person who signed in with Plex, and the buttons by which they want what others want."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fake_actions import Actions
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.front_door import sign_in_with_plex
from tests.support.household import Household, token_of
from tests.support.plex_faults import status
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from tests.support.visitors import visitor

ALPHA, DELTA = f"{1:024x}", f"{4:024x}"

SignIn = Callable[..., FlaskClient]


@pytest.fixture
def pins(filled: Household) -> Pins:
    return Pins(filled.plex)


@pytest.fixture
def sign_in(filled: Household, pins: Pins, actions: Actions) -> Iterator[SignIn]:
    """The browser of a person of this name, signed in with Plex; with settings, if any are given."""
    with ExitStack() as stack:

        def enter(name: str, **settings: Any) -> FlaskClient:
            client = stack.enter_context(visitor(filled, **settings))
            assert sign_in_with_plex(client, pins, name.lower()).status_code == 303
            filled.sync()
            return client

        yield enter


def press(client: FlaskClient, page: Seen, text: str) -> TestResponse:
    """Press the button with this text, as a browser without scripts does."""
    [button] = [each for each in page.all("button") if each.text == text]
    form = page.one("form", id=button["form"])
    fields = [each for each in page.all("input", type="hidden") if each["name"] == "next"]
    assert form["method"] == "post"
    return client.post(button["formaction"], data={"next": fields[-1]["value"]})


def test_page_has_their_wishes_who_else_wants_each_and_what_is_in_the_library(
    sign_in: SignIn, filled: Household
) -> None:
    filled.conn.execute("UPDATE wishlist_items SET available = title = 'Alpha'")
    page = browse(sign_in("Ann"), "/me")

    assert page.one("h1").text == "Ann"
    assert sorted(page.titles) == ["Alpha", "Gamma_Ray", "beta 100%"]
    lines = {item.text.split("  ")[0]: item.text for item in page.all("li") if "id" in item.attributes}
    [alpha] = [text for text in lines.values() if "Alpha" in text]
    [gamma] = [text for text in lines.values() if "Gamma_Ray" in text]
    assert "In the library" in alpha
    assert "Ben wants it too" in alpha
    assert "Only you" in gamma
    assert "Up to date. Your watchlist is read regularly." in page.one("p", class_="state").text


@pytest.mark.slow
def test_each_state_tells_the_person_what_to_do(sign_in: SignIn, filled: Household) -> None:
    client = sign_in("Ann")
    [check] = filled.conn.execute(
        "SELECT pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conname = 'plex_users_state_check'"
    ).fetchall()
    states = check["def"].split("'")[1::2]
    told: dict[str, str] = {}

    for state in states:
        filled.conn.execute("UPDATE plex_users SET sync_state = %s", [state])
        page = browse(client, "/me")
        told[state] = page.one("p", class_="state").text
        heals = state in (
            "hidden",
            "via_unavailable",
            "pin_rejected",
            "token_rejected",
            "token_unreadable",
            "other_account",
        )
        assert ("Sign in with Plex" in [button.text for button in page.all("button")]) is heals

    assert len(states) == 14
    assert "Sign in with Plex again, with the same account as before." in told["token_rejected"]
    assert not any("their" in text.lower() for text in told.values())


@pytest.mark.slow
def test_more_wishes_than_a_page_has_go_on_the_next(sign_in: SignIn, filled: Household) -> None:
    filled.plex.people[token_of("Cleo")].rows = [row(f"{number:x}", f"Film {number}") for number in range(100, 160)]
    client = sign_in("Cleo")

    first = browse(client, "/me")
    [more] = first.all("a", rel="next")
    second = browse(client, more["href"])

    assert (len(first.titles), len(second.titles)) == (50, 10)
    assert set(first.titles).isdisjoint(second.titles)


def test_title_goes_off_their_own_watchlist(sign_in: SignIn, filled: Household, actions: Actions) -> None:
    client = sign_in("Ann")

    reply = press(client, browse(client, "/me"), "Take it off my watchlist: Alpha")

    assert reply.status_code == 303
    assert reply.location.startswith("/me#t")
    assert actions.done == [("ann", ALPHA)]
    assert "Alpha" not in browse(client, "/me").titles
    assert "Alpha" in filled.titles("Ben")


def test_title_is_wanted_from_the_wall_and_shows_at_once(sign_in: SignIn, filled: Household, actions: Actions) -> None:
    client = sign_in("Cleo")
    page = browse(client, "/?sort=title")

    reply = press(client, page, "I want this too Alpha")

    assert (reply.status_code, reply.location[:15]) == (303, "/?sort=title#t1")
    assert actions.added == [("cleo", ALPHA)]
    after = browse(client, reply.location)
    assert "Wanted by Ann, Ben and Cleo" in after.one("ul", id="titles").text
    assert "I want this too Alpha" not in [button.text for button in after.all("button")]
    assert [button.text for button in after.all("button", class_="want second")] == [
        "I want this too beta 100%",
        "I want this too Gamma_Ray",
        "I want this too Été à Delta\\",
    ]


def test_title_is_wanted_and_given_up_on_its_page(sign_in: SignIn, filled: Household, actions: Actions) -> None:
    client = sign_in("Cleo")
    path = f"/title/movie/{DELTA}"

    wanted = press(client, browse(client, path), "I want this too Été à Delta\\")
    assert wanted.location.startswith(path)
    assert "Cleo" in browse(client, path).one("ul", class_="wishes").text
    press(client, browse(client, path), "Take it off my watchlist: Été à Delta\\")

    assert (actions.added, actions.done) == ([("cleo", DELTA)], [("cleo", DELTA)])
    assert filled.titles("Cleo") == []


@pytest.mark.slow
def test_script_gets_the_new_card_alone(sign_in: SignIn, actions: Actions) -> None:
    client = sign_in("Cleo")

    reply = client.post(f"/title/movie/{ALPHA}/want", data={"show": "card"})

    assert reply.status_code == 200
    assert reply.text.lstrip().startswith('<li id="t1" class="mine">')
    assert "Wanted by Ann, Ben and Cleo" in reply.text
    assert "<html" not in reply.text


@pytest.mark.slow
def test_plex_that_does_not_take_it_is_told_on_a_page(sign_in: SignIn, actions: Actions) -> None:
    client = sign_in("Cleo")
    actions.faults.append(status(500))

    reply = client.post(f"/title/movie/{ALPHA}/want")

    assert reply.status_code == 422
    assert "Plex does not answer. Try again in a minute." in reply.text
    assert "Your watchlist was not changed" in reply.text


@pytest.mark.slow
@pytest.mark.parametrize("target", first_quick(1, ["https://evil.test", "//evil.test", "/\\evil.test"]))
def test_button_leads_to_no_other_site(sign_in: SignIn, actions: Actions, target: str) -> None:
    reply = sign_in("Cleo").post(f"/title/movie/{ALPHA}/want", data={"next": target})

    assert (reply.status_code, reply.location) == (303, "/#t1")


def test_others_see_no_button_and_are_led_to_sign_in(filled: Household, client: FlaskClient) -> None:
    for path in ("/", f"/title/movie/{ALPHA}"):
        assert "I want this too" not in client.get(path).text
    for path in ("/me", "/me/leave"):
        assert client.get(path).location.startswith("/sign-in?next=%2Fme")
    for path in ("/me/pause", "/me/leave", "/me/sign-out", f"/title/movie/{ALPHA}/want"):
        reply = client.post(path, headers={"Origin": "http://localhost"})
        assert (reply.status_code, reply.location) == (303, "/sign-in?next=%2F")
    assert len(filled.conn.execute("SELECT FROM plex_users WHERE active").fetchall()) == 3


@pytest.mark.slow
def test_pausing_signs_out_everywhere_and_signing_in_resumes(sign_in: SignIn, filled: Household, pins: Pins) -> None:
    phone, desk = sign_in("Ann"), sign_in("Ann")

    reply = phone.post("/me/pause")

    assert "Your list is paused" in Seen(reply).one("h1").text
    assert filled.user("Ann")["active"] is False
    assert desk.get("/me").status_code == phone.get("/me").status_code == 303
    assert "Alpha" in browse(phone).titles  # Ben wants it
    assert "Gamma_Ray" not in browse(phone).titles
    assert sign_in_with_plex(phone, pins, "ann").status_code == 303
    assert filled.user("Ann")["active"] is True
    assert "Gamma_Ray" in browse(phone).titles


@pytest.mark.slow
def test_pause_of_an_admin_is_not_undone_by_signing_in(sign_in: SignIn, filled: Household, pins: Pins) -> None:
    client = sign_in("Ann")
    client.post("/me/pause")
    key = {"X-API-Key": filled.config.api_key}
    client.patch("/api/users/1", json={"active": True}, headers=key)
    client.patch("/api/users/1", json={"active": False}, headers=key)

    assert sign_in_with_plex(client, pins, "ann").status_code == 403

    assert filled.user("Ann")["active"] is False


def test_leaving_erases_what_is_theirs_after_a_question(sign_in: SignIn, filled: Household) -> None:
    client = sign_in("Ann")

    question = browse(client, "/me/leave")
    still_here = filled.user("Ann")["active"]
    reply = client.post("/me/leave")

    assert "all your current and past wishes (3 titles now)" in question.one("main").text
    assert still_here
    assert Seen(reply).one("h1").text == "You have left"
    assert filled.conn.execute("SELECT FROM plex_users WHERE name = 'Ann'").rowcount == 0
    assert filled.conn.execute("SELECT FROM wishlist_items WHERE title = 'beta 100%'").rowcount == 0
    assert client.get("/api/me").json == {"role": "reader", "user": None}
    assert client.get("/me").status_code == 303


@pytest.mark.slow
def test_signing_out_is_for_this_browser_or_for_all(sign_in: SignIn) -> None:
    phone, desk, tv = sign_in("Ann"), sign_in("Ann"), sign_in("Ann")

    phone.post("/sign-out")
    assert [client.get("/me").status_code for client in (phone, desk, tv)] == [303, 200, 200]
    desk.post("/me/sign-out")

    assert [client.get("/me").status_code for client in (phone, desk, tv)] == [303, 303, 303]


@pytest.mark.slow
def test_person_without_a_token_of_their_own_is_told_to_sign_in(sign_in: SignIn, filled: Household) -> None:
    client = sign_in("Cleo")
    filled.conn.execute(
        """
        UPDATE plex_users SET via_id = 1, via_source = 'home', token_fingerprint = NULL, token_masked = NULL
         WHERE name = 'Cleo'
        """
    )

    page = browse(client, "/me")
    reply = client.post(f"/title/movie/{ALPHA}/want")

    assert "It is read through somebody else’s sign-in." in page.one("main").text
    assert (reply.status_code, "Sign in with Plex again." in reply.text) == (409, True)


def test_every_page_leads_to_theirs(sign_in: SignIn) -> None:
    client = sign_in("Ann")

    for path in ("/", "/people", f"/title/movie/{ALPHA}", "/new"):
        assert browse(client, path).all("a", href="/me")
