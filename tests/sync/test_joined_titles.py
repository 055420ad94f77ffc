"""Titles that exist twice are joined once their ids become known, from a list or from a page."""

import logging
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from psycopg import connect

from tests.support.fake_plex import Person
from tests.support.fake_titles import Titles
from tests.support.followers import follow, play, present_wishes
from tests.support.household import Household
from tests.support.questions import look
from tests.support.records import film, items, kinds, only_item, read_again, records_of, shown_ids, uid
from tests.support.slow import slow
from wishlist_service.queries import notifications
from wishlist_service.queries.notifications import Told

OLD, NEW = "b1", "a2"


@pytest.fixture
def twice(household: Household) -> tuple[Person, Person]:
    """Ann wants the old record and Ben the new one, and no ids are known."""
    ann = household.add("Ann", [film(OLD)])
    household.sync()
    ben = household.add("Ben", [film(NEW)])
    household.sync()
    return ann, ben


def know_ids(ann: Person, ben: Person) -> None:
    ann.rows, ben.rows = [film(OLD, tmdb="101")], [film(NEW, tmdb="101")]


def test_older_item_stays_and_takes_the_newest_uid(household: Household, twice: tuple[Person, Person]) -> None:
    older, _ = items(household)
    know_ids(*twice)

    household.sync()

    found = only_item(household)
    assert (found["id"], found["added_at"]) == (older["id"], older["added_at"])
    assert (found["uid"], found["first_uid"], found["wanted_count"]) == (uid(NEW), uid(OLD), 2)
    assert records_of(household, found["id"]) == {uid(OLD), uid(NEW)}


def test_joining_is_no_news(household: Household, api: FlaskClient, twice: tuple[Person, Person]) -> None:
    before = kinds(household)
    know_ids(*twice)

    run = household.sync()

    assert (run.new_items, run.removed_items) == (0, 0)
    assert {(result.added, result.removed) for result in household.results} == {(0, 0)}
    assert kinds(household) == before == [("Ann", "added"), ("Ben", "added")]
    assert play(follow(api)[0]) == present_wishes(household)
    assert api.get("/api/wishlist").json["total"] == 1


@pytest.mark.slow
def test_every_uid_finds_the_joined_title(household: Household, api: FlaskClient, twice: tuple[Person, Person]) -> None:
    know_ids(*twice)

    household.sync()

    for key in (OLD, NEW):
        assert api.get(f"/api/wishlist/{key:0>24}").json["id"] == only_item(household)["id"]


def test_ids_that_details_bring_join_titles(
    household: Household, api: FlaskClient, titles: Titles, twice: tuple[Person, Person]
) -> None:
    older, _ = items(household)
    titles.tell(film(OLD, tmdb="101"), summary="Told.")
    titles.tell(film(NEW, tmdb="101"))

    look(household)

    found = only_item(household)
    assert twice
    assert (found["id"], found["uid"], found["wanted_count"], found["summary"]) == (older["id"], uid(NEW), 2, "Told.")
    assert shown_ids(household) == (None, 101, None)
    assert play(follow(api)[0]) == present_wishes(household)


def test_page_of_another_record_is_a_renewed_record(household: Household, api: FlaskClient, titles: Titles) -> None:
    household.add("Ann", [film(OLD)])
    household.sync()
    titles.tell(film(NEW, tmdb="101"), summary="Told.")
    titles.records[film(OLD)["ratingKey"]] = titles.records.pop(film(NEW)["ratingKey"])

    look(household)

    found = api.get(f"/api/wishlist/{OLD:0>24}").json
    assert (found["uid"], found["first_uid"], found["summary"], found["tmdb_id"]) == (uid(NEW), uid(OLD), "Told.", 101)
    assert household.sync().removed_items == 0


def test_page_of_another_record_with_another_id_is_not_believed(household: Household, titles: Titles) -> None:
    household.add("Ann", [film(OLD, imdb="tt0000101", tmdb="101")])
    household.sync()
    titles.tell(film(NEW, imdb="tt0000101", tmdb="999"), summary="Of another one.")
    titles.records[film(OLD)["ratingKey"]] = titles.records.pop(film(NEW)["ratingKey"])

    look(household)

    found = only_item(household)
    assert (found["uid"], found["summary"], found["tmdb_id"]) == (uid(OLD), None, 101)
    assert records_of(household, found["id"]) == {uid(OLD)}
    assert found["details_due_at"] - found["first_asked_at"] == timedelta(days=1)


