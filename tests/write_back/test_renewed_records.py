"""What is taken off a watchlist, and found in a library, is the title with all its records."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support import keeping
from tests.support.fake_actions import Actions
from tests.support.fake_media_server import FakeMediaServer
from tests.support.fake_plex import Person
from tests.support.household import Household
from tests.support.media_servers import available, days_pass, look, running
from tests.support.plex_faults import status
from tests.support.records import film, only_item, uid
from tests.support.slow import slow
from tests.support.taking_off import take_off

OLD, NEW = "1b", "2a"


@pytest.fixture
def both(household: Household, actions: Actions) -> tuple[Person, Person]:
    """Both records are on Ann's list, and only the old one on Ben's."""
    people = (
        household.add("Ann", [film(OLD, tmdb="101"), film(NEW, tmdb="101")]),
        household.add("Ben", [film(OLD, tmdb="101"), film("3", "Mirror", tmdb="5")]),
    )
    household.sync()
    assert actions.done == []
    return people


def done(actions: Actions) -> list[tuple[str, str]]:
    return [(name, key.lstrip("0")) for name, key in actions.done]


@pytest.mark.parametrize("key", [OLD, *slow(NEW)])
def test_title_is_taken_off_with_every_record_that_the_list_shows(
    household: Household, api: FlaskClient, actions: Actions, both: tuple[Person, Person], key: str
) -> None:
    taken = take_off(api, f"/api/wishlist/{key:0>24}/watchlists")

    assert taken == [("Ann", "removed", None), ("Ben", "removed", None)]
    assert done(actions) == [("ann", NEW), ("ann", OLD), ("ben", OLD)]
    assert household.titles("Ann") == []
    household.sync()
    assert (household.titles("Ann"), household.titles("Ben")) == ([], ["Mirror"])


def test_record_that_has_left_the_list_is_not_asked_about(
    household: Household, api: FlaskClient, actions: Actions, both: tuple[Person, Person]
) -> None:
    both[0].rows = both[0].rows[1:]
    household.sync()

    take_off(api, f"/api/wishlist/{OLD:0>24}/watchlists")

    assert done(actions) == [("ann", NEW), ("ben", OLD)]


@pytest.mark.slow
def test_wish_stays_if_one_of_the_records_stays(
    household: Household, api: FlaskClient, actions: Actions, both: tuple[Person, Person]
) -> None:
    actions.unknown = {f"{NEW:0>24}"}

    taken = take_off(api, f"/api/wishlist/{OLD:0>24}/watchlists")

    assert taken == [("Ann", "failed", "plex_changed"), ("Ben", "removed", None)]
    assert done(actions) == [("ann", OLD), ("ben", OLD)]
    household.sync()
    assert household.titles("Ann") == ["Lantern"]


def test_remove_after_sync_takes_every_record_off_and_keeps_one_wish(
    household: Household, actions: Actions, both: tuple[Person, Person]
) -> None:
    keeping.turn(household)

    assert sorted(done(actions)) == [("ann", OLD), ("ann", NEW), ("ben", OLD), ("ben", "3")]
    assert (both[0].rows, both[1].rows) == ([], [])
    household.sync()
    assert (keeping.kept(household), keeping.kept(household, "Ben")) == (["Lantern"], ["Lantern", "Mirror"])


@pytest.mark.slow
def test_record_left_by_a_429_is_taken_off_later(
    household: Household, actions: Actions, both: tuple[Person, Person]
) -> None:
    actions.after = lambda _key: actions.faults.append(status(429))
    keeping.turn(household)
    actions.after = lambda _key: None
    half = done(actions)
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '1 hour'")

    keeping.turn(household)

    assert half == [("ann", NEW)]
    assert both[0].rows == []
    household.sync()
    assert keeping.kept(household) == ["Lantern"]


@pytest.mark.slow
@pytest.mark.parametrize("key", [OLD, NEW])
def test_plex_guid_of_any_record_decides_and_each_is_taken_off(
    household: Household, actions: Actions, both: tuple[Person, Person], key: str
) -> None:
    with running() as server:
        server.add_title(server.library("movie", "Films"), uid(key), "tmdb://999")
        look(household, server)
        days_pass(household)

        look(household, server, remove_when_available=True)

    assert available(household) == {"Lantern": True, "Mirror": False}
    assert done(actions) == [("ann", NEW), ("ann", OLD), ("ben", OLD)]
    assert household.titles("Ann") == []


@pytest.mark.parametrize(
    ("guids", "found"),
    [(("imdb://tt0000101",), True), *slow((("tmdb://101",), True), (("tmdb://101", "imdb://tt0000999"), False))],
)
def test_ids_of_all_records_count(household: Household, guids: Any, found: bool) -> None:
    household.add("Ann", [film(OLD, imdb="tt0000101", tmdb="101"), film(NEW, tmdb="101")])
    household.sync()
    server: FakeMediaServer
    with running() as server:
        server.add_title(server.library("movie", "Films"), "plex://movie/ffffffffffffffffffffffff", *guids)
        look(household, server)

    assert only_item(household)["imdb_id"] is None
    assert available(household) == {"Lantern": found}
