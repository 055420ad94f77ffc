"""Pages made for a household: New, Tonight, who looks at them, and the home screen."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household, add_three_people
from tests.support.processes import gunicorn, request, settings_for
from tests.support.readers import Share, Shared
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from tests.support.visitors import READ_KEY, visitor
from wishlist_service.pages.wording import letters_of

OURS = {"Sec-Fetch-Site": "same-origin"}


def fill_library(household: Household) -> None:
    add_three_people(household)
    household.conn.execute(
        """
        UPDATE wishlist_items
           SET available = true, available_since = now(), play_url = 'https://app.plex.tv/desktop/#!/server/x/details?key=1'
         WHERE title IN ('Alpha', 'Gamma_Ray', 'Epsilon')
        """
    )


@pytest.fixture(scope="module")
def library(share: Share) -> Iterator[Flask]:
    """A service with a media server, which has Alpha and Gamma_Ray."""
    household = share(fill_library).household
    with visitor(household, plex_server_url="http://127.0.0.1:9", plex_server_token="token") as client:
        yield client.application


@pytest.fixture
def with_library(library: Flask) -> FlaskClient:
    """A visitor of it."""
    client = library.test_client()
    client.environ_base["HTTP_ORIGIN"] = "http://localhost"
    return client


# ---- New


def test_new_shows_who_joined_in_one_line_and_later_wishes_as_posters(client: FlaskClient, filled: Household) -> None:
    filled.plex.people["token-of-ben-0123456789"].rows += [row("3", "Gamma_Ray", year=None), row("9", "Iota")]
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("5", "Epsilon")]
    filled.sync()

    page = browse(client, "/new")
    text = " ".join(page.one("main").text.split())

    assert page.all("h2")[0].text == "Today"
    for sentence in (
        "Ann joined with 3 titles.",
        "Ben wants it too",
        "Ben wants it",
        "Cleo wants it again: it came back",
    ):
        assert sentence in text
    assert set(page.titles) == {"Gamma_Ray", "Iota", "Epsilon"}
    assert "New to you" not in text


def test_new_tells_what_the_library_has_now_and_not_what_was_dismissed_or_is_old(
    client: FlaskClient, filled: Household
) -> None:
    filled.conn.execute("UPDATE wishlist_items SET available = true, available_since = now() WHERE title = 'Alpha'")
    filled.conn.execute(
        "UPDATE wishlist_items SET available = true, available_since = now(), dismissed_at = now() WHERE title ~ '^b'"
    )
    filled.conn.execute(
        "UPDATE wishlist_items SET available = true, available_since = now() - interval '9 days' WHERE title LIKE 'G%'"
    )
    filled.conn.execute("UPDATE wishlist_events SET happened_at = happened_at - interval '8 days'")

    page = browse(client, "/new")

    assert page.titles == ["Alpha"]
    assert "In the library now" in page.one("main").text
    assert "joined" not in page.one("main").text


def test_what_is_new_since_the_last_visit_is_marked(client: FlaskClient, filled: Household) -> None:
    assert "New to you" not in browse(client, "/new").one("main").text
    filled.conn.execute(
        "UPDATE wishlist_items SET available = true, available_since = now() + interval '5 s' WHERE title = 'Alpha'"
    )

    assert browse(client, "/new").one("main").text.count("New to you") == 1


@pytest.mark.slow
def test_days_are_those_of_the_time_zone_of_the_service(filled: Household) -> None:
    moment = datetime.now(UTC).replace(hour=22, minute=30) - timedelta(days=3)
    filled.conn.execute(
        "UPDATE wishlist_items SET available = true, available_since = %s WHERE title = 'Alpha'", [moment]
    )
    filled.conn.execute("UPDATE wishlist_events SET happened_at = '2020-01-01'")

    def heading(zone: str) -> str:
        with gunicorn(settings_for(filled, TZ=zone)) as (_, address):
            return request("GET", f"{address}/new").body.decode().partition("<h2>")[2].partition("</h2>")[0]

    in_utc, in_kiribati = moment.date(), (moment + timedelta(hours=14)).date()
    assert heading("UTC") == f"{in_utc:%A}, {in_utc.day} {in_utc:%B}"
    assert heading("Pacific/Kiritimati") == f"{in_kiribati:%A}, {in_kiribati.day} {in_kiribati:%B}"


def test_nothing_new_says_so(client: FlaskClient) -> None:
    assert "Nothing is new this week" in browse(client, "/new").one("main").text


# ---- Tonight


def test_tonight_needs_a_media_server_and_names_the_setting(reader: FlaskClient) -> None:
    page = browse(reader, "/tonight")

    assert "PLEX_SERVER_URL" in page.one("main").text
    assert page.titles == []


def test_tonight_shows_what_is_there_and_wanted_the_most_wanted_first(with_library: FlaskClient) -> None:
    assert browse(with_library, "/tonight").titles == ["Alpha", "Gamma_Ray"]
    assert browse(with_library, "/tonight?user=2").titles == ["Alpha"]
    assert browse(with_library, "/tonight?user=3").titles == []
    assert browse(with_library, "/tonight?user=1&user=2").titles == ["Alpha", "Gamma_Ray"]
    assert browse(with_library, "/tonight?user=2").fields("user") == {"user": ["2"]}


def test_one_is_picked_and_the_address_shows_the_same_to_others(with_library: FlaskClient) -> None:
    address = next(link["href"] for link in browse(with_library, "/tonight?user=1").all("a") if link.text == "Pick one")
    assert parse_qs(urlsplit(address).query).keys() == {"user", "seed"}

    first, again = browse(with_library, address), browse(with_library, address)
    another = next(link["href"] for link in first.all("a") if link.text == "Another")
    second = browse(with_library, another)
    third = browse(with_library, next(link["href"] for link in second.all("a") if link.text == "Another"))

    names = [page.one("h2").text for page in (first, again, second, third)]
    assert names[0] == names[1] == names[3] != names[2]
    assert {names[0], names[2]} == {"Alpha", "Gamma_Ray"}
    play = next(link for link in first.all("a") if link.text == "Play in Plex")
    assert play["href"].startswith("https://app.plex.tv/desktop/#!/server/")
    seed = parse_qs(urlsplit(address).query)["seed"][0]
    listed = with_library.get(f"/api/wishlist?user=1&available=true&sort=random&seed={seed}").json["items"]
    assert [item["title"] for item in listed] == [names[0], names[2]]


@pytest.mark.parametrize("query", ["user=99", "seed=-1", "seed=x", "offset=1", "colour=red"])
def test_wrong_address_of_tonight_is_explained(with_library: FlaskClient, query: str) -> None:
    assert with_library.get(f"/tonight?{query}").status_code == 422


# ---- who are you?


def choose(client: FlaskClient, user: str, going_to: str = "/") -> None:
    reply = client.post("/who", data={"user": user, "next": going_to}, headers=OURS)
    assert (reply.status_code, reply.location) == (303, going_to)


def test_first_visit_asks_and_the_answer_is_remembered(reader: FlaskClient) -> None:
    first = reader.get("/")
    assert [button.text.split()[-1] for button in Seen(first).all("button", name="user")] == ["Ann", "Ben", "else"]

    choose(reader, "2", "/?sort=title")
    mine = reader.get("/")
    page = Seen(mine)

    assert page.all("button", name="user") == []
    assert [label.text.split()[-1] for label in page.all("label", class_="one")] == ["Mine", "Ann"]
    assert page.all("input", name="user")[0]["value"] == "2"
    assert len(page.all("li", class_="mine")) == 2
    assert mine.headers["ETag"] != first.headers["ETag"]
    assert "Cookie" in mine.headers["Vary"]
    assert mine.headers["Cache-Control"] == "private, no-cache"


def test_somebody_else_is_not_asked_again_and_can_change_it(reader: FlaskClient) -> None:
    choose(reader, "0")
    page = browse(reader)
    assert page.all("button", name="user") == []
    assert page.all("li", class_="mine") == []

    assert "You are Somebody else on this device" in browse(reader, "/people").one("main").text
    choose(reader, "")
    assert len(browse(reader).all("button", name="user")) == 3


def test_cookie_gives_no_rights(shared_filled: Shared) -> None:
    with visitor(shared_filled.household, read_api_key=READ_KEY) as client:
        choose(client, "1")
        assert client.get("/").status_code == 303
        assert client.get("/api/wishlist").status_code == 401
        assert client.post("/syncs").status_code == 303


@pytest.mark.parametrize("value", ["99", "x", "-1", "1; drop", "9" * 50, "٣"])
def test_nonsense_in_the_cookie_counts_as_none(reader: FlaskClient, value: str) -> None:
    reader.set_cookie("wishlist_me", value)

    assert len(browse(reader).all("button", name="user")) == 3


@pytest.mark.slow
def test_nobody_is_asked_with_hidden_names_or_alone(household: Household, client: FlaskClient) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    assert browse(client).all("button", name="user") == []
    household.add("Ben", [row("1", "Alpha")])
    household.sync()
    with visitor(household, names="hidden") as hidden:
        hidden.set_cookie("wishlist_me", "1")
        page = browse(hidden)
        assert page.all("button", name="user") == []
        assert "Mine" not in page.one("main").text


def test_another_site_cannot_choose_and_leads_nowhere_else(reader: FlaskClient) -> None:
    assert reader.post("/who", data={"user": "1"}, headers={"Origin": "http://evil.test"}).status_code == 403
    reply = reader.post("/who", data={"user": "1", "next": "//evil.test/"}, headers=OURS)
    assert reply.location == "/"


# ---- chips


@pytest.mark.parametrize(
    ("names", "letters"),
    [
        (["Ann", "Ben"], ["An", "Be"]),
        (["Anna", "Anne"], ["An", "Ae"]),
        (["Anna Berg", "Arno Beck", "Ada Bo"], ["AB", "Ae", "Ao"]),
        (["An", "an", "AN"], ["An", "An2", "AN3"]),
        (["A", "B"], ["A", "B"]),
        (["Zoë Ärmel"], ["ZÄ"]),
    ],
)
def test_letters_tell_people_apart(names: list[str], letters: list[str]) -> None:
    assert list(letters_of(list(enumerate(names))).values()) == letters


@pytest.mark.slow
def test_chips_have_one_order_everywhere(household: Household, client: FlaskClient) -> None:
    for name in ("Zoe", "ann", "Mia"):
        household.add(name, [row("1", "Alpha")])
    household.sync()

    assert browse(client).one("summary", title="ann, Mia and Zoe").text.endswith("AnMiZo")
    assert [heading.text for heading in browse(client, "/people").all("h2")] == ["ann", "Mia", "Zoe"]


# ---- on the home screen


@pytest.mark.parametrize("base", first_quick(1, ["", "/plex-wishlist"]))
def test_manifest_and_icons_are_open_to_all(household: Household, base: str) -> None:
    with visitor(household, read_api_key=READ_KEY, url_base=base) as client:
        page = Seen(client.get(f"{base}/sign-in"))
        manifest = client.get(page.one("link", rel="manifest")["href"])
        icons = [link["href"] for link in page.all("link") if "icon" in link["rel"]]
        document = manifest.json
        icons += [icon["src"] for icon in document["icons"]]
        replies = [client.get(address) for address in icons]

    assert manifest.mimetype == "application/manifest+json"
    assert {icon["sizes"] for icon in document["icons"]} == {"192x192", "512x512"}
    assert {icon["purpose"] for icon in document["icons"]} == {"any", "maskable"}
    assert [reply.status_code for reply in replies] == [200] * len(icons)
    assert sum(reply.data.startswith(b"\x89PNG") for reply in replies) == 5
    assert [shortcut["url"] for shortcut in document["shortcuts"]] == [f"{base}/new", f"{base}/tonight"]
    assert document["start_url"] == document["scope"] == f"{base}/"
    assert all(address.startswith(f"{base}/") for address in icons)


def test_browser_may_load_the_manifest(client: FlaskClient) -> None:
    assert "manifest-src 'self'" in client.get("/").headers["Content-Security-Policy"]
    assert client.get("/favicon.ico").status_code == 200
