"""The external ids of one array belong together; and dates and years, which may go again."""

from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import Row, row
from tests.support.fake_titles import Titles
from tests.support.household import Household
from tests.support.questions import look
from tests.support.records import film, items, only_item, read_again, shown_ids, uid
from tests.support.slow import slow


def tell(*ids: str) -> Row:
    return row("1", "Lantern", Guid=[{"id": each} for each in ids])


def test_array_replaces_all_ids_of_the_record(household: Household) -> None:
    ann = household.add("Ann", [tell("imdb://tt0000101", "tmdb://101", "tvdb://9")])
    household.sync()
    ann.rows = [tell("imdb://tt0000202")]

    run = household.sync()

    assert shown_ids(household) == ("tt0000202", None, None)
    assert run.updated_items == 1


@pytest.mark.parametrize("guids", [[], *slow(None, "nonsense", [{"id": "imdb://nonsense"}])])
def test_missing_or_empty_array_changes_nothing(household: Household, guids: Any) -> None:
    ann = household.add("Ann", [tell("imdb://tt0000101", "tmdb://101")])
    household.sync()
    ann.rows = [row("1", "Lantern", Guid=guids)]

    run = household.sync()

    assert shown_ids(household) == ("tt0000101", 101, None)
    assert run.updated_items == 0


def test_ids_of_a_page_replace_those_of_the_list(household: Household, titles: Titles) -> None:
    household.add("Ann", [tell("imdb://tt0000101", "tmdb://101")])
    titles.tell(tell("imdb://tt0000202"))
    household.sync()

    look(household)

    assert shown_ids(household) == ("tt0000202", None, None)


@pytest.mark.slow
@pytest.mark.parametrize("guids", [[], None])
def test_page_without_ids_changes_none(household: Household, titles: Titles, guids: Any) -> None:
    household.add("Ann", [tell("imdb://tt0000101", "tmdb://101")])
    titles.tell(row("1", "Lantern", Guid=guids), summary="Told.")
    household.sync()

    look(household)

    assert shown_ids(household) == ("tt0000101", 101, None)
    assert only_item(household)["summary"] == "Told."


def test_of_several_ids_of_a_kind_the_smallest_number_is_shown(household: Household) -> None:
    ids = ("imdb://tt0000100", "imdb://tt0000099", "tmdb://100", "tmdb://99", "tvdb://1000", "tvdb://9")
    household.add("Ann", [tell(*ids)])

    household.sync()

    assert shown_ids(household) == ("tt0000099", 99, 9)


@pytest.mark.slow
def test_id_that_was_shown_stays_while_it_is_among_them(household: Household) -> None:
    ann = household.add("Ann", [tell("imdb://tt0000500", "tmdb://500")])
    household.sync()
    ann.rows = [tell("imdb://tt0000001", "imdb://tt0000500", "tmdb://2", "tmdb://500")]
    household.sync()
    kept = shown_ids(household)
    ann.rows = [tell("imdb://tt0000001", "imdb://tt0000003", "tmdb://4", "tmdb://30")]

    household.sync()

    assert kept == ("tt0000500", 500, None)
    assert shown_ids(household) == ("tt0000001", 4, None)


@pytest.mark.slow
def test_order_of_an_array_makes_no_difference(household: Household) -> None:
    ann = household.add("Ann", [tell("tmdb://7", "tmdb://5")])
    household.sync()
    ann.rows = [tell("tmdb://5", "tmdb://7")]

    run = household.sync()

    assert run.updated_items == 0


def test_all_ids_of_a_kind_count_for_matching(household: Household) -> None:
    household.add("Ann", [tell("tmdb://5", "tmdb://700")])
    household.sync()
    household.add("Ben", [film("2", tmdb="700")])

    household.sync()

    assert only_item(household)["wanted_count"] == 2


def test_date_and_year_go_when_a_row_that_had_them_comes_without(household: Household, api: FlaskClient) -> None:
    ann = household.add("Ann", [row("1", "Lantern", year=2031)])
    household.sync()
    before = api.get("/feeds/calendar.ics").text
    ann.rows = [row("1", "Lantern", year=None)]

    run = household.sync()

    found = only_item(household)
    assert (found["year"], found["released_on"], run.updated_items) == (None, None, 1)
    assert "Lantern (release)" in before
    assert "Lantern (release)" not in api.get("/feeds/calendar.ics").text


@pytest.mark.slow
def test_date_and_year_go_one_without_the_other(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Lantern", year=2031), row("2", "Mirror", year=2031)])
    household.sync()
    ann.rows = [
        row("1", "Lantern", year=2031, originallyAvailableAt=None),
        row("2", "Mirror", year=None, originallyAvailableAt="2031-03-31"),
    ]

    household.sync()

    lantern, mirror = items(household)
    assert (lantern["year"], lantern["released_on"]) == (2031, None)
    assert (mirror["year"], mirror["released_on"]) == (None, date(2031, 3, 31))


@pytest.mark.slow
def test_row_that_never_had_a_date_or_year_changes_none(household: Household) -> None:
    household.add("Ann", [row("1", "Lantern", year=2031)])
    household.sync()
    household.add("Ben", [row("1", "Lantern", year=None)])

    for _ in range(2):
        read_again(household)

    found = only_item(household)
    assert (found["year"], found["released_on"]) == (2031, date(2031, 3, 31))


@pytest.mark.slow
def test_date_that_went_comes_back(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Lantern", year=2031)])
    for year in (None, 2032):
        household.sync()
        ann.rows = [row("1", "Lantern", year=year)]
    household.sync()

    assert only_item(household)["released_on"] == date(2032, 3, 31)


def days_pass(household: Household) -> None:
    household.conn.execute("UPDATE wishlist_items SET details_due_at = now()")


def test_page_tells_a_missing_date_and_year_and_they_go_when_it_comes_without(
    household: Household, titles: Titles
) -> None:
    household.add("Ann", [row("1", "Lantern", year=None)])
    titles.tell(row("1", "Lantern", year=2031))
    household.sync()
    look(household)
    told = only_item(household)
    titles.tell(row("1", "Lantern", year=None))
    days_pass(household)

    look(household)

    gone = only_item(household)
    assert (told["year"], told["released_on"]) == (2031, date(2031, 3, 31))
    assert (gone["year"], gone["released_on"]) == (None, None)


@pytest.mark.slow
def test_page_that_never_had_a_date_changes_none(household: Household, titles: Titles) -> None:
    household.add("Ann", [row("1", "Lantern", year=2031)])
    titles.tell(row("1", "Lantern", year=None))
    household.sync()

    for _ in range(2):
        days_pass(household)
        look(household)

    assert only_item(household)["released_on"] == date(2031, 3, 31)


@pytest.mark.slow
def test_page_that_plex_does_not_have_now_takes_no_date_away(household: Household, titles: Titles) -> None:
    household.add("Ann", [row("1", "Lantern", year=None)])
    titles.tell(row("1", "Lantern", year=2031))
    household.sync()
    look(household)
    titles.records.clear()
    days_pass(household)

    look(household)

    assert len(titles.asked()) == 2
    assert only_item(household)["released_on"] == date(2031, 3, 31)


def test_new_ids_of_a_record_find_the_same_title(household: Household, api: FlaskClient) -> None:
    ann = household.add("Ann", [tell("imdb://tt0000101")])
    household.sync()
    ann.rows = [tell("tmdb://5")]

    household.sync()

    assert api.get(f"/api/wishlist/{uid('1')}").json["tmdb_id"] == 5
    assert household.titles("Ann") == ["Lantern"]
