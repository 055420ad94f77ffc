"""What a sync makes of complete reads: additions, removals, returns, facts, and how little it writes."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.processes import wait_until
from tests.support.slow import slow

SYNCING = """
SELECT
  FROM pg_stat_activity
 WHERE application_name = 'plex-wishlist-sync'
   AND datname = current_database()
"""


def numbers(run: Any) -> tuple[int, int, int, int | None]:
    return run.new_items, run.updated_items, run.removed_items, run.total_items


def test_first_sync_merges_the_lists_of_all_people(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.add("Ben", [row("2", "Beta"), row("3", "Gamma", media_type="show")])

    run = household.sync()

    assert (run.status, run.users_processed, run.items_fetched) == ("succeeded", 2, 4)
    assert numbers(run) == (3, 0, 0, 3)
    assert household.titles("Ann") == ["Alpha", "Beta"]
    assert household.titles("Ben") == ["Beta", "Gamma"]


def test_two_people_adding_one_film_make_one_item_with_two_sources(household: Household) -> None:
    household.add("Ann", [row("2", "Beta")])
    household.add("Ben", [row("2", "Beta")])

    household.sync()

    counts = household.conn.execute(
        "SELECT (SELECT count(*) FROM wishlist_items) AS items, (SELECT count(*) FROM wishlist_item_sources) AS wishes"
    ).fetchone()
    assert counts == {"items": 1, "wishes": 2}


def test_removed_wish_keeps_its_row_and_says_when_it_was_last_seen(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    seen_at = household.user("Ann")["last_success_at"]
    del ann.rows[0]

    run = household.sync()

    assert numbers(run) == (0, 0, 1, 1)
    assert household.titles("Ann") == ["Beta"]
    wish = household.conn.execute("SELECT * FROM wishlist_item_sources WHERE removed_at IS NOT NULL").fetchone()
    assert wish is not None
    assert wish["last_seen_at"] == seen_at
    assert wish["removed_at"] == household.user("Ann")["last_success_at"]


def test_title_that_comes_back_keeps_when_it_was_first_added(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    before = household.conn.execute("SELECT * FROM wishlist_item_sources ORDER BY item_id").fetchall()
    gone = ann.rows.pop(0)
    household.sync()
    ann.rows.insert(0, gone)

    run = household.sync()

    assert numbers(run) == (1, 0, 0, 2)
    assert household.conn.execute("SELECT * FROM wishlist_item_sources ORDER BY item_id").fetchall() == before


def test_item_stays_on_the_wishlist_while_another_person_wants_it(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("1", "Alpha")])
    household.sync()
    ann.rows.clear()

    run = household.sync()

    assert numbers(run) == (0, 0, 0, 1)
    assert (household.titles("Ann"), household.titles("Ben")) == ([], ["Alpha"])


def test_changed_facts_update_the_item_and_missing_ones_leave_it_as_known(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha", year=None), row("2", "Beta")])
    household.sync()
    ann.rows = [row("1", "Alpha", year=2027), row("2", "Beta", Guid=[], thumb=None)]

    run = household.sync()

    assert numbers(run) == (0, 1, 0, 2)
    alpha, beta = household.conn.execute("SELECT * FROM wishlist_items ORDER BY uid").fetchall()
    assert alpha["year"] == 2027
    assert beta["year"] == 2000
    assert beta["imdb_id"] is not None
    assert beta["poster_url"] is not None


def test_unchanged_list_costs_one_request_and_still_counts_as_seen(household: Household) -> None:
    household.add("Ann", [row(f"{n:x}", f"Film {n}") for n in range(1, 251)])
    household.sync()
    first_success = household.user("Ann")["last_success_at"]
    household.plex.asked.clear()

    run = household.sync()

    assert (run.status, run.users_processed, run.items_fetched) == ("succeeded", 1, 250)
    assert household.results[0].outcome == "unchanged"
    assert len(household.plex.asked) == 1
    assert household.user("Ann")["last_success_at"] > first_success
    oldest = household.conn.execute("SELECT min(last_seen_at) AS seen FROM wishes").fetchone()
    assert oldest == {"seen": household.user("Ann")["last_success_at"]}


def test_once_a_day_the_list_is_read_in_full(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET title = 'scribbled over' WHERE title = 'Alpha'")
    household.conn.execute("UPDATE plex_users SET list_read_at = now() - interval '1 day'")

    run = household.sync()

    assert "If-None-Match" not in household.plex.asked[-1].headers
    assert numbers(run) == (0, 1, 0, 2)
    assert ann.rows
    assert household.titles("Ann") == ["Alpha", "Beta"]


@pytest.mark.parametrize("length", [10, *slow(1000)])
def test_rereading_an_unchanged_list_writes_a_handful_of_rows_whatever_its_length(
    household: Household, length: int
) -> None:
    household.add("Ann", [row(f"{n:x}", f"Film {n}") for n in range(1, length + 1)])
    household.sync()
    household.conn.execute("UPDATE plex_users SET list_etag = NULL")

    def writes() -> int:
        # a connection tells what it wrote when it ends
        wait_until(lambda: not household.conn.execute(SYNCING).rowcount)
        household.conn.execute("SELECT pg_stat_force_next_flush()")
        found = household.conn.execute(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::int AS writes FROM pg_stat_user_tables"
        ).fetchone()
        assert found is not None
        return found["writes"]

    before = writes()
    run = household.sync()

    assert run.items_fetched == length
    assert writes() - before <= 6


@pytest.mark.slow
def test_no_identity_value_is_spent_on_titles_already_known(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    household.conn.execute("UPDATE plex_users SET list_etag = NULL")
    household.sync()
    household.plex.people[next(iter(household.plex.people))].rows.append(row("2", "Beta"))
    household.sync()

    ids = household.conn.execute("SELECT id FROM wishlist_items ORDER BY id").fetchall()
    assert [item["id"] for item in ids] == [1, 2]


def test_inactive_person_is_not_synced(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET active = false")

    run = household.sync()

    assert (run.status, run.users_processed) == ("succeeded", 0)
    assert household.plex.asked == []


def test_account_is_learnt_at_the_first_sync_if_plex_was_away_before(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET plex_uuid = NULL, plex_username = NULL, account_checked = false")

    household.sync()

    assert household.user("Ann")["plex_uuid"] == ann.uuid
    assert household.user("Ann")["plex_username"] == "ann"


def test_person_erased_or_changed_while_their_list_is_read_is_left_alone(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    ben = household.add("Ben", [row("2", "Beta")])
    ann.before_page = lambda _start: household.conn.execute("DELETE FROM plex_users WHERE name = 'Ann'")
    ben.before_page = lambda _start: household.conn.execute(
        "UPDATE plex_users SET plex_token = 'another' WHERE name = 'Ben'"
    )

    run = household.sync()

    assert run.status == "succeeded"
    assert sorted(result.outcome for result in household.results) == ["skipped", "skipped"]
    assert household.conn.execute("SELECT * FROM wishlist_items").fetchall() == []


@pytest.mark.slow
def test_nothing_is_ever_deleted_by_syncs(household: Household) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n}") for n in range(1, 6)])
    household.sync()
    ann.rows.clear()
    household.sync()

    counts = household.conn.execute(
        "SELECT (SELECT count(*) FROM wishlist_items) AS items, (SELECT count(*) FROM wishlist_item_sources) AS wishes"
    ).fetchone()
    assert counts == {"items": 5, "wishes": 5}
    assert household.user("Ann")["last_success_at"] - household.user("Ann")["created_at"] < timedelta(minutes=5)


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
        *slow(
            ("publicPagesURL", "https://a.test/1", "https://a.test/2", "plex_url"),
            ("Guid", [{"id": "tvdb://1"}], [{"id": "tvdb://2"}], "tvdb_id"),
            ("Guid", [{"id": "imdb://tt1"}], [{"id": "imdb://tt2"}], "imdb_id"),
            ("originallyAvailableAt", "2000-01-01", "2000-01-02", "released_on"),
        ),
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
