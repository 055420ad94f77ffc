"""The page of people: signing in by link, and what is told beside the forms when that cannot be."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from tests.support.seen import Seen, browse, follow
from tests.support.sign_ins import DORA
from tests.support.visitors import keeping
from wishlist_service.people import sign_ins

NAME_TAKEN = "Another person has this name (upper and lower case count as the same). Choose another one."


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plex is asked many times a second, so that nobody has to wait."""
    monkeypatch.setattr(sign_ins, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(sign_ins, "LOOK_SECONDS", 0.01)


@pytest.fixture
def pins(household: Household) -> Pins:
    """The PINs of the simulated Plex, where Dora has an account."""
    household.plex.add(DORA, username="dora", rows=[row("d", "Dora's film")])
    return Pins(household.plex)


@pytest.fixture
def keeper(household: Household) -> Iterator[FlaskClient]:
    """The browser of somebody with the API_KEY."""
    with keeping(household) as client:
        yield client


@pytest.fixture
def ann(household: Household) -> Household:
    """Ann wants Alpha and Beta."""
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    return household


def fault(reply: TestResponse) -> str:
    """The only fault of the page, which must be told to belong to a field or stand by itself."""
    assert reply.status_code == 422
    page = Seen(reply)
    text = page.one("p", role="alert").text
    fields = [field for field in page.all("input") if field.attributes.get("aria-invalid")]
    assert all(field["aria-describedby"] == "error" for field in fields)
    return text


def wait_until_ended(client: FlaskClient, path: str) -> Seen:
    wait_until(lambda: browse(client, path).all("div", id="waiting") == [])
    return browse(client, path)


def test_person_who_agrees_is_added_by_link(keeper: FlaskClient, pins: Pins) -> None:
    started = keeper.post("/people", data={"name": " Dora "})
    page = follow(keeper, started)
    [pin] = pins.made.values()

    assert page.one("h1").text == "A sign-in link for Dora"
    address = page.all("code")[0].text
    assert address.startswith(f"https://app.plex.tv/auth#?clientID={pin.client_identifier}&code={pin.code}")
    assert page.one("a", href=address).text == "Open it here"
    assert page.all("code")[1].text == pin.code
    assert len(page.all("svg", class_="qr")) == 1
    assert page.all("meta", **{"http-equiv": "refresh"}) == []
    pins.agree(pin.code, DORA)
    ended = wait_until_ended(keeper, started.location)
    assert ended.one("h1").text == "Dora has signed in"
    assert "Dora signed in as dora." in ended.one("main").text
    assert pin.code not in keeper.get(started.location).text
    assert ended.one("a", href="/?user=1").text == "What Dora wants"


def test_refused_token_is_renewed_and_every_wish_kept(ann: Household, keeper: FlaskClient, pins: Pins) -> None:
    ann.plex.people["new-token-of-ann-01234567"] = ann.plex.people.pop("token-of-ann-0123456789")
    ann.sync()
    assert browse(keeper, "/people").one("p", class_="state").text.startswith("Must sign in again.")

    started = keeper.post("/people/1/link")
    assert "with the same account as before" in follow(keeper, started).one("main").text
    pins.agree(next(iter(pins.made)), "new-token-of-ann-01234567")
    wait_until_ended(keeper, started.location)

    assert browse(keeper, "/people").one("p", class_="state").text.startswith("Waiting for the first read.")
    assert ann.titles("Ann") == ["Alpha", "Beta"]


@pytest.mark.parametrize("renewed", [True, False])
@pytest.mark.parametrize("expired", [True, False])
def test_sign_in_that_came_to_nothing_says_why_and_offers_another(
    ann: Household, keeper: FlaskClient, pins: Pins, expired: bool, renewed: bool
) -> None:
    ann.plex.people["other-token-of-ann-012345"] = ann.plex.people["token-of-ann-0123456789"]
    started = keeper.post("/people/1/link") if renewed else keeper.post("/people", data={"name": "Eli"})
    code = next(iter(pins.made))
    if expired:
        pins.expire(code)
    else:
        pins.agree(code, DORA if renewed else "other-token-of-ann-012345")

    page = wait_until_ended(keeper, started.location)

    text = page.one("main").text
    if expired:
        assert "No one signed in at Plex in time." in text
    else:
        assert ("watchlist is read from ann" if renewed else "already belongs to Ann") in text
    form = page.all("form")[-1]
    assert form["action"] == ("/people/1/link" if renewed else "/people")
    sent = {field["name"]: field["value"] for field in page.all("input", type="hidden")}
    assert sent == ({} if renewed else {"name": "Eli"})
    assert follow(keeper, keeper.post(form["action"], data=sent)).one("div", id="waiting")
    assert len(pins.made) == 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ANN", NAME_TAKEN),
        ("", "The name must have 1 to 100 characters."),
        ("x" * 101, "The name must have 1 to 100 characters."),
        ("a\x07b", "The name must not hold control characters or invalid Unicode."),
    ],
)
def test_name_that_cannot_be_is_told_beside_the_form(
    ann: Household, keeper: FlaskClient, pins: Pins, name: str, sentence: str
) -> None:
    ann.add("Ben", [])
    added = keeper.post("/people", data={"name": name})
    renamed = keeper.post("/people/2", data={"name": name})

    assert fault(added) == fault(renamed) == sentence
    assert Seen(added).one("input", id="name")["value"] == name
    assert [field["id"] for field in Seen(renamed).all("input", **{"aria-invalid": "true"})] == ["name-2"]
    assert ["open" in part.attributes for part in Seen(renamed).all("details", class_="changes")] == [False, True]
    assert [person["name"] for person in ann.conn.execute("SELECT name FROM plex_users ORDER BY id")] == ["Ann", "Ben"]
    assert pins.made == {}


@pytest.mark.parametrize("path", ["/people", "/people/1/link"])
def test_sign_in_that_plex_does_not_start_says_why(ann: Household, keeper: FlaskClient, pins: Pins, path: str) -> None:
    pins.making_faults.append(status(503))

    reply = keeper.post(path, data={"name": "Dora"} if path == "/people" else {})

    assert fault(reply) == "Plex does not answer, so no sign-in was started. Try again in a minute."
