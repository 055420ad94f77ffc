"""A title's page: what it is, where else to find it, who wants it since when."""

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.seen import Seen

KEY = "5d7768a1c4d3b2001f0a11e1"


@pytest.fixture
def lantern(household: Household) -> Household:
    """Ann and Ben want the Lantern, Cleo wanted it."""
    guids = [{"id": "imdb://tt0133093"}, {"id": "tmdb://603"}, {"id": "tvdb://169"}]
    lantern = row(KEY, "The Lantern Keeper", media_type="show", year=2024, Guid=guids)
    household.add("Ann", [lantern])
    household.add("Ben", [lantern])
    cleo = household.add("Cleo", [lantern, row("1", "Alpha")])
    household.sync()
    cleo.rows = [row("1", "Alpha")]
    household.sync()
    return household


@pytest.mark.parametrize("spelling", [KEY, f"show/{KEY}", f"plex://show/{KEY}", f"plex%3A%2F%2Fshow%2F{KEY.upper()}"])
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
    assert page.one("p", class_="facts").text == "2024 · Show · PG-13 · Released 2024-03-31"
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
        "Ann since 2025-02-03",
        f"Ben since {first['Ben'][:10]}",
        f"Cleo wanted it until {gone['Cleo'][:10]}",
    }
    assert page.all("time", datetime="2025-02-03T04:05:06Z") != []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("available = true", "In the library: you can watch it now."),
        ("available = false", "Not in the library yet."),
        ("dismissed_at = '2026-01-02T12:00:00Z'", "Dismissed since 2026-01-02. It is not on the wall and in no feed"),
    ],
)
def test_title_tells_what_became_of_it(lantern: Household, client: FlaskClient, change: str, sentence: str) -> None:
    assert "note" not in [element.attributes.get("class") for element in Seen(client.get(f"/title/{KEY}")).elements]

    lantern.conn.execute(f"UPDATE wishlist_items SET {change}")

    assert sentence in Seen(client.get(f"/title/{KEY}")).one("main").text


def test_title_that_nobody_wants_any_more_still_has_its_page(lantern: Household, client: FlaskClient) -> None:
    for name in ("ann", "ben"):
        lantern.plex.people[f"token-of-{name}-0123456789"].rows = [row("1", "Alpha")]
    lantern.sync()
    lantern.sync()  # lists that shrink to one title are believed the second time

    page = Seen(client.get(f"/title/{KEY}"))

    assert "No one has wanted it since" in page.one("main").text
    assert client.get("/?status=removed").text.count("The Lantern Keeper") > 0
