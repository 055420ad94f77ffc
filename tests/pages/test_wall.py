"""The wall: the list of the API as a page, for anybody, with nothing but links and a form."""

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household, add_three_people
from tests.support.readers import Share, Shared
from tests.support.seen import Seen, browse

QUERIES = [
    "",
    "?search=a",
    "?media_type=show",
    "?year=1999",
    "?user=1",
    "?user=1&user=2&match=all",
    "?user=1&user=2",
    "?min_wanted=2",
    "?status=removed",
    "?status=all&sort=title&order=desc",
    "?genre=drama",
    "?available=true",
    "?missing=tvdb",
    "?sort=year",
    "?limit=2",
    "?limit=2&offset=1",
]


@pytest.fixture(scope="module")
def known(share: Share) -> Shared:
    """The household of `filled`, where more is known of Alpha."""

    def prepare(household: Household) -> None:
        add_three_people(household)
        household.conn.execute("UPDATE wishlist_items SET genres = '{Drama}', available = true WHERE title = 'Alpha'")

    return share(prepare)


@pytest.mark.parametrize("query", QUERIES)
def test_wall_shows_what_the_api_lists_for_the_same_query(known: Shared, query: str) -> None:
    client = known.client()

    page, listed = browse(client, f"/{query}"), client.get(f"/api/wishlist{query}").json

    assert page.titles == [item["title"] for item in listed["items"]]
    assert page.one("span", id="count").text.split()[0] == str(listed["total"])


def test_each_poster_says_what_it_is_and_who_wants_it(reader: FlaskClient) -> None:
    page = browse(reader, "/?search=alpha")

    image = page.one("img", referrerpolicy="no-referrer")
    assert (image["alt"], image["width"], image["height"], image["referrerpolicy"]) == ("", "200", "300", "no-referrer")
    assert image["src"] == (
        "https://images.plex.tv/photo?size=medium-360&scale=1&url="
        "https%3A%2F%2Fimage.example.test%2F000000000000000000000001.jpg"
    )
    assert page.one("span", class_="tile").text == "Alpha1999"
    who = page.one("details", class_="who")
    assert "Wanted by Ann and Ben" in who.text
    assert page.one("summary", title="Ann and Ben").text.endswith("AnBe")
    assert page.one("p", class_="facts").text == "1999"


def test_people_keep_their_colours_on_every_page(reader: FlaskClient, shared_filled: Shared) -> None:
    pages = [browse(reader, path) for path in ("/", "/?sort=title", "/title/" + "0" * 23 + "1")]

    colours = [{chip.text: chip["class"] for chip in page.all("i") if chip.text == "Be"} for page in pages]
    assert colours == [{"Be": f"chip c{shared_filled.household.user('Ben')['id'] % 12}"}] * 3


@pytest.fixture(scope="module")
def long_list(share: Share) -> Shared:
    """Ann wants 120 titles."""

    def prepare(household: Household) -> None:
        household.add("Ann", [row(f"{n:x}", f"Title {n}") for n in range(1, 121)])
        household.sync()

    return share(prepare)


@pytest.mark.parametrize("query", ["media_type=movie&sort=title", "limit=30", "limit=30&sort=random&seed=3"])
def test_pages_are_read_one_after_the_other_by_links(long_list: Shared, query: str) -> None:
    client = long_list.client()

    seen: list[str] = []
    path = f"/?{query}"
    while path:
        page = browse(client, path)
        seen += page.titles
        path = "/" + page.one("a", id="more")["href"] if page.all("a", id="more") else ""

    assert len(seen) == len(set(seen)) == 120
    assert page.one("p", class_="first").text.strip() == "Back to the first titles"
    assert page.all("a", href=f"?{query}") != []


