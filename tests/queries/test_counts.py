"""The numbers kept beside the rows are always those that counting the rows gives."""

import random
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import Row, row
from tests.support.household import Household

KEPT = """
    SELECT (SELECT coalesce(json_agg(json_build_array(uid, wanted_count, wish_count) ORDER BY uid), '[]')
              FROM wishlist_items) AS items,
           (SELECT coalesce(json_agg(json_build_array(name, wishlist_size) ORDER BY id), '[]')
              FROM plex_users) AS people,
           (SELECT coalesce(
                       json_agg(json_build_array(dismissed, available, media_type, year, wanted_count, items)
                                ORDER BY dismissed, available, media_type, year, wanted_count),
                       '[]')
              FROM wishlist_tallies
             WHERE items <> 0) AS tallies
"""
COUNTED = """
      WITH item AS (
           SELECT item.*,
                  (SELECT count(*)
                     FROM wishes
                    WHERE wishes.item_id = item.id
                      AND removed_at IS NULL) AS wanted,
                  (SELECT count(*) FROM wishes WHERE wishes.item_id = item.id) AS wished
             FROM wishlist_items AS item)
    SELECT (SELECT coalesce(json_agg(json_build_array(uid, wanted, wished) ORDER BY uid), '[]') FROM item) AS items,
           (SELECT coalesce(
                       json_agg(json_build_array(
                                    name,
                                    (SELECT count(*)
                                       FROM wishlist_item_sources
                                      WHERE user_id = plex_users.id
                                        AND removed_at IS NULL)) ORDER BY id),
                       '[]')
              FROM plex_users) AS people,
           (SELECT coalesce(
                       json_agg(json_build_array(dismissed, available, media_type, year, wanted, items)
                                ORDER BY dismissed, available, media_type, year, wanted),
                       '[]')
              FROM (SELECT dismissed_at IS NOT NULL AS dismissed, available, media_type, year, wanted,
                           count(*) AS items
                      FROM item
                     WHERE wished > 0
                  GROUP BY 1, available, media_type, year, wanted) AS counted) AS tallies
"""
NAMES = ("Ann", "Ben", "Cleo")


def look(household: Household, question: str) -> dict[str, Any]:
    found = household.conn.execute(question).fetchone()  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert found is not None
    return found


def some_rows(chance: random.Random) -> list[Row]:
    """A list of up to 8 of 12 titles, whose year and title may be others than before."""
    return [
        row(
            f"{key:x}",
            f"Title {key} {chance.randint(1, 2)}",
            media_type="show" if key % 3 else "movie",
            year=chance.choice([1999, 2005, None]),
        )
        for key in chance.sample(range(1, 13), chance.randint(0, 8))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_kept_numbers_are_those_that_counting_gives(household: Household, api: FlaskClient, seed: int) -> None:
    chance = random.Random(seed)
    people = {name: household.add(name, some_rows(chance)) for name in NAMES}

    for _ in range(25):
        name = chance.choice(NAMES)
        path = f"/api/users/{household.user(name)['id']}"
        match chance.choice(["sync", "sync", "sync", "pause", "resume", "erase"]):
            case "sync":
                people[name].rows = some_rows(chance)
                household.sync()
            case "pause":
                assert api.delete(path).status_code == 204
            case "resume":
                assert api.patch(path, json={"active": True}).status_code == 200
            case _:
                assert api.delete(f"{path}?purge=true").status_code == 204
                people[name] = household.add(name)
        assert look(household, KEPT) == look(household, COUNTED)

    assert look(household, COUNTED)["tallies"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO wishlist_item_sources (item_id, user_id) SELECT id, 3 FROM wishlist_items ON CONFLICT DO NOTHING",
        "UPDATE wishlist_item_sources SET removed_at = now(), last_seen_at = now() WHERE removed_at IS NULL",
        "DELETE FROM wishlist_item_sources WHERE user_id = 1",
        "DELETE FROM plex_users WHERE id = 2",
        "UPDATE plex_users SET active = NOT active",
        "UPDATE wishlist_items SET year = 1980, media_type = 'show'",
        "UPDATE wishlist_items SET dismissed_at = now() WHERE year = 1999",
        "UPDATE wishlist_items SET available = (year = 1999) WHERE title <> 'Alpha'",
    ],
)
def test_statements_by_hand_keep_the_numbers_right(filled: Household, statement: str) -> None:
    before = look(filled, COUNTED)

    filled.conn.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]

    assert look(filled, KEPT) == look(filled, COUNTED) != before


def test_stats_agree_with_the_list(client: FlaskClient, filled: Household) -> None:
    items = client.get("/api/wishlist?limit=500").json["items"]
    stats = client.get("/api/wishlist/stats/summary").json

    assert stats["total_items"] == len(items)
    assert stats["items_by_type"] == {
        kind: sum(item["media_type"] == kind for item in items) for kind in ("movie", "show")
    }
    assert {entry["year"]: entry["items"] for entry in stats["items_by_year"]} == {
        year: sum(item["year"] == year for item in items) for year in {item["year"] for item in items}
    }
    assert [entry["year"] for entry in stats["items_by_year"]] == [2005, 1999, None]
    assert stats["wanted_by_several"] == sum(item["wanted_count"] > 1 for item in items)
    assert stats["added_last_7_days"] == len(items)
    assert stats["removed_items"] == client.get("/api/wishlist?status=removed").json["total"]
