"""One sync at a time across processes; runs that say how they ended."""

import threading
from typing import Any

import pytest

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from wishlist_service.db import connect
from wishlist_service.errors import Conflict, NotFound, SyncRunning
from wishlist_service.queries import sync_runs
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync


def test_second_sync_is_refused_and_names_the_running_one(household: Household) -> None:
    first = claims.claim(household.config, trigger="manual")

    with first.conn, pytest.raises(SyncRunning) as refused:
        claims.claim(household.config, trigger="scheduled")

    assert refused.value.run_id == first.run_id


def test_of_many_at_once_one_syncs(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    barrier = threading.Barrier(8)
    claimed: list[claims.Claim] = []
    refused: list[int | None] = []

    def attempt() -> None:
        barrier.wait()
        try:
            claimed.append(claims.claim(household.config, trigger="manual"))
        except SyncRunning as running:
            refused.append(running.run_id)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == 1
    assert refused == [claimed[0].run_id] * 7
    claimed[0].conn.close()


def test_run_whose_connection_died_is_interrupted_from_the_next_look_on(household: Household) -> None:
    claimed = claims.claim(household.config, trigger="manual")
    with connect(household.config.database_url, role="test") as look:
        assert sync_runs.get_run(look, run_id=claimed.run_id).status == "running"

        claimed.conn.close()

        wait_until(lambda: sync_runs.get_run(look, run_id=claimed.run_id).status == "interrupted")
        assert sync_runs.find_running_run(look) is None


def test_next_run_closes_an_interrupted_one(household: Household) -> None:
    dead = claims.claim(household.config, trigger="manual")
    dead.conn.close()

    household.sync()

    stored = household.conn.execute("SELECT status, finished_at FROM sync_runs ORDER BY id").fetchall()
    assert [run["status"] for run in stored] == ["interrupted", "succeeded"]
    assert stored[0]["finished_at"] is None  # nobody knows


def test_stop_ends_the_run_after_the_people_under_way(household: Household) -> None:
    stop = threading.Event()
    people = [household.add(name, [row(name.encode().hex(), name)]) for name in ("Ann", "Ben", "Cleo", "Dora")]
    people[0].before_page = people[1].before_page = lambda _start: stop.set()
    results: list[Any] = []

    claimed = claims.claim(household.config, trigger="command")
    run = run_sync(claimed, household.plex_client, household.cipher, stop=stop, on_result=results.append)

    assert run.status == "interrupted"
    assert 1 <= len(results) <= 2
    assert all(result.outcome == "changed" for result in results)
    assert household.sync().status == "succeeded"


def test_at_most_two_lists_are_read_at_a_time(household: Household) -> None:
    together = threading.Barrier(2)
    for name in ("Ann", "Ben", "Cleo", "Dora", "Eve", "Finn"):
        household.add(name, [row(name.encode().hex(), name)]).before_page = lambda _start: together.wait(5) and None

    run = household.sync()

    assert run.users_processed == 6
    assert household.plex.most_lists_at_a_time == 2


def test_one_person_can_be_synced_alone(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")])

    run = household.sync(user_id=household.user("Ben")["id"])

    assert run.users_processed == 1
    assert (household.titles("Ann"), household.titles("Ben")) == ([], ["Beta"])


def test_unknown_or_paused_person_cannot_be_synced_and_no_run_is_left(household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET active = false")

    with pytest.raises(NotFound):
        household.sync(user_id=999)
    with pytest.raises(Conflict, match="Ann is paused"):
        household.sync(user_id=household.user("Ann")["id"])

    assert household.conn.execute("SELECT * FROM sync_runs").fetchall() == []


def test_run_whose_every_person_failed_has_failed(household: Household) -> None:
    household.add("Ann").always = status(500)
    household.add("Ben").always = status(500)

    assert household.sync().status == "failed"


def test_progress_is_seen_while_the_run_goes_on(household: Household) -> None:
    seen: list[dict[str, Any]] = []
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")])
    cleo = household.add("Cleo", [row("3", "Gamma")])
    # the third list is begun only when one of the first two is stored
    cleo.before_page = lambda _start: seen.extend(household.conn.execute("SELECT * FROM sync_runs").fetchall())

    household.sync()

    assert seen[0]["status"] == "running"
    assert seen[0]["users_processed"] >= 1
