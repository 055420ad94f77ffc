"""Search by words as people type them; titles sorted as in a catalogue, by the newest wish, and at random."""

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.readers import Share, Shared
from tests.support.slow import first_quick

TITLES = [
    "The Lantern Keeper", "Café at the End of the Pier", "Straße der Träume", "Smørrebrød", "Łódź Calling", "Cælum",
    "100% Wolf", "Snake_Case", "Back\\Slash", "L’Avventura", "ИЁлка", "Œuvre", "Ölüm", "ŠKODA",
]  # fmt: skip


@pytest.fixture(scope="module")
def shelf(share: Share) -> Shared:
    return share(fill_shelf)


def fill_shelf(household: Household) -> None:
    household.add("Ann", [row(f"{n:x}", title) for n, title in enumerate(TITLES, start=1)])
    household.sync()


@pytest.fixture
def reader(shelf: Shared) -> FlaskClient:
    return shelf.client()


def found(client: FlaskClient, search: str) -> list[str]:
    reply = client.get("/api/wishlist", query_string={"search": search})
    assert reply.status_code == 200, reply.text
    assert reply.json["total"] == len(reply.json["items"])
    return [item["title"] for item in reply.json["items"]]


@pytest.mark.parametrize(
    ("search", "title"),
    [
        ("cafe", "Café at the End of the Pier"),
        ("CAFÉ", "Café at the End of the Pier"),
        ("cafe\u0301", "Café at the End of the Pier"),
        ("pier cafe", "Café at the End of the Pier"),
        ("keeper lantern", "The Lantern Keeper"),
        ("keeper  ant", "The Lantern Keeper"),
        ("strasse", "Straße der Träume"),
        ("STRASSE", "Straße der Träume"),
        ("straße", "Straße der Träume"),
        ("STRAẞE traume", "Straße der Träume"),
        ("smorrebrod", "Smørrebrød"),
        ("SMØRREBRØD", "Smørrebrød"),
        ("lodz", "Łódź Calling"),
        ("łódź", "Łódź Calling"),
        ("caelum", "Cælum"),
        ("CÆLUM", "Cælum"),
        ("oeuvre", "Œuvre"),
        ("olum", "Ölüm"),
        ("skoda", "ŠKODA"),
        ("l'avventura", "L’Avventura"),
        ("%", "100% Wolf"),
        ("0%", "100% Wolf"),
        ("wolf %", "100% Wolf"),
        ("_", "Snake_Case"),
        ("e_c", "Snake_Case"),
        ("\\", "Back\\Slash"),
    ],
)
def test_search_finds_words_however_they_are_typed(reader: FlaskClient, search: str, title: str) -> None:
    assert found(reader, search) == [title]


@pytest.mark.parametrize("search", ["lantern pier", "keeperlantern", "caf%", "c_fe", "nothing", "%%", "keeper \\"])
def test_search_needs_every_word_as_it_is(reader: FlaskClient, search: str) -> None:
    assert found(reader, search) == []


def test_feeds_and_persons_search_alike(reader: FlaskClient) -> None:
    feed = reader.get("/feeds/radarr.json?search=keeper+lantern").json
    person = reader.get("/api/users/1/wishlist?search=strasse").json

    assert [movie["title"] for movie in feed] == ["The Lantern Keeper"]
    assert [item["title"] for item in person["items"]] == ["Straße der Träume"]


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=30))
def test_no_search_breaks_anything(reader: FlaskClient, text: str) -> None:
    reply = reader.get("/api/wishlist", query_string={"search": text})

    assert reply.status_code in (200, 422)


@pytest.mark.parametrize("title", TITLES)
def test_title_is_found_by_its_own_words_in_any_order(reader: FlaskClient, title: str) -> None:
    for words in (title.split(), title.upper().split()[::-1]):
        assert title in found(reader, " ".join(words))


def test_titles_are_sorted_without_their_article(client: FlaskClient, household: Household) -> None:
    in_order = [
        "Das Boot", "El Camino", "Le Diable", "The Fall", "Le", "L'Orage", "The", "Theory", "THE THE", "Die Wand",
        "An Xray", "L’Yvette", "Los Zorros",
    ]  # fmt: skip
    household.add("Ann", [row(f"{n:x}", title) for n, title in enumerate(sorted(in_order), start=1)])
    household.sync()

    listed = [item["title"] for item in client.get("/api/wishlist?sort=title").json["items"]]
    backwards = [item["title"] for item in client.get("/api/wishlist?sort=title&order=desc").json["items"]]

    assert [title for title in listed if title not in ("The", "THE THE")] == [
        title for title in in_order if title not in ("The", "THE THE")
    ]
    assert {listed.index("The"), listed.index("THE THE")} == {6, 7}
    assert backwards == listed[::-1]


