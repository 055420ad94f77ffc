"""Titles that came to the media server, in numbers and on the wall."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.household import Household


@pytest.fixture
def came(filled: Household) -> Household:
    """Three titles came after 2, 5 and 400 days, and one of them got a new season since."""
    filled.conn.execute(
        """
        INSERT INTO library_arrivals (item_id, days, happened_at)
        SELECT item.id, told.days, now() - told.ago * interval '1 day'
          FROM (VALUES ('Alpha', 2, 0), ('Gamma_Ray', 5, 10), ('Epsilon', 400, 31)) AS told (title, days, ago)
          JOIN wishlist_items AS item USING (title)
        """
    )
    filled.conn.execute(
        "INSERT INTO library_arrivals (item_id, seasons, new_seasons, days) "
        "SELECT id, 2, 1, 9 FROM wishlist_items WHERE title = 'Alpha'"
    )
    return filled


def metrics(client: FlaskClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    return {name: float(number) for name, number in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def test_metrics_count_titles_and_their_days(client: FlaskClient, came: Household) -> None:
    found = metrics(client)

    assert found["wishlist_fulfilled_total"] == 3
    bounds = ["1", "3", "7", "14", "30", "90", "180", "365", "+Inf"]
    buckets = [found[f'wishlist_days_to_library_bucket{{le="{bound}"}}'] for bound in bounds]
    assert buckets == [0, 1, 2, 2, 2, 2, 2, 2, 3]
    assert (found["wishlist_days_to_library_count"], found["wishlist_days_to_library_sum"]) == (3, 407)


def test_no_counter_falls_when_a_person_is_erased(client: FlaskClient, api: FlaskClient, came: Household) -> None:
    before = metrics(client)["wishlist_fulfilled_total"]
    for name in ("Ann", "Ben", "Cleo"):
        assert api.delete(f"/api/users/{came.user(name)['id']}?purge=true").status_code == 204

    assert metrics(client)["wishlist_fulfilled_total"] == before


def test_statistics_tell_how_many_came_and_how_long_they_took(client: FlaskClient, came: Household) -> None:
    stats = client.get("/api/wishlist/stats/summary").json

    assert stats
    assert (stats["fulfilled_last_30_days"], stats["median_days_to_library"]) == (2, 5.0)


def test_nothing_came_yet(client: FlaskClient, filled: Household) -> None:
    stats: Any = client.get("/api/wishlist/stats/summary").json

    assert (stats["fulfilled_last_30_days"], stats["median_days_to_library"]) == (0, None)
    assert metrics(client)["wishlist_fulfilled_total"] == 0


def test_status_line_of_the_wall_links_to_the_titles_that_came_this_month(client: FlaskClient, came: Household) -> None:
    came.conn.execute("UPDATE library_arrivals SET happened_at = now() WHERE days = 2")
    came.conn.execute("UPDATE library_arrivals SET happened_at = now() - interval '40 days' WHERE days > 2")

    wall, page = client.get("/").text, client.get("/arrived").text
    older = client.get("/arrived?since=2026-01-01").text

    assert '<a class="arrived" href="/arrived">1 came this month</a>' in wall
    assert ("Alpha" in page, "Gamma_Ray" in page, "Gamma_Ray" in older) == (True, False, True)
    assert client.get("/arrived?since=never").status_code == 422


def test_status_line_says_nothing_of_a_month_without_arrivals(client: FlaskClient, filled: Household) -> None:
    assert "this month" not in client.get("/").text
    assert "No wanted title came" in client.get("/arrived").text
