"""REMOVE_AFTER_SYNC when something goes wrong, or something else goes on: no wish is lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.fake_actions import Actions
from tests.support.fake_plex import FakePlex, Handler
from tests.support.household import Household
from tests.support.keeping import ALPHA, BETA, FILMS, GAMMA, events, kept, times_are_asked, turn, two_hours_pass
from tests.support.plex_faults import reset, status
from tests.support.processes import kill_all, program, settings_for, wait_until
from wishlist_service.sync import claims
from wishlist_service.sync.person import read_user, store_user
from wishlist_service.write_back.worker import WriteBack


@pytest.fixture
def actions(plex: FakePlex) -> Actions:
    """Where the simulated Plex takes titles off watchlists."""
    return Actions(plex)


def test_title_that_plex_does_not_know_is_tried_again_after_a_later_read(
    household: Household, actions: Actions
) -> None:
    ann = household.add("Ann", [ALPHA, BETA])
    household.sync()
    actions.unknown.add(ALPHA["ratingKey"])
    turn(household)
    assert ann.rows == [ALPHA]
    household.sync()
    turn(household)
    assert ann.rows == [ALPHA]

    actions.unknown.clear()
    two_hours_pass(household)
    household.sync()
    turn(household)

    assert ann.rows == []
    household.sync()
    assert household.titles("Ann") == ["Alpha", "Beta"]


def test_dead_token_stops_for_its_person_only_and_the_next_sync_says_so(household: Household, actions: Actions) -> None:
    household.add("Ann", [ALPHA, BETA, GAMMA])
    ben = household.add("Ben", [ALPHA])
    household.sync()
    household.plex.people.pop("token-of-ann-0123456789")

    turn(household)
    turn(household)

    assert ben.rows == []
    assert [asked.path for asked in household.plex.asked if asked.method == "PUT"] == [
        "/actions/removeFromWatchlist"
    ] * 2
    household.sync()
    assert household.user("Ann")["sync_state"] == "token_rejected"
    turn(household)
    assert len([asked for asked in household.plex.asked if asked.method == "PUT"]) == 2
    assert household.titles("Ann") == ["Alpha", "Beta", "Gamma"]


def test_wish_is_not_kept_while_plex_asks_to_slow_down(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA, BETA, GAMMA])
    household.sync()
    times_are_asked(household)
    config = replace(household.config, remove_after_sync=True)
    giving_back = WriteBack(config, household.cipher, stop=threading.Event(), retry_seconds=0.01)
    actions.faults.append(status(429, Retry_After="600"))

    for _minute in range(3):
        giving_back.turn()
        assert kept(household) == []

    assert len([asked for asked in household.plex.asked if asked.method == "PUT"]) == 1
    turn(household)
    assert (ann.rows, len(kept(household))) == ([], 3)


@pytest.mark.parametrize("fault", [status(503), reset], ids=["503", "reset"])
def test_plex_that_is_away_is_left_alone_until_the_next_turn(
    household: Household, actions: Actions, fault: Callable[[Handler], None]
) -> None:
    ann = household.add("Ann", [ALPHA, BETA, GAMMA])
    household.sync()
    actions.faults.append(fault)

    turn(household)
    assert len(ann.rows) == 3
    turn(household)
    assert ann.rows == [GAMMA]

    household.sync()
    two_hours_pass(household)
    household.sync()
    turn(household)
    assert ann.rows == []
    assert household.sync().removed_items == 0
    assert household.titles("Ann") == ["Alpha", "Beta", "Gamma"]


def test_people_who_are_due_and_syncs_that_are_asked_for_come_first(household: Household, actions: Actions) -> None:
    household.add("Ann", [ALPHA])
    household.sync()

    household.conn.execute("UPDATE plex_users SET next_sync_at = now()")
    turn(household)
    assert actions.done == []

    household.sync()
    running = claims.claim(household.config, trigger="manual")
    turn(household)
    assert actions.done == []

    running.conn.close()
    wait_until(lambda: not household.conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").rowcount)
    turn(household)
    assert len(actions.done) == 1


def test_sync_goes_on_while_plex_is_asked_and_loses_nothing(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    asked, go_on = threading.Event(), threading.Event()

    def hang(_key: str) -> None:
        asked.set()
        go_on.wait(30)

    actions.before = hang
    with ThreadPoolExecutor(1) as pool:
        turning = pool.submit(turn, household)
        assert asked.wait(30)
        ann.rows = [BETA, ALPHA]
        run = household.sync()
        go_on.set()
        turning.result(30)

    assert (run.status, household.titles("Ann")) == ("succeeded", ["Alpha", "Beta"])
    household.sync()
    assert household.titles("Ann") == ["Alpha", "Beta"]
    assert "removed" not in events(household)


def test_list_read_before_and_stored_after_changes_nothing(household: Household, actions: Actions) -> None:
    household.add("Ann", [ALPHA])
    household.sync()
    claimed = claims.claim(household.config, trigger="scheduled")
    [ann] = claimed.people
    ann = replace(ann, list_etag=None)
    read = read_user(ann, household.plex_client, household.cipher, asked_for=False, on_page=lambda *_: None)

    turn(household)
    two_hours_pass(household)
    result = store_user(claimed.conn, ann, lambda: read, run_id=claimed.run_id, due_again_in=timedelta(hours=6))
    claimed.conn.close()

    assert result.outcome == "skipped"
    assert kept(household) == ["Alpha"]


def test_two_schedulers_share_the_titles(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    together = threading.Barrier(2, timeout=30)

    def wait(_key: str) -> None:
        together.wait()

    actions.before = wait
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(turn, [household, household]))

    assert ann.rows == []
    assert sorted(key for _, key in actions.done) == sorted(film["ratingKey"] for film in FILMS)
    assert len(kept(household)) == 12


@pytest.mark.parametrize("answered", [False, True], ids=["before Plex did it", "before Plex answered"])
def test_scheduler_killed_while_plex_is_asked_loses_nothing(
    household: Household, actions: Actions, answered: bool
) -> None:
    ann = household.add("Ann", [ALPHA])
    asked, go_on = threading.Event(), threading.Event()

    def hang(_key: str) -> None:
        asked.set()
        go_on.wait(60)

    household.sync()
    times_are_asked(household)
    if answered:
        actions.after = hang
    else:
        actions.faults.append(lambda handler: hang(handler.path))
    with program("-m", "wishlist_service.scheduler", env=settings_for(household, REMOVE_AFTER_SYNC="true")) as killed:
        assert asked.wait(30)
        kill_all(killed.process.pid)
        go_on.set()

    assert ann.rows == ([] if answered else [ALPHA])
    household.sync()
    assert household.titles("Ann") == kept(household) == ["Alpha"]
    two_hours_pass(household)
    household.sync()
    turn(household)
    assert ann.rows == []
    household.sync()
    assert household.titles("Ann") == kept(household) == ["Alpha"]
    assert events(household) == ["added"]


def test_scheduler_does_it_by_itself(household: Household, actions: Actions) -> None:
    ann = household.add("Ann", [ALPHA, BETA])
    household.sync()
    times_are_asked(household)

    with program(
        "-m", "wishlist_service.scheduler", env=settings_for(household, REMOVE_AFTER_SYNC="true")
    ) as scheduler:
        wait_until(lambda: ann.rows == [])
        scheduler.wait_for("wish kept and taken off its watchlist", count=2)
        assert scheduler.end() == 0

    assert household.titles("Ann") == kept(household) == ["Alpha", "Beta"]
    assert "token-of-" not in scheduler.output