@pytest.mark.parametrize("title", first_quick(1, ["Il Postino", "Un Prophète", "Dasein", "A-Team", "Ein Fall", "Los"]))
def test_other_words_count(client: FlaskClient, household: Household, title: str) -> None:
    household.add("Ann", [row("1", title), row("2", title[:2] + "\u0020\u0021"), row("3", title + "!")])
    household.sync()

    listed = [item["title"] for item in client.get("/api/wishlist?sort=title").json["items"]]

    assert listed == sorted(listed, key=str.lower)


def test_newest_wish_counts_also_of_a_second_person(client: FlaskClient, household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    household.add("Ben", [row("2", "Beta")])
    household.sync()

    def newest() -> list[tuple[str, str]]:
        items = client.get("/api/wishlist?sort=last_wish_at").json["items"]
        return [(item["title"], item["last_wish_at"]) for item in items]

    household.conn.execute("UPDATE wishlist_item_sources SET first_added_at = '2026-01-01' WHERE user_id = 1")
    household.conn.execute("UPDATE wishlist_item_sources SET first_added_at = '2026-02-01' WHERE user_id = 2")
    assert newest() == [("Beta", "2026-02-01T00:00:00Z"), ("Alpha", "2026-01-01T00:00:00Z")]

    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Ben'")
    assert {moment for _, moment in newest()} == {"2026-01-01T00:00:00Z"}

    household.conn.execute("UPDATE plex_users SET active = true WHERE name = 'Ben'")
    alpha = ann.rows.pop(0)
    household.sync()
    gone = client.get("/api/wishlist?status=removed").json["items"]
    assert [item["last_wish_at"] for item in gone] == ["2026-01-01T00:00:00Z"]

    ann.rows.append(alpha)
    household.sync()
    (title, returned_at), *_ = newest()
    assert title == "Alpha"
    assert returned_at > "2026-02-01T00:00:00Z"


def test_run_counts_wishes_and_not_only_titles(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    ben = household.add("Ben", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    ben.rows.pop()
    household.sync()

    last, second, first = client.get("/api/sync/runs").json["items"]

    assert (first["new_items"], first["added_wishes"], first["removed_wishes"]) == (2, 2, 0)
    assert (second["new_items"], second["added_wishes"], second["removed_wishes"]) == (0, 2, 0)
    assert (last["removed_items"], last["added_wishes"], last["removed_wishes"]) == (0, 0, 1)


def test_same_seed_gives_the_same_random_order(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row(f"{n:x}", f"Title {n}") for n in range(1, 41)])
    household.sync()

    def shown(query: str) -> list[int]:
        reply = client.get(f"/api/wishlist?sort=random&limit=100&{query}")
        assert reply.status_code == 200, reply.text
        return [item["id"] for item in reply.json["items"]]

    orders = [shown(f"seed={seed}") for seed in (0, 1, 2147483647)]

    assert [sorted(order) for order in orders] == [sorted(orders[0])] * 3
    assert len({*map(tuple, orders)}) == 3
    assert sorted(orders[0]) not in orders
    assert shown("seed=1") == orders[1]
    assert shown("seed=1&offset=30") == orders[1][30:]
    assert shown("seed=1&order=desc") == orders[1][::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("sort=random", "seed"),
        ("sort=random&seed=", "seed"),
        ("sort=random&seed=-1", "seed"),
        ("sort=random&seed=2147483648", "seed"),
        ("sort=random&seed=1.5", "seed"),
        ("seed=1", "seed"),
        ("sort=title&seed=1", "seed"),
    ],
)
def test_seed_belongs_to_the_random_order_alone(reader: FlaskClient, query: str, field: str) -> None:
    reply = reader.get(f"/api/wishlist?{query}")

    assert reply.status_code == 422
    assert [error["field"] for error in reply.json["errors"]] == [field]


def test_random_order_is_read_page_by_page(reader: FlaskClient) -> None:
    whole = reader.get("/api/wishlist?sort=random&seed=5").json["items"]
    page = reader.get("/api/wishlist?sort=random&seed=5&limit=4").json
    rest = reader.get(f"/api/wishlist?sort=random&seed=5&after={page['next']}").json["items"]
    other = reader.get(f"/api/wishlist?sort=random&seed=6&after={page['next']}")

    assert page["items"] + rest == whole
    assert (other.status_code, other.json["errors"][0]["field"]) == (422, "after")
