"""The page of people, by links and forms alone: how each list is, and who may change what."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from flask.testing import FlaskClient

from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household, token_of
from tests.support.readers import PrepareOnce
from tests.support.seen import Seen, browse, follow
from tests.support.slow import first_quick
from tests.support.visitors import HOSTILE, READ_KEY, visitor
from wishlist_service.pages.wording import STATES

CHANGES = ["/people", "/people/1", "/people/1/invite", "/people/1/erase", "/people/invitations/1/withdraw"]

MakeBrowser = Callable[..., FlaskClient]


@pytest.fixture
def pins(household: Household) -> Pins:
    """The PINs of the simulated Plex."""
    return Pins(household.plex)


@pytest.fixture
def browser(household: Household) -> Iterator[MakeBrowser]:
    """A browser before the service with these settings, signed in with this key."""
    with ExitStack() as stack:
        yield lambda key="", **settings: stack.enter_context(visitor(household, key=key, **settings))


@pytest.fixture
def keeper(browser: MakeBrowser) -> FlaskClient:
    """The browser of somebody with the API_KEY."""
    return browser(API_KEY)


@pytest.fixture(scope="module")
def ann_template(prepare_once: PrepareOnce) -> str:
    def prepare(household: Household) -> None:
        household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
        household.sync()

    return prepare_once(prepare)


@pytest.fixture
def ann(household: Household, ann_template: str) -> Household:
    """Ann wants Alpha and Beta."""
    household.plex.add(token_of("Ann"), username="ann", rows=[row("1", "Alpha"), row("2", "Beta")])
    return household


def facts(page: Seen) -> list[str]:
    """What is said of each person in a line."""
    return [element.text for element in page.all("p", class_="facts")]


def states(page: Seen) -> list[str]:
    return [element.text for element in page.all("p", class_="state")]


def test_each_person_is_told_of_with_state_last_read_titles_and_their_wall(ann: Household, client: FlaskClient) -> None:
    ann.add("Ben", [])
    ann.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '5 h'")

    page = browse(client, "/people")

    assert [heading.text for heading in page.all("h2")] == ["Ann", "Ben"]
    assert states(page)[0] == "Up to date. Their list is read regularly."
    assert states(page)[1].startswith("Waiting for the first read. Their list is read within a minute")
    assert facts(page)[0].replace("\N{NO-BREAK SPACE}", " ") == "2 titles of Ann · Last read 5 h ago · ann at Plex"
    assert page.all("time")[0]["datetime"][-1] == "Z"
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
        assert "So said the sync." in page.one("details", class_="said").text
        assert ("One list needs your help." in page.one("main").text) is (state.level == "action")


def test_paused_person_has_no_wall(ann: Household, client: FlaskClient) -> None:
    ann.conn.execute("UPDATE plex_users SET active = false, sync_state = 'token_rejected', sync_detail = 'Refused.'")

    page = browse(client, "/people")

    assert states(page) == ["Paused. Their wishes are kept but not shown, and their list is not read."]
    assert facts(page)[0].startswith("2 titles kept · ")
    assert page.all("a", href="/?user=1") == page.all("details") == []


@pytest.mark.parametrize("key", first_quick(1, ["", READ_KEY]))
def test_who_has_no_key_sees_states_and_the_way_to_sign_in_only(
    ann: Household, browser: MakeBrowser, key: str, pins: Pins
) -> None:
    client = browser(key, read_api_key=key)

    page = browse(client, "/people")

    assert [form["action"] for form in page.all("form")] == (["/sign-out"] if key else [])
    assert page.all("details", class_="changes") == page.all("input") == []
    [way] = [link for link in page.all("a") if "to add and change people" in link.text]
    assert browse(client, way["href"]).one("input", name="key")
    for path in CHANGES:
        reply = client.post(path, data={"name": "Eve"})
        assert (reply.status_code, reply.location) == ((403, None) if key else (303, "/sign-in?next=%2F"))
    assert client.get("/people/1/erase").status_code == (403 if key else 303)
    assert browse(client, "/people").one("h2").text == "Ann"
    assert pins.made == {}


@pytest.mark.parametrize("origin", first_quick(1, ["https://evil.test", "null", "http://localhost:8080"]))
def test_form_of_another_site_changes_nothing(ann: Household, keeper: FlaskClient, pins: Pins, origin: str) -> None:
    for path in CHANGES:
        reply = keeper.post(path, data={"name": "Eve"}, headers={"Origin": origin})
        assert (reply.status_code, Seen(reply).one("h1").text) == (403, "Not allowed")

    assert browse(keeper, "/people").all("h2")[1].text == "Ann"
    assert pins.made == {}


@pytest.mark.parametrize("key", first_quick(1, ["", READ_KEY, API_KEY]))
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


@pytest.mark.slow
def test_what_people_are_called_is_never_markup(household: Household, keeper: FlaskClient, pins: Pins) -> None:
    household.add("Ann", [], token="token-of-ann-0123456789")
    household.conn.execute("UPDATE plex_users SET name = %s, plex_username = %s, sync_detail = %s", [HOSTILE] * 3)
    pages = [browse(keeper, path) for path in ("/people", "/people/1/erase")]
    pages.append(Seen(keeper.post("/people/1/invite")))
    pages.append(Seen(keeper.post("/people", data={"name": f"{HOSTILE} II"})))
    pages.append(Seen(keeper.post("/people", data={"name": HOSTILE, "days": HOSTILE})))
    pages.append(Seen(keeper.post("/people/1", data={"name": HOSTILE * 2})))

    for page in pages:
        assert [re.sub(r"\?.*", "", script["src"]) for script in page.all("script")] == ["/static/script.js"]
        assert [name for element in page.elements for name in element.attributes if name.startswith("on")] == []
        assert [element for element in page.elements if "style" in (element.name, *element.attributes)] == []
        assert HOSTILE in page.one("main").text


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
    assert "all their current and past wishes (2 titles now)" in asked.one("main").text
    assert browse(keeper, "/").titles == ["Alpha", "Beta"]
    page = follow(keeper, keeper.post(asked.all("form")[-1]["action"]))
    assert [heading.text for heading in page.all("h2")] == ["Invite people", "Ben"]
    assert browse(keeper, "/").titles == ["Alpha"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    first_quick(
        1,
        [
            ("ANN", "Another person has this name (upper and lower case count as the same). Choose another one."),
            ("x" * 101, "The name must have 1 to 100 characters."),
            ("a\x07b", "The name must not hold control characters or invalid Unicode."),
        ],
    ),
)
def test_name_that_cannot_be_is_said_beside_the_form(
    ann: Household, keeper: FlaskClient, name: str, sentence: str
) -> None:
    ann.add("Ben", [])
    added = Seen(keeper.post("/people", data={"name": name}))
    renamed = Seen(keeper.post("/people/2", data={"name": name}))

    for page, field in ((added, "name"), (renamed, "name-2")):
        assert page.one("p", role="alert").text == sentence
        [wrong] = page.all("input", **{"aria-invalid": "true"})
        assert (wrong["id"], wrong["value"], wrong["aria-describedby"]) == (field, name, "error")
    assert ["open" in part.attributes for part in renamed.all("details", class_="changes")] == [False, True]
    assert [person["name"] for person in ann.conn.execute("SELECT name FROM plex_users ORDER BY id")] == ["Ann", "Ben"]
    assert ann.conn.execute("SELECT FROM invitations").rowcount == 0


def test_page_of_a_fault_can_be_loaded_again(ann: Household, keeper: FlaskClient) -> None:
    faulty = keeper.post("/people/1", data={"name": ""})

    assert faulty.status_code == 422
    for path in ("/people/1", "/people/1/invite"):
        again = keeper.get(path)
        assert (again.status_code, again.headers["Location"]) == (303, "/people#person-1")


def test_who_is_not_here_is_not_found(keeper: FlaskClient, pins: Pins) -> None:
    for path in ("/people/7", "/people/7/invite", "/people/7/erase", "/people/invitations/7/withdraw"):
        assert Seen(keeper.post(path)).one("h1").text == "Not found"
    assert Seen(keeper.get("/people/7/erase")).one("h1").text == "Not found"
    assert pins.made == {}


@pytest.mark.parametrize("key", ["", API_KEY])
def test_without_people_the_page_says_what_to_do(household: Household, browser: MakeBrowser, key: str) -> None:
    client = browser(key)

    page = browse(client, "/people")

    assert page.one("h1").text == "No one has been added yet"
    household.conn.execute("UPDATE sync_state SET claimed = true")
    assert ("Invite people" in [heading.text for heading in page.all("h2")]) is bool(key)
    assert browse(client, "/").all("a", href="/people")[-1].text == "Add the first person"


@pytest.mark.slow
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


@pytest.mark.parametrize("base", first_quick(1, ["", "/plex-wishlist"]))
def test_everything_stays_under_the_path(ann: Household, browser: MakeBrowser, pins: Pins, base: str) -> None:
    client = browser(API_KEY, url_base=base)
    made = client.post(f"{base}/people", data={"name": "Dora"})

    assert f"http://localhost{base}/join/" in made.text
    assert client.post(f"{base}/people/1", data={"name": "Anna"}).location == f"{base}/people#person-1"
    for reply in (made, client.get(f"{base}/people"), client.get(f"{base}/people/1/erase")):
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        for element in Seen(reply).elements:
            for name in ("href", "src", "action"):
                address = element.attributes.get(name, "#")
                outside = address.startswith("https://app.plex.tv/") and element.name == "a"
                assert address.startswith((f"{base}/", "#")) or outside, address
