"""What is stored of a title: every fact, its changes, and the order of a person's list."""

from typing import Any

import pytest

from tests.support.fake_plex import row
from tests.support.household import Household


def test_every_fact_of_a_row_is_stored(household: Household) -> None:
    guids = [{"id": "imdb://tt0133093"}, {"id": "tmdb://603"}, {"id": "tvdb://169"}]
    household.add("Ann", [row("ab", "The Matrix", year=1999, originallyAvailableAt="1999-03-31", Guid=guids)])

    household.sync()

    stored = household.conn.execute("SELECT * FROM wishlist_items").fetchone()
    expected = {
        "uid": "plex://movie/0000000000000000000000ab",
        "media_type": "movie",
        "title": "The Matrix",
        "year": 1999,
        "released_on": "1999-03-31",
        "imdb_id": "tt0133093",
        "tmdb_id": 603,
        "tvdb_id": 169,
        "poster_url": "https://image.example.test/0000000000000000000000ab.jpg",
        "plex_url": "https://watch.plex.tv/movie/the-matrix",
        "content_rating": "PG-13",
    }
    assert stored is not None
    assert {name: str(stored[name]) for name in expected} == {name: str(fact) for name, fact in expected.items()}


@pytest.mark.parametrize(
    ("fact", "before", "after", "column"),
    [
        ("title", "Alpha", "Alpha Two", "title"),
        ("contentRating", "PG", "R", "content_rating"),
        ("publicPagesURL", "https://a.test/1", "https://a.test/2", "plex_url"),
        ("Guid", [{"id": "tvdb://1"}], [{"id": "tvdb://2"}], "tvdb_id"),
        ("Guid", [{"id": "imdb://tt1"}], [{"id": "imdb://tt2"}], "imdb_id"),
        ("originallyAvailableAt", "2000-01-01", "2000-01-02", "released_on"),
    ],
)
def test_each_fact_is_updated_and_the_others_kept(
    household: Household, fact: str, before: Any, after: Any, column: str
) -> None:
    household.add("Ann", [row("1", "Alpha", year=1999) | {fact: before}])
    household.sync()
    household.add("Ben", [{**row("1", "Alpha", year=None), fact: after}])

    run = household.sync()

    stored = household.conn.execute("SELECT * FROM wishlist_items").fetchone()
    assert stored is not None
    assert run.updated_items == 1
    assert str(after[0]["id"] if isinstance(after, list) else after).endswith(str(stored[column]))
    assert stored["year"] == 1999


def test_order_of_a_persons_list_is_kept(household: Household) -> None:
    household.add("Ann", [row(key, key) for key in ("5", "1", "9", "3")])

    household.sync()

    for newest_first in (
        "SELECT title FROM wishlist_items ORDER BY added_at DESC",
        "SELECT title FROM wishlist_items JOIN wishlist_item_sources ON item_id = id ORDER BY first_added_at DESC",
    ):
        assert [found["title"] for found in household.conn.execute(newest_first)] == ["5", "1", "9", "3"]
