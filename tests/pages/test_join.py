"""An invitation, from the page that makes it to the person who joined; and every way in which it no longer works."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.front_door import OURS, come_back, go_to_plex, sign_in_with_plex
from tests.support.household import API_KEY, Household, token_of
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from tests.support.visitors import visitor
from wishlist_service.queries.invitations import find_own_address

MakeBrowser = Callable[..., FlaskClient]


@pytest.fixture
def pins(household: Household) -> Pins:
    return Pins(household.plex)


@pytest.fixture
def browser(household: Household) -> Iterator[MakeBrowser]:
    """A browser before the service, signed in with this key."""
    with ExitStack() as stack:
        yield lambda key="", **settings: stack.enter_context(visitor(household, key=key, **settings))


@pytest.fixture
def ann(household: Household, pins: Pins, alpha_template: str) -> Household:
    """Ann wants Alpha. Plex knows Dora, who wants Beta, and Gus."""
    household.plex.add(token_of("Ann"), username="ann", rows=[row("1", "Alpha")])
    household.plex.add(token_of("Dora"), username="dora.plex", rows=[row("2", "Beta")])
    household.plex.add(token_of("Gus"), username="gus", rows=[])
    return household


def invite(client: FlaskClient, **body: Any) -> str:
    """The path of an invitation made with the API_KEY."""
    reply = client.post("/api/invitations", json=body, headers={"X-API-Key": API_KEY})
    assert reply.status_code == 201, reply.text
    return reply.json["url"].removeprefix("http://localhost")


def text(page: Seen) -> str:
    return " ".join(page.one("main").text.split())


def test_page_says_who_invites_to_what_and_makes_no_pin(ann: Household, client: FlaskClient, pins: Pins) -> None:
    path = invite(client, name="Dora")
    ann.conn.execute("UPDATE plex_users SET admin = true")

    page = browse(client, path)

    assert page.one("h1").text == "Ann invites you"
    assert "Hello Dora! This is a wishlist of movies and shows. Ann invites you to share it." in text(page)
    assert [button.text for button in page.all("button")] == ["Sign in with Plex"]
    assert pins.made == {}


def test_invited_person_joins_a_day_later_under_the_name_of_the_invitation(
    ann: Household, client: FlaskClient, pins: Pins
) -> None:
    path = invite(client, name="Dora")
    ann.conn.execute(
        """
        UPDATE invitations SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'
        """
    )

    reply = sign_in_with_plex(client, pins, "dora.plex", path=path)

    dora = ann.user("Dora")
    assert (reply.status_code, reply.location) == (303, f"/?user={dora['id']}")
    assert (dora["plex_username"], dora["admin"], dora["source"]) == ("dora.plex", False, "own")
    assert client.get("/api/me").json["user"]["name"] == "Dora"
    [left] = client.get("/api/invitations", headers={"X-API-Key": API_KEY}).json["items"]
    assert left["uses_left"] == 0


def test_without_a_name_they_are_called_as_plex_calls_them(ann: Household, client: FlaskClient, pins: Pins) -> None:
    ann.conn.execute("UPDATE plex_users SET name = 'dora.plex' WHERE name = 'Ann'")

    sign_in_with_plex(client, pins, "dora.plex", path=invite(client))

    assert ann.user("dora.plex (2)")["plex_uuid"] == ann.plex.people[token_of("Dora")].uuid


@pytest.mark.slow
def test_used_up_invitation_says_so_to_whoever_opens_it_and_to_whoever_is_at_plex(
    ann: Household, browser: MakeBrowser, pins: Pins
) -> None:
    dora, gus = browser(), browser()
    path = invite(dora)
    asked = go_to_plex(gus, path=path)
    sign_in_with_plex(dora, pins, "dora.plex", path=path)

    token = pins.agree_as(asked["code"], "gus")
    late = come_back(gus, asked)

    assert (late.status_code, "This invitation is used up. Ask for a new one." in late.text) == (422, True)
    assert pins.signed_out == [token]
    for reply in (gus.get(path), gus.post(path, headers=OURS)):
        assert (reply.status_code, "This invitation is used up. Ask for a new one." in reply.text) == (410, True)
    assert len(ann.conn.execute("SELECT FROM plex_users").fetchall()) == 2


@pytest.mark.slow
def test_two_people_use_an_invitation_for_two(ann: Household, browser: MakeBrowser, pins: Pins) -> None:
    path = invite(browser(), uses=2)

    for username in ("dora.plex", "gus"):
        assert sign_in_with_plex(browser(), pins, username, path=path).status_code == 303

    assert browser().get(path).status_code == 410


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("expires_at = now()", "This invitation has expired. Ask for a new one."),
        ("withdrawn_at = now()", "This invitation was withdrawn. Ask for a new one."),
    ],
)
def test_invitation_that_no_longer_works_says_why(
    ann: Household, client: FlaskClient, pins: Pins, change: str, said: str
) -> None:
    path = invite(client)
    ann.conn.execute(f"UPDATE invitations SET {change}")

    for reply in (client.get(path), client.post(path, headers=OURS)):
        assert reply.status_code == 410
        assert said in reply.text
    assert pins.made == {}


def test_renewal_heals_its_person_and_admits_nobody_else(ann: Household, browser: MakeBrowser, pins: Pins) -> None:
    ann.conn.execute("UPDATE plex_users SET sync_state = 'token_rejected'")
    path = invite(browser(), user_id=ann.user("Ann")["id"])

    page = browse(browser(), path)
    stranger = sign_in_with_plex(browser(), pins, "dora.plex", path=path)
    herself = sign_in_with_plex(browser(), pins, "ann", path=path)

    assert page.one("h1").text == "Sign in again, Ann"
    assert (stranger.status_code, "This invitation is for Ann alone" in stranger.text) == (422, True)
    assert len(pins.signed_out) == 1
    assert herself.status_code == 303
    assert ann.user("Ann")["sync_state"] == "never"
    assert browser().get(path).status_code == 410


def test_person_who_is_here_signs_in_and_leaves_the_invitation_to_others(
    ann: Household, client: FlaskClient, pins: Pins
) -> None:
    path = invite(client, name="Dora")

    assert sign_in_with_plex(client, pins, "ann", path=path).status_code == 303

    assert client.get("/api/me").json["user"]["name"] == "Ann"
    assert browse(client, path).one("h1").text == "You are invited"


def test_guesses_are_throttled_like_keys(ann: Household, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    path = invite(client)

    guesses = [client.get(f"/join/guess-number-{number}") for number in range(10)]
    blocked = client.get(path)

    assert {reply.status_code for reply in guesses} == {404}
    assert "There is no such invitation." in guesses[0].text
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["Retry-After"]) <= 60
    assert "Too many wrong invitations came from this address." in blocked.text
    assert client.post(path, headers=OURS).status_code == 429
    assert client.get(path, environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200
    assert "guess-number" not in caplog.text


def test_form_of_another_site_starts_nothing(ann: Household, client: FlaskClient, pins: Pins) -> None:
    path = invite(client)

    assert client.post(path, headers={"Origin": "https://evil.test"}).status_code == 403

    assert pins.made == {}


def test_invitation_claims_the_installation(household: Household, client: FlaskClient, pins: Pins) -> None:
    path = invite(client)
    household.plex.add(token_of("Dora"), username="dora", rows=[])

    sign_in_with_plex(client, pins, "dora", path=path)

    assert household.user("dora")["admin"] is False


def test_page_people_makes_lists_and_withdraws_invitations(ann: Household, browser: MakeBrowser) -> None:
    keeper = browser(API_KEY)

    made = Seen(keeper.post("/people", data={"name": "Dora", "uses": "1", "days": "14"}))
    address = made.one("code").text
    people = browse(keeper, "/people")
    [withdraw] = [each for each in people.all("button") if "Withdraw" in each.text]

    assert "An invitation for Dora" in made.one("h1").text
    assert address.startswith("http://localhost/join/")
    assert made.all("svg", class_="qr")
    assert "Dora, until" in people.one("ul", class_="invitations").text
    assert address not in people.one("main").text
    assert keeper.post(withdraw["formaction"]).status_code == 303
    assert browse(keeper, "/people").all("ul", class_="invitations") == []
    assert browser().get(address.removeprefix("http://localhost")).status_code == 410


def test_name_may_be_left_empty_and_mistakes_stay_in_the_form(ann: Household, browser: MakeBrowser) -> None:
    keeper = browser(API_KEY)

    unnamed = Seen(keeper.post("/people", data={"name": " ", "uses": "3", "days": "1"}))
    taken = keeper.post("/people", data={"name": "ann", "uses": "3", "days": "200"})
    page = Seen(taken)

    assert "3 people can use it." in unnamed.one("p", class_="lead").text
    assert taken.status_code == 422
    assert page.one("p", class_="error").text.startswith("The days must be")
    assert [page.one("input", id=each)["value"] for each in ("name", "uses", "days")] == ["ann", "3", "200"]


def test_each_person_can_be_invited_to_sign_in_again(ann: Household, browser: MakeBrowser) -> None:
    keeper = browser(API_KEY)

    made = Seen(keeper.post("/people/1/invite"))

    assert made.one("h1").text == "An invitation for Ann"
    assert "Only their Plex account can use it." in made.one("p", class_="lead").text
    assert "Ann, to sign in again, until" in browse(keeper, "/people").one("ul", class_="invitations").text


@pytest.mark.slow
def test_address_is_public_url_or_where_the_admin_is(ann: Household, browser: MakeBrowser) -> None:
    with_public = browser(API_KEY, public_url="https://wishes.example.org", url_base="/wishes")
    without = browser(API_KEY)

    public = Seen(with_public.post("/wishes/people", data={"name": "Dora"})).one("code").text
    own = Seen(without.post("/people", data={"name": "Gus"}, headers={"Sec-Fetch-Site": "same-origin"}))

    assert public.startswith("https://wishes.example.org/wishes/join/")
    assert own.one("code").text.startswith("http://localhost/join/")
    [stored] = ann.conn.execute("SELECT own_address FROM sync_state").fetchall()
    assert stored == {"own_address": "http://localhost"}


def test_address_is_remembered_when_an_admin_signs_in(ann: Household, client: FlaskClient, pins: Pins) -> None:
    def address() -> str | None:
        [stored] = ann.conn.execute("SELECT own_address FROM sync_state").fetchall()
        return stored["own_address"]

    def at(host: str) -> dict[str, str]:
        return {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}

    sign_in_with_plex(client, pins, "ann", headers=at("member.lan"))
    as_member = address()
    ann.conn.execute("UPDATE plex_users SET admin = true")
    sign_in_with_plex(client, pins, "ann", headers=at("admin.lan"))
    as_admin = address()
    client.post("/sign-in", data={"key": API_KEY}, headers=at("key.lan"))

    assert (as_member, as_admin, address()) == (None, "http://admin.lan", "http://key.lan")


@pytest.mark.parametrize(
    ("settings", "kept"),
    first_quick(
        1,
        [
            ({}, False),
            ({"allowed_hosts": ("evil.test",)}, True),
            ({"public_url": "http://evil.test"}, True),
            ({"trusted_proxies": 1}, True),
            ({"trusted_proxies": 1, "allowed_hosts": ("nas.lan",)}, False),
        ],
    ),
)
def test_address_that_a_stranger_may_own_is_not_remembered(
    ann: Household, make_client: MakeClient, pins: Pins, settings: dict[str, Any], kept: bool
) -> None:
    ann.conn.execute("UPDATE plex_users SET admin = true")
    client = make_client(**settings)
    there = {"Origin": "http://evil.test", "Sec-Fetch-Site": "same-origin"}
    ways = [
        lambda: sign_in_with_plex(client, pins, "ann", headers=there),
        lambda: client.post("/api/invitations", json={}, headers=there),
        lambda: client.post("/sign-in", data={"key": API_KEY}, headers=there),
        lambda: client.post("/people", data={"name": "Dora"}, headers=there),
        lambda: client.post("/api/invitations", json={}, headers={"X-API-Key": API_KEY, "Host": "evil.test"}),
    ]

    for sign_in_or_invite in ways:
        ann.conn.execute("UPDATE sync_state SET own_address = NULL")
        assert sign_in_or_invite().status_code < 400
        assert find_own_address(ann.conn) == ("http://evil.test" if kept else None)


def test_address_of_an_invitation_is_not_in_the_log_of_an_error(
    ann: Household, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    path = invite(client)
    ann.conn.execute("ALTER TABLE invitations RENAME TO others")

    reply = client.get(path)

    assert reply.status_code == 503
    assert "database cannot serve path='/join/<secret>'" in caplog.text
    assert path not in caplog.text