@pytest.mark.slow
def test_page_of_another_known_record_joins_the_two(
    household: Household, titles: Titles, twice: tuple[Person, Person]
) -> None:
    titles.tell(film(NEW), summary="Told.")
    titles.records[film(OLD)["ratingKey"]] = titles.records[film(NEW)["ratingKey"]]

    look(household)

    assert twice
    assert (only_item(household)["uid"], only_item(household)["wanted_count"]) == (uid(NEW), 2)


@pytest.mark.slow
def test_page_of_a_show_tells_nothing_of_a_movie(household: Household, titles: Titles) -> None:
    household.add("Ann", [film(OLD)])
    household.sync()
    titles.tell(film(OLD, media_type="show", tvdb="7"), summary="Of a show.")

    look(household)

    found = only_item(household)
    assert (found["media_type"], found["summary"], found["tvdb_id"]) == ("movie", None, None)


def renewed_without_ids(household: Household, *, at_once: bool) -> Person:
    """Ann's record is renewed, at once or after it was away, before any ids are known."""
    ann = household.add("Ann", [film(OLD)])
    household.sync()
    if not at_once:
        ann.rows = []
        household.sync()
    ann.rows = [film(NEW)]
    household.sync()
    return ann


def learn(household: Household, ann: Person) -> None:
    """The ids of both records become known."""
    ann.rows = [film(NEW, tmdb="101")]
    household.conn.execute("UPDATE wishlist_records SET external_ids = '{tmdb://101}' WHERE uid = %s", [uid(OLD)])
    household.sync()


@pytest.mark.slow
def test_events_that_cancel_each_other_go(household: Household, api: FlaskClient) -> None:
    ann = renewed_without_ids(household, at_once=True)
    twofold = kinds(household)

    learn(household, ann)

    assert twofold == [("Ann", "added"), ("Ann", "added"), ("Ann", "removed")]
    assert kinds(household) == [("Ann", "added")]
    assert play(follow(api)[0]) == present_wishes(household) == {(1, uid(NEW))}


@pytest.mark.slow
def test_wish_that_was_away_in_between_came_back(household: Household, api: FlaskClient) -> None:
    ann = renewed_without_ids(household, at_once=False)

    learn(household, ann)

    assert kinds(household) == [("Ann", "added"), ("Ann", "removed"), ("Ann", "came_back")]
    assert play(follow(api)[0]) == present_wishes(household)


@pytest.mark.slow
def test_person_who_wants_both_counts_once_since_the_earlier_wish(household: Household, api: FlaskClient) -> None:
    ann = household.add("Ann", [film(OLD)])
    household.sync()
    ann.rows = [film(OLD), film(NEW)]
    household.sync()
    first = household.conn.execute("SELECT min(first_added_at) AS at FROM wishlist_item_sources").fetchone()
    ann.rows = [film(OLD, tmdb="101"), film(NEW, tmdb="101")]

    household.sync()

    wish = household.conn.execute("SELECT * FROM wishlist_item_sources").fetchall()
    assert first is not None
    assert [(each["first_added_at"], each["removed_at"]) for each in wish] == [(first["at"], None)]
    assert household.user("Ann")["wishlist_size"] == only_item(household)["wanted_count"] == 1
    assert play(follow(api)[0]) == present_wishes(household)


@pytest.mark.parametrize("present", [OLD, *slow(NEW)])
def test_wish_for_either_is_a_wish(household: Household, api: FlaskClient, present: str) -> None:
    ann = household.add("Ann", [film(OLD), film(NEW)])
    household.sync()
    ann.rows = [film(present)]
    household.sync()
    ann.rows = [film(present, tmdb="101")]
    household.conn.execute("UPDATE wishlist_records SET external_ids = '{tmdb://101}' WHERE uid <> %s", [uid(present)])

    household.sync()

    assert household.titles("Ann") == ["Lantern"]
    assert kinds(household) == [("Ann", "added")]
    assert play(follow(api)[0]) == present_wishes(household)


