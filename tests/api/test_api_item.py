"""One item over the API, and the wishlist in numbers."""

from typing import Any

from flask.testing import FlaskClient

from tests.support.household import Household


def test_detail_shows_all_sources_with_their_times(client: FlaskClient, filled: Household) -> None:
    item = client.get("/api/wishlist/plex://movie/000000000000000000000003").json

    ann, cleo = item["sources"]
    assert [person["name"] for person in item["wanted_by"]] == ["Ann"]
    assert (ann["name"], ann["removed_at"]) == ("Ann", None)
    assert cleo["name"] == "Cleo"
    assert cleo["first_added_at"] <= cleo["last_seen_at"] <= cleo["removed_at"]
    in_list = client.get("/api/wishlist?search=Gamma").json["items"][0]
    assert {name: value for name, value in item.items() if name not in ("summary", "sources")} == in_list


def test_removed_item_says_since_when(client: FlaskClient, filled: Household) -> None:
    item = client.get("/api/wishlist?status=removed").json["items"][0]

    assert (item["title"], item["wanted_count"], item["wanted_by"]) == ("Epsilon", 0, [])
    assert item["removed_at"] >= item["last_seen_at"] >= item["added_at"]


def test_title_nobody_wished_for_is_not_found(client: FlaskClient, filled: Household) -> None:
    reply = client.get("/api/wishlist/00000000000000000000ffff")

    assert reply.status_code == 404
    assert "plex://movie/00000000000000000000ffff" in reply.json["detail"]
    assert client.get("/api/wishlist/show/000000000000000000000001").status_code == 404


def test_wish_of_a_paused_person_counts_nowhere(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET active = false WHERE name IN ('Ann', 'Cleo')")

    shown = client.get("/api/wishlist?status=all&sort=title").json["items"]
    assert [item["title"] for item in shown] == ["Alpha", "Été à Delta\\"]
    assert client.get("/api/wishlist/000000000000000000000003").status_code == 404
    alpha = client.get("/api/wishlist/000000000000000000000001").json
    assert [source["name"] for source in alpha["sources"]] == ["Ben"]


def test_stats_agree_with_the_list(client: FlaskClient, filled: Household) -> None:
    stats: dict[str, Any] = client.get("/api/wishlist/stats/summary").json

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
    }
    assert last_success_at == client.get("/health").json["last_success_at"]


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
        "last_success_at": None,
    }


def test_item_added_long_ago_is_not_among_the_latest(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE wishlist_items SET added_at = now() - interval '8 days' WHERE title = 'Alpha'")

    assert client.get("/api/wishlist/stats/summary").json["added_last_7_days"] == 3