def test_form_shows_what_it_filtered_by(reader: FlaskClient) -> None:
    page = browse(reader, "/?search=a&user=1&user=2&match=all&media_type=movie&min_wanted=2&year=1999&missing=tvdb")

    assert page.fields("search", "user", "match", "media_type", "min_wanted", "year", "missing") == {
        "search": ["a"],
        "user": ["1", "2"],
        "match": ["all"],
        "media_type": ["movie"],
        "min_wanted": ["2"],
        "year": ["1999"],
        "missing": ["tvdb"],
    }
    assert "hidden" not in page.one("a", id="clear").attributes


@pytest.mark.slow
def test_person_beyond_those_offered_stays_chosen(household: Household, client: FlaskClient) -> None:
    for n in range(41):
        household.add(f"Guest {n}", [row("1", "Alpha")])
    household.sync()
    last = str(household.user("Guest 40")["id"])

    page = browse(client, f"/?user={last}")

    assert len(page.all("input", name="user", type="checkbox")) == 40
    assert page.fields("user") == {"user": [last]}
    assert "+37" in page.one("details", class_="who").text


def test_fields_left_empty_are_no_part_of_the_address(reader: FlaskClient) -> None:
    reply = reader.get("/?search=&media_type=&sort=title&year=&user=1&user=2&genre=")
    bare = reader.get("/?search=&sort=")

    assert (reply.status_code, reply.location) == (302, "/?sort=title&user=1&user=2")
    assert (bare.status_code, bare.location) == (302, "/")


@pytest.mark.parametrize("query", ["year=x", "user=999", "sort=nonsense", "after=x", "nonsense=1", "year=1&year=2"])
def test_wrong_filter_is_told_in_a_page(reader: FlaskClient, query: str) -> None:
    reply, problem = reader.get(f"/?{query}"), reader.get(f"/api/wishlist?{query}")

    assert reply.status_code == problem.status_code == 422
    told = Seen(reply).one("main").text
    assert all(error["field"] in told and error["detail"] in told for error in problem.json["errors"])
    assert problem.mimetype == "application/problem+json"


def test_nothing_matches_says_how_to_go_on(reader: FlaskClient) -> None:
    page = browse(reader, "/?search=zzz")

    assert page.one("h2").text == "Nothing matches"
    assert page.one("div", class_="nothing").text.count("Clear filters") == 1
    assert page.titles == []


def test_empty_walls_say_what_to_do_next(household: Household, client: FlaskClient) -> None:
    def heading() -> str:
        return browse(client).one("h1").text

    for path in ("/?apikey=anything", "/?search=alpha&sort=title", "/"):
        assert browse(client, path).one("h1").text == "Sign in with Plex to begin"

    ann = household.add("Ann", [])
    assert heading() == "No watchlist has been read yet"

    run = household.conn.execute(
        "UPDATE plex_users SET sync_state = 'token_rejected', sync_detail = 'Ask Ann for a new token.'"
    )
    assert run.rowcount == 1
    assert "Ann: Ask Ann for a new token." in browse(client).one("main").text

    household.sync()
    assert heading() == "No one wants anything now"

    ann.rows = [row("1", "Alpha")]
    household.sync()
    assert browse(client).titles == ["Alpha"]


def test_page_is_kept_until_the_wishlist_changes(filled: Household, client: FlaskClient) -> None:
    first = client.get("/")

    same = client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    filled.conn.execute("UPDATE plex_users SET name = 'Anna' WHERE name = 'Ann'")
    changed = client.get("/", headers={"If-None-Match": first.headers["ETag"]})

    assert (same.status_code, same.data) == (304, b"")
    assert changed.status_code == 200
    assert "Anna" in changed.text


def test_fifty_titles_are_less_than_60_kb(household: Household, client: FlaskClient) -> None:
    rows = [
        row(f"{n:x}", f"A Title of Quite Ordinary Length {n}", thumb=f"https://metadata-static.plex.tv/{'e' * 60}.jpg")
        for n in range(1, 61)
    ]
    for name in ("Annabella", "Benedict", "Cleo", "Dora", "Emilia"):
        household.add(name, rows)
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET genres = '{Drama,Science Fiction}', available = true")

    reply = client.get("/")

    assert len(Seen(reply).titles) == 50
    assert len(reply.data) < 60_000
