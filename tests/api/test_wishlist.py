"""The wishlist over the API: filters, sorts, pages, single titles and numbers."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from tests.support.household import Household, add_three_people
from tests.support.readers import Share, Shared


def titles(client: FlaskClient, query: str = "") -> list[str]:
    reply = client.get(f"/api/wishlist?{query}")
    assert reply.status_code == 200, reply.text
    return [item["title"] for item in reply.json["items"]]


def test_empty_wishlist_is_an_empty_page(client: FlaskClient) -> None:
    assert client.get("/api/wishlist").json == {
        "items": [],
        "total": 0,
        "total_is_exact": True,
        "limit": 50,
        "offset": 0,
        "next": None,
    }


def test_item_shows_every_field(reader: FlaskClient, shared_filled: Shared) -> None:
    item = reader.get("/api/wishlist?search=Alpha").json["items"][0]

    added_at, seen_at = item.pop("added_at"), item.pop("last_seen_at")
    assert item.pop("last_wish_at") >= added_at
    first_added = [person.pop("first_added_at") for person in item["wanted_by"]]
    assert item == {
        "id": 1,
        "uid": "plex://movie/000000000000000000000001",
        "first_uid": "plex://movie/000000000000000000000001",
        "media_type": "movie",
        "title": "Alpha",
        "year": 1999,
        "released_on": "1999-03-31",
        "imdb_id": "tt0000001",
        "tmdb_id": 2,
        "tvdb_id": None,
        "poster_url": "https://image.example.test/000000000000000000000001.jpg",
        "plex_url": "https://watch.plex.tv/movie/alpha",
        "content_rating": "PG-13",
        "duration_minutes": None,
        "audience_rating": None,
        "seasons": None,
        "tagline": None,
        "backdrop_url": None,
        "genres": [],
        "available": None,
        "removed_at": None,
        "dismissed_at": None,
        "wanted_count": 2,
        "wanted_by": [
            {"id": 1, "name": "Ann", "watchlisted_at": None},
            {"id": 2, "name": "Ben", "watchlisted_at": None},
        ],
    }
    assert added_at == first_added[0] <= first_added[1] <= seen_at
    assert seen_at == f"{shared_filled.household.user('Ben')['last_success_at']:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=alpha", ["Alpha"]),
        ("search=LPH", ["Alpha"]),
        ("search=%25", ["beta 100%"]),
        ("search=_", ["Gamma_Ray"]),
        ("search=%5C", ["Été à Delta\\"]),
        ("search=ÉTÉ", ["Été à Delta\\"]),
        ("search=E%CC%81te%CC%81", ["Été à Delta\\"]),
        ("search=nothing", []),
        ("year=1999&sort=title", ["Alpha", "Été à Delta\\"]),
        ("media_type=show", ["beta 100%"]),
        ("user=2&sort=title", ["Alpha", "Été à Delta\\"]),
        ("user=1&user=2&sort=title", ["Alpha", "beta 100%", "Gamma_Ray", "Été à Delta\\"]),
        ("user=1&user=2&match=all", ["Alpha"]),
        ("user=2&user=2&match=all&sort=title", ["Alpha", "Été à Delta\\"]),
        ("user=3", []),
        ("user=3&status=removed", ["Epsilon"]),
        ("user=3&status=all&sort=title", ["Epsilon", "Gamma_Ray"]),
        ("min_wanted=2", ["Alpha"]),
        ("min_wanted=3", []),
        ("status=removed", ["Epsilon"]),
        ("status=all&search=silon", ["Epsilon"]),
        ("search=a&year=1999&media_type=movie&user=1&min_wanted=1&status=current", ["Alpha"]),
    ],
)
def test_filters_select(reader: FlaskClient, query: str, expected: list[str]) -> None:
    assert titles(reader, query) == expected
    assert reader.get(f"/api/wishlist?{query}").json["total"] == len(expected)


@pytest.fixture(scope="module")
def known(share: Share) -> Shared:
    """The household of `filled`, where more is known of its titles."""
    return share(know_more)


def know_more(household: Household) -> None:
    add_three_people(household)
    household.conn.execute(
        """
        UPDATE wishlist_items SET genres = '{Drama,Science Fiction}', available = true WHERE title = 'Alpha';
        UPDATE wishlist_items SET genres = '{Drama}' WHERE title = 'Gamma_Ray';
        UPDATE wishlist_items SET available = false, tmdb_id = NULL WHERE title LIKE '%Delta%';
        UPDATE wishlist_items SET dismissed_at = now() WHERE title LIKE 'beta%'
        """
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("genre=DRAMA", ["Gamma_Ray", "Alpha"]),
        ("genre=science%20fiction", ["Alpha"]),
        ("genre=Science", []),
        ("available=true", ["Alpha"]),
        ("available=false", ["Été à Delta\\"]),
        ("missing=tvdb&user=1&genre=drama", ["Gamma_Ray", "Alpha"]),
        ("missing=tmdb", ["Été à Delta\\"]),
        ("missing=imdb", []),
        ("sort=title", ["Alpha", "Gamma_Ray", "Été à Delta\\"]),
        ("status=all&sort=title", ["Alpha", "Epsilon", "Gamma_Ray", "Été à Delta\\"]),
        ("status=removed", ["Epsilon"]),
        ("status=dismissed", ["beta 100%"]),
        ("status=dismissed&genre=drama", []),
    ],
)
def test_what_else_is_known_of_titles_selects_them(known: Shared, query: str, expected: list[str]) -> None:
    page = known.client().get(f"/api/wishlist?{query}").json

    assert sorted(item["title"] for item in page["items"]) == sorted(expected)
    assert (page["total"], page["total_is_exact"]) == (len(expected), True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sort=title", ["Alpha", "beta 100%", "Gamma_Ray", "Été à Delta\\"]),
        ("sort=title&order=desc", ["Été à Delta\\", "Gamma_Ray", "beta 100%", "Alpha"]),
        ("sort=year", ["beta 100%", "Été à Delta\\", "Alpha", "Gamma_Ray"]),
        ("sort=year&order=asc", ["Alpha", "Été à Delta\\", "beta 100%", "Gamma_Ray"]),
        ("sort=released_on", ["beta 100%", "Été à Delta\\", "Alpha", "Gamma_Ray"]),
        ("sort=released_on&order=asc", ["Alpha", "Été à Delta\\", "beta 100%", "Gamma_Ray"]),
        ("sort=wanted_count", ["Alpha", "Été à Delta\\", "beta 100%", "Gamma_Ray"]),
        ("sort=wanted_count&order=asc", ["Gamma_Ray", "beta 100%", "Été à Delta\\", "Alpha"]),
        ("sort=added_at&order=asc", ["Gamma_Ray", "beta 100%", "Alpha", "Été à Delta\\"]),
        ("", ["Été à Delta\\", "Alpha", "beta 100%", "Gamma_Ray"]),
    ],
)
def test_sorts_order_totally_with_the_unknown_last(reader: FlaskClient, query: str, expected: list[str]) -> None:
    # ids settle every tie; they follow the order of uids within one list
    assert titles(reader, query) == expected


@pytest.fixture(scope="module")
def alike(share: Share) -> Shared:
    """A list of titles many of which are the same."""
    return share(want_the_same)


def want_the_same(household: Household) -> None:
    household.add("Ann", [row(f"{n:x}", f"Same title {n % 2}", year=2000 + n % 3) for n in range(1, 24)])
    household.sync()


@pytest.mark.parametrize("sort", ["added_at", "title", "year", "wanted_count", "released_on"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_put_together_are_the_whole_list(alike: Shared, sort: str, order: str) -> None:
    client = alike.client()
    whole = client.get(f"/api/wishlist?sort={sort}&order={order}").json["items"]
    pages = [
        client.get(f"/api/wishlist?sort={sort}&order={order}&limit=5&offset={offset}").json
        for offset in range(0, 30, 5)
    ]

    assert [item for page in pages for item in page["items"]] == whole
    assert len({item["id"] for item in whole}) == 23
    assert {(page["total"], page["limit"]) for page in pages} == {(23, 5)}
    assert [page["offset"] for page in pages] == [0, 5, 10, 15, 20, 25]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=1e2", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("year=0", "year"),
        ("year=99999", "year"),
        ("media_type=artist", "media_type"),
        ("user=0", "user"),
        ("user=999", "user"),
        ("user=1&user=x", "user"),
        ("match=some", "match"),
        ("min_wanted=0", "min_wanted"),
        ("status=deleted", "status"),
        ("sort=rating", "sort"),
        ("order=down", "order"),
        ("search=", "search"),
        ("search=" + "x" * 201, "search"),
        ("search=a%00b", "search"),
        ("page=2", "page"),
        ("limit=5&limit=6", "limit"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused(reader: FlaskClient, query: str, field: str) -> None:
    reply = reader.get(f"/api/wishlist?{query}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


def test_every_fault_is_told_at_once(reader: FlaskClient) -> None:
    reply = reader.get("/api/wishlist?limit=0&sort=x&page=1&user=7")

    assert {fault["field"] for fault in reply.json["errors"]} == {"limit", "sort", "page", "user"}


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"]), min_size=1, max_size=30))
def test_search_for_any_text_takes_it_literally(reader: FlaskClient, text: str) -> None:
    reply = reader.get("/api/wishlist", query_string={"search": text})

    if text.strip():
        assert reply.status_code == 200
        assert {"%", "_", "\\"}.isdisjoint(text) or reply.json["total"] <= 1
    else:
        assert reply.status_code == 422


def test_detail_shows_all_sources_with_their_times(reader: FlaskClient) -> None:
    item = reader.get("/api/wishlist/plex://movie/000000000000000000000003").json

    ann, cleo = item["sources"]
    assert [person["name"] for person in item["wanted_by"]] == ["Ann"]
    assert (ann["name"], ann["removed_at"]) == ("Ann", None)
    assert cleo["name"] == "Cleo"
    assert cleo["first_added_at"] <= cleo["last_seen_at"] <= cleo["removed_at"]
    in_list = reader.get("/api/wishlist?search=Gamma").json["items"][0]
    assert {name: value for name, value in item.items() if name not in ("summary", "sources")} == in_list


def test_removed_item_says_since_when(reader: FlaskClient) -> None:
    item = reader.get("/api/wishlist?status=removed").json["items"][0]

    assert (item["title"], item["wanted_count"], item["wanted_by"]) == ("Epsilon", 0, [])
    assert item["removed_at"] >= item["last_seen_at"] >= item["added_at"]


def test_title_nobody_wished_for_is_not_found(reader: FlaskClient) -> None:
    reply = reader.get("/api/wishlist/00000000000000000000ffff")

    assert reply.status_code == 404
    assert "plex://movie/00000000000000000000ffff" in reply.json["detail"]
    assert reader.get("/api/wishlist/show/000000000000000000000001").status_code == 404


def test_wish_of_a_paused_person_counts_nowhere(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET active = false WHERE name IN ('Ann', 'Cleo')")

    shown = client.get("/api/wishlist?status=all&sort=title").json["items"]
    assert [item["title"] for item in shown] == ["Alpha", "Été à Delta\\"]
    assert client.get("/api/wishlist/000000000000000000000003").status_code == 404
    alpha = client.get("/api/wishlist/000000000000000000000001").json
    assert [source["name"] for source in alpha["sources"]] == ["Ben"]


def test_stats_agree_with_the_list(reader: FlaskClient) -> None:
    stats: dict[str, Any] = reader.get("/api/wishlist/stats/summary").json

    last_success_at = stats.pop("last_success_at")
    assert stats == {
        "total_items": 4,
        "items_by_type": {"movie": 3, "show": 1},
        "items_by_year": [{"year": 2005, "items": 1}, {"year": 1999, "items": 2}, {"year": None, "items": 1}],
        "items_by_user": [
            {"id": 1, "name": "Ann", "items": 3},
            {"id": 2, "name": "Ben", "items": 2},
            {"id": 3, "name": "Cleo", "items": 0},
        ],
        "wanted_by_several": 1,
        "added_last_7_days": 4,
        "removed_items": 1,
        "users_active": 3,
        "fulfilled_last_30_days": 0,
        "median_days_to_library": None,
    }
    assert last_success_at == reader.get("/health").json["last_success_at"]


def test_stats_of_nothing_are_zeros(client: FlaskClient) -> None:
    assert client.get("/api/wishlist/stats/summary").json == {
        "total_items": 0,
        "items_by_type": {"movie": 0, "show": 0},
        "items_by_year": [],
        "items_by_user": [],
        "wanted_by_several": 0,
        "added_last_7_days": 0,
        "removed_items": 0,
        "users_active": 0,
        "fulfilled_last_30_days": 0,
        "median_days_to_library": None,
        "last_success_at": None,
    }


def test_item_added_long_ago_is_not_among_the_latest(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE wishlist_items SET added_at = now() - interval '8 days' WHERE title = 'Alpha'")

    assert client.get("/api/wishlist/stats/summary").json["added_last_7_days"] == 3