@pytest.mark.slow
def test_wishes_that_both_ended_stay_ended(household: Household, api: FlaskClient) -> None:
    ann = household.add("Ann", [film(OLD), film(NEW)])
    household.sync()
    for rows in ([film(OLD)], []):
        ann.rows = rows
        household.sync()
    last = household.conn.execute("SELECT max(removed_at) AS at FROM wishlist_item_sources").fetchone()
    household.add("Ben", [film(OLD, tmdb="101"), film(NEW, tmdb="101")])

    household.sync()

    [wish] = household.conn.execute("SELECT * FROM wishlist_item_sources WHERE user_id = 1").fetchall()
    assert last is not None
    assert wish["removed_at"] == last["at"]
    assert kinds(household) == [("Ann", "added"), ("Ann", "removed"), ("Ben", "added")]
    assert play(follow(api)[0]) == present_wishes(household)


@pytest.mark.parametrize("dismissed", [OLD, *slow(NEW)])
def test_dismissal_of_either_stays(
    household: Household, api: FlaskClient, twice: tuple[Person, Person], dismissed: str
) -> None:
    api.patch(f"/api/wishlist/{uid(dismissed)}", json={"dismissed": True})
    know_ids(*twice)

    household.sync()

    assert only_item(household)["dismissed_at"] is not None
    assert api.get("/api/wishlist").json["total"] == 0


@pytest.mark.slow
def test_kept_wishes_stay_kept_unless_the_other_record_is_on_the_list(
    household: Household, twice: tuple[Person, Person]
) -> None:
    ann, ben = twice
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now()")
    ann.rows, ben.rows = [], []
    household.add("Cleo", [film(OLD, tmdb="101"), film(NEW, tmdb="101")])

    read_again(household)

    kept = household.conn.execute("SELECT user_id FROM wishlist_item_sources WHERE kept_at IS NOT NULL").fetchall()
    assert sorted(wish["user_id"] for wish in kept) == [1, 2]
    assert only_item(household)["wanted_count"] == 3


@pytest.mark.slow
def test_joined_titles_are_told_to_nobody(household: Household, twice: tuple[Person, Person]) -> None:
    with connect(household.config.database_url) as conn:
        told = notifications.get_present(conn, told=Told(event_id=0, change_id=0, arrival_id=0))
        conn.commit()
        know_ids(*twice)
        household.sync()

        found = notifications.list_new_wishes(conn, after=told.event_id, upto=10**9)

    assert found == []


@pytest.mark.slow
def test_later_contradiction_is_logged_and_splits_nothing(
    household: Household, twice: tuple[Person, Person], caplog: pytest.LogCaptureFixture
) -> None:
    know_ids(*twice)
    household.sync()
    twice[1].rows = [film(NEW, tmdb="999")]

    with caplog.at_level(logging.WARNING):
        household.sync()
        household.sync()

    found = only_item(household)
    assert (found["wanted_count"], found["tmdb_id"]) == (2, 999)
    told = [record.getMessage() for record in caplog.records if "different ids" in record.getMessage()]
    assert len(told) == 1
    assert uid(OLD) in told[0]
    assert "tmdb://999" in told[0]


@pytest.mark.slow
def test_three_titles_that_are_one_are_joined(household: Household, api: FlaskClient) -> None:
    household.add("Ann", [film("1", imdb="tt0000101"), film("2", tmdb="101"), film("3", tvdb="7")])
    household.sync()
    before = len(items(household))
    household.add("Ben", [film("4", imdb="tt0000101", tmdb="101", tvdb="7")])

    household.sync()

    assert (before, len(items(household)), household.user("Ann")["wishlist_size"]) == (3, 1, 1)
    assert play(follow(api)[0]) == present_wishes(household) == {(1, uid("4")), (2, uid("4"))}


@pytest.mark.slow
def test_erasing_a_person_leaves_the_title_to_the_other(
    household: Household, api: FlaskClient, twice: tuple[Person, Person]
) -> None:
    know_ids(*twice)
    household.sync()

    api.delete("/api/users/2")

    assert api.get(f"/api/wishlist/{uid(NEW)}").json["wanted_count"] == 1
    assert household.sync().removed_items == 0
