"""A title's page: what it is, who wants it since when, and what you can do there with the API_KEY."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_plex import row
from tests.support.household import Household, token_of
from tests.support.keeping import turn
from tests.support.plex_faults import status
from tests.support.readers import PrepareOnce
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from tests.support.taking_off import ALPHA, events, wanted_by
from tests.support.visitors import HOSTILE, keeping, reading, visitor
from wishlist_service.pages.wording import date_in_words

KEY = "5d7768a1c4d3b2001f0a11e1"


GUIDS = [{"id": "imdb://tt0133093"}, {"id": "tmdb://603"}, {"id": "tvdb://169"}]
LANTERN = row(KEY, "The Lantern Keeper", media_type="show", year=2024, Guid=GUIDS)


def want_the_lantern(household: Household) -> None:
    household.add("Ann", [LANTERN])
    household.add("Ben", [LANTERN])
    cleo = household.add("Cleo", [LANTERN, row("1", "Alpha")])
    household.sync()
    cleo.rows = [row("1", "Alpha")]
    household.sync()


@pytest.fixture(scope="module")
def lantern_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(want_the_lantern)


@pytest.fixture
def lantern(household: Household, lantern_template: str) -> Household:
    """Ann and Ben want the Lantern, Cleo wanted it."""
    for name, wanted in {"Ann": LANTERN, "Ben": LANTERN, "Cleo": row("1", "Alpha")}.items():
        household.plex.add(token_of(name), username=name.lower(), rows=[wanted])
    return household


@pytest.mark.parametrize(
    "spelling", first_quick(2, [KEY, f"show/{KEY}", f"plex://show/{KEY}", f"plex%3A%2F%2Fshow%2F{KEY.upper()}"])
)
def test_any_spelling_of_its_uid_leads_to_a_title(lantern: Household, client: FlaskClient, spelling: str) -> None:
    page = Seen(client.get(f"/title/{spelling}"))

    assert page.one("h1").text == "The Lantern Keeper"
    assert page.one("title").text == "The Lantern Keeper (2024) · Wishlist"


def test_title_tells_its_facts_and_where_else_it_is(lantern: Household, client: FlaskClient) -> None:
    lantern.conn.execute(
        "UPDATE wishlist_items SET summary = 'A <b>light</b> goes out.', genres = '{Drama,Sci-Fi & Fantasy}'"
    )

    page = Seen(client.get(f"/title/{KEY}"))

    assert page.one("p", class_="summary").text == "A <b>light</b> goes out."
    assert page.one("p", class_="facts").text == "2024 · Show · PG-13 · Released 31 Mar 2024"
    assert {link.text: link["href"] for link in page.all("a", rel="noreferrer external")} == {
        "IMDb": "https://www.imdb.com/title/tt0133093/",
        "TMDB": "https://www.themoviedb.org/tv/603",
        "TheTVDB": "https://www.thetvdb.com/dereferrer/series/169",
        "Plex": "https://watch.plex.tv/show/the-lantern-keeper",
    }
    assert page.all("a", href="/?genre=Sci-Fi%20%26%20Fantasy") != []
    assert Seen(client.get("/?genre=Sci-Fi%20%26%20Fantasy")).titles[-1] == "The Lantern Keeper"


def test_title_tells_who_wants_it_since_when_and_who_wanted_it(lantern: Household, client: FlaskClient) -> None:
    lantern.conn.execute(
        """
        UPDATE wishlist_item_sources AS wish SET watchlisted_at = '2025-02-03T04:05:06Z'
          FROM plex_users AS person WHERE person.id = wish.user_id AND person.name = 'Ann'
        """
    )

    sources = client.get(f"/api/wishlist/{KEY}").json["sources"]
    page = Seen(client.get(f"/title/{KEY}"))

    said = {" ".join(item.text.split()[1:]) for item in page.all("li") if "since" in item.text or "until" in item.text}
    first, gone = {s["name"]: s["first_added_at"] for s in sources}, {s["name"]: s["removed_at"] for s in sources}
    assert said == {
        "Ann since 3 Feb 2025",
        f"Ben since {date_in_words(first['Ben'])}",
        f"Cleo wanted it until {date_in_words(gone['Cleo'])}",
    }
    assert page.all("time", datetime="2025-02-03T04:05:06Z") != []


@pytest.mark.parametrize(
    ("change", "sentence"),
    first_quick(
        1,
        [
            ("available = true", "In the library: you can watch it now."),
            ("available = false", "Not in the library yet."),
            (
                "dismissed_at = '2026-01-02T12:00:00Z'",
                "Dismissed since 2 Jan 2026. It is not on the wall and in no feed",
            ),
        ],
    ),
)
def test_title_tells_what_became_of_it(lantern: Household, client: FlaskClient, change: str, sentence: str) -> None:
    assert "note" not in [element.attributes.get("class") for element in Seen(client.get(f"/title/{KEY}")).elements]

    lantern.conn.execute(f"UPDATE wishlist_items SET {change}")

    assert sentence in Seen(client.get(f"/title/{KEY}")).one("main").text


@pytest.mark.slow
def test_title_that_nobody_wants_any_more_still_has_its_page(lantern: Household, client: FlaskClient) -> None:
    for name in ("ann", "ben"):
        lantern.plex.people[f"token-of-{name}-0123456789"].rows = [row("1", "Alpha")]
    lantern.sync()
    lantern.sync()  # lists that shrink to one title are believed the second time

    page = Seen(client.get(f"/title/{KEY}"))

    assert "No one has wanted it since" in page.one("main").text
    assert client.get("/?status=removed").text.count("The Lantern Keeper") > 0


TITLE = f"/title/movie/{ALPHA}"

POSTS = ["dismiss", "restore", "watchlists?user=1", "wishes/1/end"]


@pytest.fixture
def keeper(filled: Household) -> Iterator[FlaskClient]:
    with keeping(filled) as client:
        yield client


def press(client: FlaskClient, page: Seen, button: str) -> Seen:
    """The page after pressing a button, which a redirect leads to unless it is shown at once."""
    addresses = [address for address, name in forms(page) if name.startswith(button)]
    reply = client.post(addresses[0])
    assert reply.status_code in (200, 303, 502), reply.text
    return browse(client, reply.location) if reply.status_code == 303 else Seen(reply)


def forms(page: Seen) -> list[tuple[str, str]]:
    """Address and button of each form."""
    found = [element for element in page.elements if element.name in ("form", "button")]
    return [(form["action"], button.text) for form, button in zip(found[::2], found[1::2], strict=True)]


def outcomes(page: Seen) -> list[str]:
    return [" ".join(item.text.split()[1:]) for item in page.all("li")]


def test_title_is_dismissed_and_put_back(keeper: FlaskClient) -> None:
    dismissed = press(keeper, browse(keeper, TITLE), "Dismiss it")
    assert "Dismissed since" in dismissed.one("main").text
    assert "Alpha" not in browse(keeper).titles

    back = press(keeper, dismissed, "Put it back on the wall")
    assert "Dismissed since" not in back.one("main").text
    assert "Alpha" in browse(keeper).titles


def test_taking_off_shows_first_what_would_happen_and_then_what_did(
    keeper: FlaskClient, filled: Household, actions: Actions
) -> None:
    [link] = [link["href"] for link in browse(keeper, TITLE).all("a") if link.text.startswith("Take it off")]

    asked = browse(keeper, link)
    assert outcomes(asked) == [
        f"{name} will no longer have it on their watchlist in Plex, and no longer wants it here. Only {name}"
        for name in ("Ann", "Ben")
    ]
    assert "Nothing has changed yet" in asked.one("main").text
    assert (actions.done, events(filled)) == ([], [])

    done = press(keeper, asked, "Take it off for Ann and Ben")
    assert done.one("h1").text == "Taken off watchlists"
    assert outcomes(done) == [f"{name} no longer has it on their watchlist." for name in ("Ann", "Ben")]
    assert actions.done == [("ann", ALPHA), ("ben", ALPHA)]
    assert [button for _, button in forms(done)] == ["Sign out"]
    assert "No one wants it now" in browse(keeper, link).one("main").text


@pytest.mark.slow
def test_only_those_are_taken_off_who_were_named(
    keeper: FlaskClient, client: FlaskClient, filled: Household, actions: Actions
) -> None:
    asked = browse(keeper, f"{TITLE}/watchlists?user=2")
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("1", "Alpha", year=1999)]
    filled.sync()

    press(keeper, asked, "Take it off for Ben")

    assert actions.done == [("ben", ALPHA)]
    assert wanted_by(client) == ["Ann", "Cleo"]


def test_nobody_named_is_not_everybody(keeper: FlaskClient, actions: Actions) -> None:
    assert keeper.post(f"{TITLE}/watchlists").status_code == 422
    assert keeper.post(f"{TITLE}/watchlists?user=99").status_code == 422
    assert actions.done == []


@pytest.mark.slow
def test_what_plex_did_not_do_is_told_and_can_be_tried_again(
    keeper: FlaskClient, filled: Household, actions: Actions
) -> None:
    actions.faults.append(status(401))

    part = press(keeper, browse(keeper, f"{TITLE}/watchlists"), "Take it off")
    assert part.one("h1").text == "Taken off watchlists"
    assert outcomes(part)[0].startswith("Ann still has it: ")
    assert outcomes(part)[1] == "Ben no longer has it on their watchlist."

    actions.faults.append(status(401))
    [(address, _)] = [form for form in forms(part) if form[1] == "Try again"]
    assert parse_qs(urlsplit(address).query) == {"user": ["1"]}
    none = keeper.post(address)
    assert (none.status_code, Seen(none).one("h1").text) == (502, "Nothing was taken off")
    assert outcomes(press(keeper, Seen(none), "Try again")) == ["Ann no longer has it on their watchlist."]


@pytest.mark.slow
def test_kept_wish_is_ended_and_only_where_one_is_kept(
    keeper: FlaskClient, client: FlaskClient, filled: Household, actions: Actions
) -> None:
    assert not [button for _, button in forms(browse(keeper, TITLE)) if button.startswith("End")]
    turn(filled)
    filled.conn.execute("UPDATE wishlist_item_sources SET kept_at = NULL WHERE user_id = 2")

    page = browse(keeper, TITLE)
    assert [button for _, button in forms(page) if button.startswith("End")] == ["End the wish of Ann"]
    after = press(keeper, page, "End the wish")

    assert wanted_by(client) == ["Ben"]
    assert not [button for _, button in forms(after) if button.startswith("End")]
    reply = keeper.post(f"{TITLE}/wishes/2/end")
    assert (reply.status_code, Seen(reply).one("h1").text) == (409, "Not possible now")
    assert keeper.post(f"{TITLE}/wishes/99/end").status_code == 404


@pytest.mark.slow
def test_title_tells_what_happened_to_it(client: FlaskClient, filled: Household) -> None:
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("1", "Alpha", year=1999), row("5", "Epsilon")]
    filled.sync()

    def told(number: int) -> list[str]:
        page = browse(client, f"/title/{number:024x}")
        return [" ".join(item.text.split()[3:]) for item in page.all("li") if item.text[:1].isdigit()]

    first = "already had it when we first read the list"
    assert told(1) == ["Cleo added it", f"Ben {first}", f"Ann {first}"]
    assert told(5) == ["Cleo wants it again", "Cleo removed it", f"Cleo {first}"]


@pytest.mark.parametrize("path", first_quick(1, POSTS))
def test_who_may_only_look_can_do_nothing(filled: Household, actions: Actions, path: str) -> None:
    before = filled.conn.execute("SELECT generation FROM sync_state").fetchall()
    with reading(filled) as client:
        assert [button for _, button in forms(browse(client, TITLE))] == ["Sign out"]
        assert "Take it off" not in client.get(TITLE).text
        assert client.get(f"{TITLE}/watchlists").status_code == 403
        assert client.post(f"{TITLE}/{path}").status_code == 403
    with visitor(filled) as client:
        assert forms(browse(client, TITLE)) == []
        for reply in (client.get(f"{TITLE}/watchlists"), client.post(f"{TITLE}/{path}")):
            assert (reply.status_code, urlsplit(reply.location).path) == (303, "/sign-in")
    assert filled.conn.execute("SELECT generation FROM sync_state").fetchall() == before
    assert actions.done == []


@pytest.mark.parametrize("path", first_quick(1, POSTS))
def test_no_other_site_does_it(keeper: FlaskClient, filled: Household, actions: Actions, path: str) -> None:
    before = filled.conn.execute("SELECT generation FROM sync_state").fetchall()

    for headers in ({"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": ""}):
        assert keeper.post(f"{TITLE}/{path}", headers=headers).status_code == 403
    assert keeper.get(f"{TITLE}/dismiss").status_code == 405

    assert filled.conn.execute("SELECT generation FROM sync_state").fetchall() == before
    assert actions.done == []


@pytest.mark.parametrize("path", first_quick(1, POSTS))
def test_nothing_is_done_about_a_title_that_nobody_wished_for(keeper: FlaskClient, path: str) -> None:
    reply = keeper.post(f"/title/{9:024x}/{path}")

    assert (reply.status_code, Seen(reply).one("h1").text) == (404, "Not found")


@pytest.mark.slow
def test_hostile_names_and_titles_are_text(keeper: FlaskClient, filled: Household, actions: Actions) -> None:
    filled.conn.execute("UPDATE plex_users SET name = name || %s", [HOSTILE])
    filled.conn.execute("UPDATE wishlist_items SET title = %s", [HOSTILE])
    turn(filled)

    asked = browse(keeper, f"{TITLE}/watchlists")
    for page in (browse(keeper, TITLE), asked, press(keeper, asked, "Take it off")):
        assert len(page.all("script")) == 1
        assert [name for element in page.elements for name in element.attributes if name.startswith("on")] == []
        assert HOSTILE in page.one("main").text


@pytest.mark.slow
def test_all_of_it_works_under_a_path(filled: Household, actions: Actions) -> None:
    base = "/plex-wishlist"
    with keeping(filled, url_base=base) as client:
        page = press(client, browse(client, f"{base}{TITLE}"), "Dismiss it")
        asked = browse(client, f"{base}{TITLE}/watchlists")
        done = press(client, asked, "Take it off")

        for each in (page, asked, done):
            addresses = [link["href"] for link in each.all("a")] + [address for address, _ in forms(each)]
            ours = [address for address in addresses if address.startswith("/")]
            assert {address.split("/")[1] for address in ours} == {"plex-wishlist"}
        assert len(actions.done) == 2
