"""Plex gives a title a new record: one title all the same, when an external id agrees and none differs."""

from collections.abc import Iterable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.followers import follow, play, present_wishes
from tests.support.household import Household
from tests.support.records import film, items, kinds, only_item, read_again, records_of, shown_ids, uid
from tests.support.slow import slow
from tests.support.titles import ids

OLD, NEW = "b1", "a2"


def renew(household: Household, *, before: dict[str, str], after: dict[str, str], media_type: str = "movie") -> None:
    """Ann's list shows the old record, and then the new one."""
    ann = household.add("Ann", [film(OLD, media_type=media_type, **before)])
    household.sync()
    ann.rows = [film(NEW, media_type=media_type, **after)]
    household.sync()


@pytest.mark.parametrize("media_type", ["movie", *slow("show")])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"imdb": "tt0000101"}, {"imdb": "tt0000101"}),
        ({"imdb": "tt0000101", "tmdb": "101"}, {"imdb": "tt0000101", "tvdb": "7"}),
        *slow(
            ({"tmdb": "101"}, {"tmdb": "101"}),
            ({"tvdb": "101"}, {"tvdb": "101"}),
            ({"imdb": "tt0000101", "tmdb": "101"}, {"imdb": "tt0000101", "tmdb": "101"}),
            ({"imdb": "tt0000101"}, {"imdb": "tt0000101", "tmdb": "101", "tvdb": "7"}),
        ),
    ],
)
def test_uid_joins_the_title_with_which_an_id_agrees_and_none_differs(
    household: Household, before: dict[str, str], after: dict[str, str], media_type: str
) -> None:
    renew(household, before=before, after=after, media_type=media_type)

    found = only_item(household)
    assert (found["uid"], found["first_uid"]) == (uid(NEW, media_type), uid(OLD, media_type))
    assert records_of(household, found["id"]) == {uid(OLD, media_type), uid(NEW, media_type)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"imdb": "tt0000101"}, {"imdb": "tt0000102"}),
        ({"imdb": "tt0000101", "tmdb": "101"}, {"imdb": "tt0000101", "tmdb": "102"}),
        ({"imdb": "tt0000101", "tvdb": "7"}, {"imdb": "tt0000102", "tvdb": "7"}),
        *slow(
            ({"imdb": "tt0000101"}, {"tmdb": "101"}),
            ({"tmdb": "101"}, {"tvdb": "101"}),
            ({}, {"imdb": "tt0000101"}),
            ({"imdb": "tt0000101"}, {}),
            ({}, {}),
        ),
    ],
)
def test_uid_with_which_no_id_agrees_or_one_differs_is_another_title(
    household: Household, before: dict[str, str], after: dict[str, str]
) -> None:
    renew(household, before=before, after=after)

    assert [item["uid"] for item in items(household)] == [uid(OLD), uid(NEW)]


def test_two_sets_of_a_kind_that_share_an_id_agree(household: Household) -> None:
    ann = household.add("Ann", [row(OLD, "Lantern", Guid=[*ids(tmdb="5"), *ids(tmdb="6")])])
    household.sync()
    ann.rows = [row(NEW, "Lantern", Guid=[*ids(tmdb="6"), *ids(tmdb="7")])]

    household.sync()

    assert only_item(household)["uid"] == uid(NEW)


def test_movie_and_show_with_the_same_ids_are_two_titles(household: Household) -> None:
    household.add("Ann", [film("1", tmdb="101"), film("2", media_type="show", tmdb="101")])

    household.sync()

    assert len(items(household)) == 2


def test_title_keeps_all_that_it_had(household: Household, api: FlaskClient) -> None:
    ann = household.add("Ann", [film(OLD, imdb="tt0000101")])
    household.add("Ben", [film(OLD, imdb="tt0000101")])
    household.sync()
    api.patch(f"/api/wishlist/{uid(OLD)}", json={"dismissed": True})
    before = only_item(household)
    wishes = household.conn.execute("SELECT * FROM wishlist_item_sources ORDER BY user_id").fetchall()
    history = kinds(household)
    ann.rows = [film(NEW, imdb="tt0000101")]

    household.sync()

    kept = ("id", "added_at", "dismissed_at", "wanted_count", "wish_count")
    assert {name: only_item(household)[name] for name in kept} == {name: before[name] for name in kept}
    assert household.conn.execute("SELECT * FROM wishlist_item_sources ORDER BY user_id").fetchall() == wishes
    assert kinds(household) == history


def test_kept_wish_stays_kept(household: Household) -> None:
    household.add("Ann", [film(OLD, imdb="tt0000101")])
    household.add("Ben", [film(OLD, imdb="tt0000101")])
    household.sync()
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now() WHERE user_id = 1")
    household.plex.people["token-of-ann-0123456789"].rows = []
    household.plex.people["token-of-ben-0123456789"].rows = [film(NEW, imdb="tt0000101")]

    read_again(household)

    kept = household.conn.execute("SELECT user_id FROM wishlist_item_sources WHERE kept_at IS NOT NULL").fetchall()
    assert kept == [{"user_id": 1}]
    assert household.titles("Ann") == household.titles("Ben") == ["Lantern"]


@pytest.mark.slow
def test_every_spelling_of_every_uid_finds_the_title(household: Household, api: FlaskClient) -> None:
    renew(household, before={"tmdb": "101"}, after={"tmdb": "101"})

    for key in (OLD, NEW):
        full = f"{key:0>24}"
        for spelling in (full, full.upper(), f"movie/{full}", f"plex://movie/{full}", f"plex:/movie/{full}"):
            found = api.get(f"/api/wishlist/{spelling}")
            assert (found.status_code, found.json["uid"], found.json["first_uid"]) == (200, uid(NEW), uid(OLD))
            assert len(api.get("/api/history", query_string={"item": spelling}).json["items"]) == 1
        assert api.get(f"/title/movie/{full}").status_code in (200, 303)


