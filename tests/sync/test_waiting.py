"""A run that somebody asked for waits for scheduled ones, and is always done."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.processes import program, settings_for, wait_until
from tests.sync.test_claims import claim_due
from wishlist_service.errors import SyncRunning
from wishlist_service.queries import sync_runs
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync


def test_run_that_is_asked_for_waits_for_scheduled_ones_and_then_excludes_them(household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name)
    scheduled, beside = claim_due(household), claim_due(household)
    asked_for = claims.claim(household.config, trigger="manual")
    shown = "SELECT status FROM sync_run_reports ORDER BY id"
    statuses = [each["status"] for each in household.conn.execute(shown).fetchall()]
    with pytest.raises(SyncRunning) as refused:
        claims.claim(household.config, trigger="command")
    read_by_scheduled = [person.name for person in scheduled.people]

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_sync, asked_for, household.plex_client, household.cipher, stop=threading.Event())
        scheduled.conn.close()
        assert sync_runs.find_requested_run(beside.conn)
        with pytest.raises(SyncRunning):
            claims.claim_due(household.config)
        beside.conn.close()
        run = ended.result(30)

    assert statuses == ["running", "running", "waiting"]
    assert refused.value.run_id == asked_for.run_id
    assert read_by_scheduled == ["Ann"]  # it leaves the rest to the one that waits
    assert (run.id, run.status, run.users_processed) == (asked_for.run_id, "succeeded", 3)


@pytest.mark.slow
def test_run_that_waits_ends_as_interrupted_when_its_process_must_stop(household: Household) -> None:
    household.add("Ann")
    stop = threading.Event()
    stop.set()

    with claim_due(household).conn:
        asked_for = claims.claim(household.config, trigger="manual")
        run = run_sync(asked_for, household.plex_client, household.cipher, stop=stop)

    assert (run.status, household.plex.asked) == ("interrupted", [])


def test_run_whose_process_died_while_it_waited_is_interrupted(household: Household) -> None:
    household.add("Ann")
    with claim_due(household).conn:
        dead = claims.claim(household.config, trigger="manual")
        dead.conn.close()
        wait_until(lambda: sync_runs.get_run(household.conn, run_id=dead.run_id).status == "interrupted")

    wait_until(lambda: household.conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory'").rowcount == 0)
    assert household.sync().status == "succeeded"


@pytest.mark.slow
def test_command_waits_in_the_same_way(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    waiting = "SELECT FROM sync_runs WHERE status = 'waiting' AND trigger = 'command'"

    scheduled = claim_due(household)
    with program("-m", "wishlist_service.sync", env=settings_for(household)) as command:
        wait_until(lambda: household.conn.execute(waiting).rowcount)
        with program("-m", "wishlist_service.sync", env=settings_for(household)) as refused:
            assert refused.exit_status() == 1
        scheduled.conn.close()

        assert command.exit_status() == 0

    assert "Sync run 2 is still running. Wait for it to end, then try again." in refused.output
    assert "Ann: changed, 1 titles, 1 added, 0 removed" in command.output
