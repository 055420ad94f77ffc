"""REMOVE_AFTER_SYNC: stored wishes are taken off their watchlists and stay wanted here until they are ended here."""

import threading

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household
from tests.support.keeping import ALPHA, BETA, FILMS, events, kept, turn, turn_at_once, two_hours_pass
from wishlist_service.models import Watchlist
from wishlist_service.sync.decide import decide
from wishlist_service.write_back.worker import WriteBack


@pytest.fixture
def actions(plex: FakePlex) -> Actions:
    """Where the simulated Plex takes titles off watchlists."""
    return Actions(plex)


def test_wishes_leave_the_watchlists_and_stay_wanted(household: Household, actions: Actions) -> None:
    ann, ben = household.add("Ann", [ALPHA, BETA]), household.add("Ben", [BETA])
    household.sync()

    turn(household)

    assert ann.rows == ben.rows == []
    for _ in range(3):
        assert household.sync().removed_items == 0
    assert [household.titles(name) for name in ("Ann", "Ben")] == [["Alpha", "Beta"], ["Beta"]]
    assert household.user("Ann")["sync_state"] == "ok"
    assert household.results[0].outcome == "unchanged"
    assert events(household) == ["added"] * 3
    turn(household)
    assert len(actions.done) == 3


def test_list_that_we_emptied_is_not_held_and_one_that_its_person_empties_is(
    household: Household, actions: Actions
) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    turn(household)
    household.sync()
    assert (household.results[0].outcome, len(kept(household))) == ("unchanged", 12)
    ann.rows = [row(f"a{n}", f"New {n}") for n in range(7)]
    household.sync()

    ann.rows = []
    household.sync()

    assert household.results[0].outcome == "held"
    assert "7 of 7" in household.user("Ann")["sync_detail"]
    assert household.sync().removed_items == 7
    assert household.titles("Ann") == kept(household) == [film["title"] for film in FILMS]


def test_later_additions_are_kept_too_and_not_before_they_are_stored(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    turn(household)
    ann.rows = [BETA]

    turn(household)
    assert ann.rows == [BETA]
    household.sync()
    turn(household)

    assert ann.rows == []
    assert household.titles("Ann") == kept(household) == ["Alpha", "Beta"]


def test_titles_stay_on_their_lists_until_plex_was_asked_when_they_came_there(
    household: Household, actions: Actions
) -> None:
    household.add("Ann", [ALPHA])
    household.sync()

    turn_at_once(household)
    before = list(actions.done)
    turn(household)

    assert (len(before), len(actions.done)) == (0, 1)


def test_setting_turned_off_keeps_what_is_kept_and_nothing_else(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    turn(household)
    ann.rows = [BETA]
    household.sync()
    WriteBack(household.config, household.cipher, stop=threading.Event()).turn()
    assert ann.rows == [BETA]

    ann.rows = []
    household.sync()

    assert household.titles("Ann") == ["Alpha"]


def test_kept_wish_ends_when_somebody_says_so(api: FlaskClient, household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    turn(household)
    path = f"/api/wishlist/{ALPHA['ratingKey']}/sources/{household.user('Ann')['id']}"

    ended = api.delete(path)

    assert (ended.status_code, ended.data) == (204, b"")
    assert household.titles("Ann") == []
    assert events(household) == ["added", "removed"]
    assert api.delete(path).status_code == 404
    ann.rows = [ALPHA]
    household.sync()
    assert events(household) == ["added", "removed", "came_back"]
    assert kept(household) == []


def test_wish_that_is_on_its_watchlist_is_not_ended_here(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.sync()
    sources = f"/api/wishlist/{ALPHA['ratingKey']}/sources"

    refused = api.delete(f"{sources}/{household.user('Ann')['id']}")

    assert refused.status_code == 409
    assert "next sync would bring the wish back" in refused.json["detail"]
    assert household.titles("Ann") == ["Alpha"]
    assert api.delete(f"{sources}/999").status_code == 404
    assert api.delete(f"/api/wishlist/{999:024x}/sources/1").status_code == 404


def test_kept_wish_taken_off_the_watchlists_is_wanted_no_longer(
    api: FlaskClient, household: Household, actions: Actions
) -> None:
    household.add("Ann", [ALPHA])
    household.sync()
    turn(household)

    assert api.delete(f"/api/wishlist/{ALPHA['ratingKey']}/watchlists").json["items"][0]["outcome"] == "removed"

    assert household.titles("Ann") == []
    assert events(household) == ["added", "removed"]


def test_title_that_its_person_puts_back_follows_the_list_again(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    turn(household)
    two_hours_pass(household)
    ann.rows = [ALPHA]
    household.sync()
    assert (kept(household), events(household)) == ([], ["added"])

    ann.rows = []
    household.sync()

    assert events(household) == ["added", "removed"]


def test_deciding_leaves_what_is_kept_alone() -> None:
    uids = [f"plex://movie/{n:024x}" for n in range(20)]
    nothing = Watchlist(entries=[])

    emptied_by_us = decide(uids, nothing, kept=uids, held_removals=None)
    few_left = decide(uids, nothing, kept=uids[5:], held_removals=None)
    many_left = decide(uids, nothing, kept=uids[:10], held_removals=None)

    assert (emptied_by_us.remove, emptied_by_us.held) == (frozenset(), None)
    assert (few_left.remove, few_left.held) == (frozenset(uids[:5]), None)
    assert (many_left.remove, many_left.held is not None) == (frozenset(), True)