def test_there_is_no_news_of_a_renewed_record(household: Household, api: FlaskClient) -> None:
    renew(household, before={"tmdb": "101"}, after={"tmdb": "101"})

    assert [(result.outcome, result.added, result.removed) for result in household.results] == [("changed", 0, 0)]
    assert kinds(household) == [("Ann", "added")]
    assert play(follow(api)[0]) == present_wishes(household)


def test_half_a_renewed_list_is_not_held(household: Household) -> None:
    ann = household.add("Ann", [film(f"1{n}", f"Film {n}", tmdb=f"10{n}") for n in range(12)])
    household.sync()
    ann.rows = [film(f"{'2' if n < 8 else '1'}{n}", f"Film {n}", tmdb=f"10{n}") for n in range(12)]

    household.sync()

    assert [(result.outcome, result.added, result.removed) for result in household.results] == [("changed", 0, 0)]
    assert household.user("Ann")["sync_state"] == "ok"
    assert len(items(household)) == household.user("Ann")["wishlist_size"] == 12


@pytest.mark.parametrize("names", [("Ann", "Ben"), *slow((("Ben", "Ann"),))])
def test_two_people_with_the_old_and_the_new_record_want_one_title(
    household: Household, api: FlaskClient, names: Iterable[str]
) -> None:
    for name in names:
        household.add(name, [film(OLD if name == "Ann" else NEW, tmdb="101")])

    household.sync()

    item = api.get(f"/api/wishlist/{uid(NEW)}").json
    assert sorted(person["name"] for person in item["wanted_by"]) == ["Ann", "Ben"]
    assert api.get("/api/wishlist").json["total"] == 1
    # both were seen first in one sync, so the order in which the lists were read makes no difference
    assert item["uid"] == max(uid(OLD), uid(NEW))


def test_both_records_on_one_list_count_once(household: Household, api: FlaskClient) -> None:
    household.add("Ann", [film(OLD, tmdb="101"), film(NEW, tmdb="101")])

    run = household.sync()

    assert (run.new_items, run.total_items) == (1, 1)
    assert household.user("Ann")["wishlist_size"] == 1
    assert kinds(household) == [("Ann", "added")]
    assert api.get(f"/api/wishlist/{uid(OLD)}").json["wanted_count"] == 1


def test_wish_ends_when_the_last_record_of_the_title_has_left_the_list(household: Household) -> None:
    ann = household.add("Ann", [film(OLD, tmdb="101"), film(NEW, tmdb="101")])
    household.sync()
    del ann.rows[0]
    household.sync()
    half = household.titles("Ann")
    ann.rows.clear()

    household.sync()

    assert (half, household.titles("Ann")) == (["Lantern"], [])
    assert kinds(household) == [("Ann", "added"), ("Ann", "removed")]


@pytest.mark.slow
def test_title_shows_the_ids_of_its_newest_record_that_is_on_a_list_and_has_any(household: Household) -> None:
    ann = household.add("Ann", [film(OLD, tmdb="101", imdb="tt0000101")])
    ben = household.add("Ben", [])
    household.sync()
    ben.rows = [film(NEW, tmdb="101", tvdb="7")]
    household.sync()
    newest = shown_ids(household)
    ben.rows = []
    household.sync()
    ann_only = shown_ids(household)
    ann.rows = []
    ben.rows = [film(NEW)]

    household.sync()

    assert newest == (None, 101, 7)
    assert ann_only == ("tt0000101", 101, None)
    assert shown_ids(household) == (None, 101, 7)


@pytest.mark.slow
def test_facts_are_those_of_the_newest_record_on_a_list_whoever_is_read_last(household: Household) -> None:
    ann = household.add("Ann", [film(OLD, "Old name", tmdb="101")])
    ben = household.add("Ben", [])
    household.sync()
    ben.rows = [film(NEW, "New name", tmdb="101")]
    household.sync()
    read_again(household)
    both = only_item(household)["title"]
    ben.rows = []

    read_again(household)
    read_again(household)

    assert both == "New name"
    assert only_item(household)["title"] == "Old name"
    assert ann.rows


@pytest.mark.slow
def test_matching_counts_the_ids_of_all_records(household: Household) -> None:
    renew(household, before={"imdb": "tt0000101", "tmdb": "101"}, after={"imdb": "tt0000101"})
    household.add("Ben", [film("c3", tmdb="101")])
    household.add("Cleo", [film("d4", imdb="tt0000101", tmdb="999")])

    household.sync()

    lantern, another = items(household)
    assert records_of(household, lantern["id"]) == {uid(OLD), uid(NEW), uid("c3")}
    assert records_of(household, another["id"]) == {uid("d4")}


@pytest.mark.slow
def test_record_is_renewed_again_and_again(household: Household, api: FlaskClient) -> None:
    ann = household.add("Ann", [])
    for number in range(5, 0, -1):
        ann.rows = [film(f"{number}", f"Lantern {number}", tmdb="101")]
        household.sync()

    found: Any = api.get(f"/api/wishlist/{uid('3')}").json
    assert (found["uid"], found["first_uid"], found["title"]) == (uid("1"), uid("5"), "Lantern 1")
    assert kinds(household) == [("Ann", "added")]


@pytest.mark.slow
def test_list_with_a_renewed_record_is_read_again_without_a_write(household: Household) -> None:
    renew(household, before={"tmdb": "101"}, after={"tmdb": "101"})
    household.add("Ben", [film(OLD, "Another name", tmdb="101")])
    household.sync()

    read_again(household)

    assert [result.outcome for result in household.results] == ["unchanged", "unchanged"]
