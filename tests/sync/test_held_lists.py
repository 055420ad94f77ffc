"""A list that shrinks too much is held; a row that cannot be read removes nothing."""

from datetime import timedelta

from tests.support.fake_plex import row
from tests.support.household import Household


def an_emptied_list(household: Household) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n:02}") for n in range(1, 8)])
    household.sync()
    ann.rows = []


def test_emptied_list_is_held_once_and_believed_the_second_time(household: Household) -> None:
    an_emptied_list(household)

    held = household.sync()

    user = household.user("Ann")
    assert (held.status, held.removed_items, household.results[0].outcome) == ("succeeded", 0, "held")
    assert (user["sync_state"], user["list_etag"]) == ("held", None)
    assert "7 of 7 titles are missing" in user["sync_detail"]
    assert len(household.titles("Ann")) == 7
    assert household.sync().removed_items == 7
    assert household.user("Ann")["sync_state"] == "ok"
    assert household.titles("Ann") == []


def test_additions_are_applied_while_removals_are_held(household: Household) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n:02}") for n in range(1, 13)])
    household.sync()
    ann.rows = [row("99", "Newcomer"), *ann.rows[:3]]

    run = household.sync()

    assert (run.new_items, run.removed_items) == (1, 0)
    assert household.user("Ann")["sync_state"] == "held"
    assert len(household.titles("Ann")) == 13


def test_held_read_does_not_count_as_having_seen_what_it_missed(household: Household) -> None:
    an_emptied_list(household)
    success_at = household.user("Ann")["last_success_at"]

    household.sync()

    assert household.user("Ann")["last_success_at"] == success_at
    assert household.user("Ann")["last_attempt_at"] - success_at > timedelta(0)


def test_row_that_became_unreadable_does_not_remove_its_item(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma")])
    household.sync()
    ann.rows = [row("1", "", year=None), row("2", "Beta"), row("9", "No type", media_type="clip")]

    run = household.sync()

    assert (run.status, run.removed_items) == ("succeeded", 1)
    assert household.titles("Ann") == ["Alpha", "Beta"]


def test_nothing_is_removed_while_a_row_does_not_even_say_what_it_is(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    ann.rows = [{"title": "Alpha"}, row("2", "Beta")]

    household.sync()
    household.sync()

    assert household.user("Ann")["sync_state"] == "held"
    assert household.titles("Ann") == ["Alpha", "Beta"]
