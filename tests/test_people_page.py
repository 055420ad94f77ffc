"""The page of people, by links and forms alone: how each list is, and who may change what."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import API_KEY, Household
from fake_pins import Pins
from fake_plex import row
from flask.testing import FlaskClient
from plex_faults import status
from processes import wait_until
from seen import Seen, browse
from sign_ins import DORA
from werkzeug.test import TestResponse

from wishlist_service import links
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.site.wording import STATES

READ_KEY = "test-read-key-0123456789"
NAME_TAKEN = "Somebody of that name is already here (upper and lower case count as the same)."
HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"
CHANGES = ["/people", "/people/1", "/people/1/link", "/people/1/erase"]
MakeBrowser = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plex is asked many times a second, so that nobody has to wait."""
    monkeypatch.setattr(links, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(links, "LOOK_SECONDS", 0.01)


@pytest.fixture
def pins(household: Household) -> Pins:
    """The PINs of the simulated Plex, where Dora has an account."""
    household.plex.add(DORA, username="dora", rows=[row("d", "Dora's film")])
    return Pins(household.plex)


@pytest.fixture
def browser(household: Household) -> Iterator[MakeBrowser]:
    """A browser before the service with these settings, signed in with this key."""
    apps: list[Any] = []

    def make(key: str = "", *, base: str = "", **settings: Any) -> FlaskClient:
        apps.append(create_app(replace(household.config, url_base=base, **settings)))
        open_app(apps[-1])
        client = apps[-1].test_client()
        client.environ_base["HTTP_ORIGIN"] = "http://localhost"
        if key:
            assert client.post(f"{base}/sign-in", data={"key": key}).status_code == 303
        return client

    yield make
    for app in apps:
        close_app(app)


@pytest.fixture
def keeper(browser: MakeBrowser) -> FlaskClient:
    """The browser of somebody with the API_KEY."""
    return browser(API_KEY)


@pytest.fixture
def ann(household: Household) -> Household:
    """Ann wants Alpha and Beta."""
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    return household


def facts(page: Seen) -> list[str]:
    """What is said of each person in a line."""
    return [element.text for element in page.all("p", class_="facts")]


def states(page: Seen) -> list[str]:
    return [element.text for element in page.all("p", class_="state")]


def fault(reply: TestResponse) -> str:
    """The only fault of the page, which must be told to belong to a field or stand by itself."""
    assert reply.status_code == 422
    page = Seen(reply)
    text = page.one("p", role="alert").text
    fields = [field for field in page.all("input") if field.attributes.get("aria-invalid")]
    assert all(field["aria-describedby"] == "fault" for field in fields)
    return text


def follow(client: FlaskClient, reply: TestResponse) -> Seen:
    """The page that a form has led to."""
    assert reply.status_code == 303, reply.text
    return browse(client, reply.location)


def wait_until_ended(client: FlaskClient, path: str) -> Seen:
    wait_until(lambda: browse(client, path).all("div", id="waiting") == [])
    return browse(client, path)


def test_each_person_is_told_of_with_state_last_read_titles_and_their_wall(ann: Household, client: FlaskClient) -> None:
    ann.add("Ben", [])
    ann.conn.execute("UPDATE plex_users SET last_success_at = '2026-11-24 19:26:09+01'")

    page = browse(client, "/people")

    assert [heading.text for heading in page.all("h2")] == ["Ann", "Ben"]
    assert states(page)[0] == "Up to date. Their list is read regularly."
    assert states(page)[1].startswith("Waiting for the first read. Their list is read within a minute")
    assert facts(page)[0] == "2 titles of Ann · Read 2026-11-24, 18:26 UTC · ann at Plex"
    assert page.all("time")[0]["datetime"] == "2026-11-24T18:26:09Z"
    assert browse(client, page.one("a", href="/?user=1")["href"]).titles == ["Alpha", "Beta"]


def test_every_state_has_a_sentence(ann: Household, client: FlaskClient) -> None:
    [check] = ann.conn.execute(
        "SELECT pg_get_constraintdef(oid) AS def FROM pg_constraint WHERE conname = 'plex_users_state_check'"
    ).fetchall()

    assert set(re.findall(r"'(\w+)'::text", check["def"])) == set(STATES)
    for name, state in STATES.items():
        ann.conn.execute("UPDATE plex_users SET sync_state = %s, sync_detail = 'So said the sync.'", [name])
        page = browse(client, "/people")
        assert states(page) == [f"{state.word}. {state.sentence}"]
        assert page.one("details", class_="said").text.strip().endswith("So said the sync.")
        assert ("One list needs a hand." in page.one("main").text) is (state.kind == "ails")


def test_paused_person_has_no_wall(ann: Household, client: FlaskClient) -> None:
    ann.conn.execute("UPDATE plex_users SET active = false, sync_state = 'token_rejected', sync_detail = 'Refused.'")

    page = browse(client, "/people")

    assert states(page) == ["Paused. What they want is kept, but neither shown nor read."]
    assert facts(page)[0].startswith("2 titles kept · ")
    assert page.all("a", href="/?user=1") == page.all("details") == []


@pytest.mark.parametrize("key", ["", READ_KEY])
def test_who_has_no_key_sees_states_and_the_way_to_sign_in_only(
    ann: Household, browser: MakeBrowser, key: str, pins: Pins
) -> None:
    client = browser(key, read_api_key=key)

    page = browse(client, "/people")

    assert [form["action"] for form in page.all("form")] == (["/sign-out"] if key else [])
    assert page.all("details", class_="changes") == page.all("input") == []
    [way] = [link for link in page.all("a") if "to change things" in link.text]
    assert browse(client, way["href"]).one("input", name="key")
    for path in CHANGES:
        reply = client.post(path, data={"name": "Eve"})
        assert (reply.status_code, reply.location) == ((403, None) if key else (303, "/sign-in?next=%2F"))
    for path in ("/people/1/erase", "/people/link/1"):
        assert client.get(path).status_code == (403 if key else 303)
    assert browse(client, "/people").one("h2").text == "Ann"
    assert pins.made == {}


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://localhost:8080"])
def test_form_of_another_site_changes_nothing(ann: Household, keeper: FlaskClient, pins: Pins, origin: str) -> None:
    for path in CHANGES:
        reply = keeper.post(path, data={"name": "Eve"}, headers={"Origin": origin})
        assert (reply.status_code, Seen(reply).one("h1").text) == (403, "Not allowed")

    assert browse(keeper, "/people").all("h2")[1].text == "Ann"
    assert pins.made == {}


@pytest.mark.parametrize("key", ["", READ_KEY, API_KEY])
def test_hidden_names_are_hidden_here_as_well(ann: Household, browser: MakeBrowser, key: str) -> None:
    ann.conn.execute(
        "UPDATE plex_users SET name = 'Annabella', plex_username = 'anna.plex', sync_state = 'other_account', "
        "sync_detail = 'This token is of the Plex account benjamin.'"
    )
    client = browser(key, names="hidden", read_api_key=READ_KEY if key else "")

    text = client.get("/people").text

    for name in ("Annabella", "anna.plex", "benjamin"):
        assert (name in text) is (key == API_KEY)
    assert ("Person 1" in text) is (key != API_KEY)


def test_what_people_are_called_is_never_markup(household: Household, keeper: FlaskClient, pins: Pins) -> None:
    household.add("Ann", [], token="token-of-ann-0123456789")
    household.conn.execute("UPDATE plex_users SET name = %s, plex_username = %s, sync_detail = %s", [HOSTILE] * 3)
    renewal = keeper.post("/people/1/link").location
    pages = [browse(keeper, path) for path in ("/people", "/people/1/erase", renewal)]
    pages.append(Seen(keeper.post("/people", data={"name": HOSTILE})))
    pages.append(Seen(keeper.post("/people/1", data={"name": HOSTILE * 2})))

    for page in pages:
        assert [re.sub(r"\?.*", "", script["src"]) for script in page.all("script")] == ["/static/script.js"]
        assert [name for element in page.elements for name in element.attributes if name.startswith("on")] == []
        assert [element for element in page.elements if "style" in (element.name, *element.attributes)] == []
        assert HOSTILE in page.one("main").text


def test_person_who_agrees_is_added_by_link(keeper: FlaskClient, pins: Pins) -> None:
    started = keeper.post("/people", data={"name": " Dora "})
    page = follow(keeper, started)
    [pin] = pins.made.values()

    assert page.one("h1").text == "A link for Dora"
    address = page.all("code")[0].text
    assert address.startswith(f"https://app.plex.tv/auth#?clientID={pin.client_identifier}&code={pin.code}")
    assert page.one("a", href=address).text == "Open it here"
    assert page.all("code")[1].text == pin.code
    assert len(page.all("svg", class_="qr")) == 1
    assert page.all("meta", **{"http-equiv": "refresh"}) == []
    pins.agree(pin.code, DORA)
    ended = wait_until_ended(keeper, started.location)
    assert ended.one("h1").text == "Dora has signed in"
    assert "of the account dora." in ended.one("main").text
    assert pin.code not in keeper.get(started.location).text
    assert ended.one("a", href="/?user=1").text == "What Dora wants"


def test_refused_token_is_renewed_and_every_wish_kept(ann: Household, keeper: FlaskClient, pins: Pins) -> None:
    ann.plex.people["new-token-of-ann-01234567"] = ann.plex.people.pop("token-of-ann-0123456789")
    ann.sync()
    assert states(browse(keeper, "/people"))[0].startswith("Has to sign in again.")

    started = keeper.post("/people/1/link")
    assert "with the same account as before" in follow(keeper, started).one("main").text
    pins.agree(next(iter(pins.made)), "new-token-of-ann-01234567")
    wait_until_ended(keeper, started.location)

    assert states(browse(keeper, "/people"))[0].startswith("Waiting for the first read.")
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
        assert "Nobody agreed at Plex in time." in text
    else:
        assert ("list is read from ann" if renewed else "is already here, it belongs to Ann") in text
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
        ("a\x07b", "The name must not hold control characters or broken Unicode."),
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


def test_person_is_renamed_paused_and_resumed(ann: Household, keeper: FlaskClient) -> None:
    renamed = keeper.post("/people/1", data={"name": "Anna"})
    assert renamed.location == "/people#person-1"
    assert follow(keeper, renamed).all("h2")[1].text == "Anna"

    follow(keeper, keeper.post("/people/1", data={"active": "false"}))
    assert browse(keeper, "/").titles == []
    [button] = browse(keeper, "/people").all("button", name="active")
    assert (button.text, button["value"]) == ("Resume Anna", "true")

    page = follow(keeper, keeper.post("/people/1", data={"active": "true"}))
    assert [(button.text, button["value"]) for button in page.all("button", name="active")] == [("Pause Anna", "false")]
    assert browse(keeper, "/").titles == ["Alpha", "Beta"]


def test_person_is_erased_once_asked_about(ann: Household, keeper: FlaskClient) -> None:
    ann.add("Ben", [row("1", "Alpha")])
    ann.sync()

    asked = browse(keeper, "/people/1/erase")

    assert asked.one("h1").text == "Erase Ann?"
    assert "every wish of theirs, 2 titles now" in asked.one("main").text
    assert browse(keeper, "/").titles == ["Alpha", "Beta"]
    page = follow(keeper, keeper.post(asked.all("form")[-1]["action"]))
    assert [heading.text for heading in page.all("h2")] == ["Add somebody", "Ben"]
    assert browse(keeper, "/").titles == ["Alpha"]


def test_who_is_not_here_is_not_found(keeper: FlaskClient, pins: Pins) -> None:
    for path in ("/people/7", "/people/7/link", "/people/7/erase"):
        assert Seen(keeper.post(path)).one("h1").text == "Not here"
    for path in ("/people/7/erase", "/people/link/7"):
        assert Seen(keeper.get(path)).one("h1").text == "Not here"
    assert pins.made == {}


@pytest.mark.parametrize("key", ["", API_KEY])
def test_without_people_the_page_says_what_to_do(browser: MakeBrowser, key: str) -> None:
    client = browser(key)

    page = browse(client, "/people")

    assert page.one("h1").text == "Nobody is here yet"
    assert ("Add somebody" in page.one("main").text) is bool(key)
    assert browse(client, "/").all("a", href="/people")[-1].text == "Add the first person"


def test_many_people_come_in_pages_that_changing_one_does_not_leave(household: Household, keeper: FlaskClient) -> None:
    for number in range(1, 53):
        household.add(f"Person {number:02}", [])

    first = browse(keeper, "/people")
    second = browse(keeper, first.one("a", rel="next")["href"])

    assert len(first.all("li", class_="person")) == 50
    assert [heading.text for heading in second.all("h2")[1:]] == ["Person 51", "Person 52"]
    path = "/people/51?offset=50"
    assert path in [form["action"] for form in second.all("form")]
    assert keeper.post(path, data={"name": "Zoe"}).location == "/people?offset=50#person-51"
    assert "Person 52" in keeper.post(path, data={"name": "Person 01"}).text


@pytest.mark.parametrize("base", ["", "/plex-wishlist"])
def test_everything_stays_under_the_path(ann: Household, browser: MakeBrowser, pins: Pins, base: str) -> None:
    client = browser(API_KEY, base=base)
    link = client.post(f"{base}/people", data={"name": "Dora"}).location

    assert link == f"{base}/people/link/1"
    assert client.post(f"{base}/people/1", data={"name": "Anna"}).location == f"{base}/people#person-1"
    for path in (f"{base}/people", f"{base}/people/1/erase", link):
        reply = client.get(path)
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        for element in Seen(reply).elements:
            for name in ("href", "src", "action"):
                address = element.attributes.get(name, "#")
                outside = address.startswith("https://app.plex.tv/") and element.name == "a"
                assert address.startswith((f"{base}/", "#")) or outside, address
