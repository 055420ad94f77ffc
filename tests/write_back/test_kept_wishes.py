"""REMOVE_AFTER_SYNC: stored wishes are taken off their watchlists and stay wanted here until they are ended here."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_plex import Handler, row
from tests.support.household import Household
from tests.support.keeping import (
    ALPHA,
    BETA,
    FILMS,
    GAMMA,
    events,
    kept,
    times_are_asked,
    turn,
    turn_at_once,
    two_hours_pass,
)
from tests.support.plex_faults import reset, status
from tests.support.processes import kill_all, program, settings_for, wait_until
from wishlist_service.models import Watchlist
from wishlist_service.sync import claims
from wishlist_service.sync.decide import decide
from wishlist_service.sync.person import read_user, store_user
from wishlist_service.write_back.worker import WriteBack


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


@pytest.mark.slow
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
    ids = [*range(20)]
    nothing = Watchlist(entries=[])

    emptied_by_us = decide(ids, (), nothing, kept=ids, held_removals=None)
    few_left = decide(ids, (), nothing, kept=ids[5:], held_removals=None)
    many_left = decide(ids, (), nothing, kept=ids[:10], held_removals=None)

    assert (emptied_by_us.remove, emptied_by_us.held) == (frozenset(), None)
    assert (few_left.remove, few_left.held) == (frozenset(ids[:5]), None)
    assert (many_left.remove, many_left.held is not None) == (frozenset(), True)


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


@pytest.mark.slow
@pytest.mark.parametrize("fault", [status(503), reset], ids=["503", "reset"])
def test_plex_that_is_away_is_left_alone_for_a_minute_and_asked_at_once_by_a_new_scheduler(
    household: Household, actions: Actions, fault: Callable[[Handler], None]
) -> None:
    ann = household.add("Ann", [ALPHA, BETA, GAMMA])
    household.sync()
    actions.faults.append(fault)

    times_are_asked(household)
    config = replace(household.config, remove_after_sync=True)
    worker = WriteBack(config, household.cipher, stop=threading.Event(), retry_seconds=0.01)
    for _minute in range(3):
        worker.turn()
    assert len([asked for asked in household.plex.asked if asked.method == "PUT"]) == 1
    assert len(ann.rows) == 3

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
    read = read_user(ann, household.plex_client, household.cipher, database_url="", on_page=lambda *_: None)

    turn(household)
    two_hours_pass(household)
    result = store_user(claimed.conn, ann, lambda: read, run_id=claimed.run_id, due_again_in=timedelta(hours=6))
    claimed.conn.close()

    assert result.outcome == "skipped"
    assert kept(household) == ["Alpha"]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
