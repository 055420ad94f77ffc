"""Syncs over the API: started, waited for, refused, reported."""

import threading
import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household, context
from tests.support.plex_faults import status
from tests.support.readers import Share, Shared
from wishlist_service.sync import claims


def wait_until_finished(client: FlaskClient, path: str) -> Any:
    while (run := client.get(path).json)["status"] in ("waiting", "running"):
        time.sleep(0.01)
    return run


def test_sync_that_ends_in_time_is_answered_with_the_run(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])

    reply = api.post("/api/sync")

    assert reply.status_code == 200
    run = dict(reply.json)
    assert run.pop("started_at") <= run.pop("finished_at")
    assert run == {
        "id": 1,
        "trigger": "manual",
        "status": "succeeded",
        "users_processed": 1,
        "items_fetched": 1,
        "new_items": 1,
        "updated_items": 0,
        "removed_items": 0,
        "added_wishes": 1,
        "removed_wishes": 0,
        "total_items": 1,
        "errors": [],
    }


def test_sync_that_takes_longer_goes_on_and_can_be_followed(api: FlaskClient, household: Household) -> None:
    go_on = threading.Event()
    household.add("Ann", [row("1", "Alpha")]).before_page = lambda _start: go_on.wait(10) and None

    reply = api.post("/api/sync?wait=0")

    assert reply.status_code == 202
    assert reply.json["status"] == "running"
    assert reply.headers["Location"] == f"/api/sync/runs/{reply.json['id']}"
    current = api.get("/api/sync/status").json
    assert (current["running"], current["current_run"]["id"]) == (True, reply.json["id"])
    refused = api.post("/api/sync")
    assert (refused.status_code, refused.json["run_id"]) == (409, reply.json["id"])
    go_on.set()
    assert wait_until_finished(api, reply.headers["Location"])["status"] == "succeeded"


def test_one_person_can_be_asked_for(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")])

    assert api.post("/api/sync?user_id=2").json["users_processed"] == 1

    assert household.titles("Ann") == []


def test_person_who_is_unknown_or_paused_is_refused(api: FlaskClient, household: Household) -> None:
    household.add("Ann")
    household.conn.execute("UPDATE plex_users SET active = false")

    assert api.post("/api/sync?user_id=999").status_code == 404
    assert api.post("/api/sync?user_id=1").status_code == 409
    assert api.get("/api/sync/runs").json["total"] == 0


@pytest.fixture(scope="module")
def nobody(share: Share) -> Shared:
    """A household of nobody, for what is refused."""
    return share(lambda household: None)


@pytest.mark.parametrize(
    "query", ["wait=51", "wait=-1", "wait=soon", "wait=nan", "wait=1_0", "wait=%201", "user_id=0", "user_id=x", "all=1"]
)
def test_wrong_parameters_start_nothing(nobody: Shared, query: str) -> None:
    api = nobody.client(with_key=True)

    assert api.post(f"/api/sync?{query}").status_code == 422
    assert api.get("/api/sync/runs").json["total"] == 0


def test_status_tells_how_each_list_stands(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben").always = status(404)
    household.add("Cleo")
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")
    run = api.post("/api/sync").json
    household.conn.execute("UPDATE plex_users SET next_sync_at = '2030-01-02T03:04:06+02:00' WHERE name = 'Ann'")
    household.conn.execute("UPDATE plex_users SET next_sync_at = '2030-01-02T03:04:05+02:00' WHERE name = 'Ben'")

    shown = api.get("/api/sync/status").json

    assert (shown["running"], shown["current_run"], shown["last_run"]) == (False, None, run)
    assert shown["next_run_at"] == "2030-01-02T01:04:05Z"
    ann, ben = shown["users"]
    assert (ann["name"], ann["sync_state"], ann["sync_detail"]) == ("Ann", "ok", None)
    assert (ben["name"], ben["sync_state"], ben["last_success_at"]) == ("Ben", "plex_changed", None)
    assert "HTTP 404" in ben["sync_detail"]
    detail = run["errors"][0]["detail"]
    assert run["errors"] == [{"user_id": 2, "name": "Ben", "state": "plex_changed", "detail": detail}]
    assert ben["sync_detail"] == f"{detail} Next try at 01:04 UTC."


def test_status_before_the_first_sync(client: FlaskClient) -> None:
    assert client.get("/api/sync/status").json == {
        "running": False,
        "current_run": None,
        "last_run": None,
        "next_run_at": None,
        "look_minutes": 0,
        "scheduler": "stopped",
        "looked_at": None,
        "users": [],
    }


def test_runs_are_listed_newest_first(api: FlaskClient) -> None:
    for _ in range(3):
        api.post("/api/sync")

    page = api.get("/api/sync/runs?limit=2&offset=1").json

    assert ([run["id"] for run in page["items"]], page["total"]) == ([2, 1], 3)
    assert api.get("/api/sync/runs/4").status_code == 404


def test_sync_under_way_ends_in_order_when_the_worker_is_told_to_stop(api: FlaskClient, household: Household) -> None:
    people = [household.add(name, [row(name.encode().hex(), name)]) for name in ("Ann", "Ben", "Cleo", "Dora")]
    stop = context(api).stop
    for person in people:
        person.before_page = lambda _start: stop.set()

    run = api.post("/api/sync").json

    assert run["status"] == "interrupted"
    assert 1 <= run["users_processed"] <= 2


def test_run_that_broke_off_in_this_process_is_interrupted(api: FlaskClient, household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    ann.before_page = lambda _start: household.conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plex-wishlist-sync'"
    )

    reply = api.post("/api/sync")

    assert (reply.status_code, reply.json["status"]) == (200, "interrupted")
    ann.before_page = lambda _start: None
    assert api.post("/api/sync").json["status"] == "succeeded"


@pytest.mark.parametrize("trigger", ["manual", "command"])
def test_sync_that_was_asked_for_elsewhere_is_named(api: FlaskClient, household: Household, trigger: str) -> None:
    household.add("Ann")
    elsewhere = claims.claim(household.config, trigger=trigger)

    with elsewhere.conn:
        reply = api.post("/api/sync")

    assert (reply.status_code, reply.json["run_id"]) == (409, elsewhere.run_id)
    assert reply.json["detail"] == f"Sync run {elsewhere.run_id} is still running."


def test_sync_waits_for_a_scheduled_one_and_is_done(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    scheduled = claims.claim_due(household.config)
    assert scheduled

    with scheduled.conn:
        reply = api.post("/api/sync?wait=0.1")
        current = api.get("/api/sync/status").json["current_run"]
        refused = api.post("/api/sync?user_id=1")

    assert (reply.status_code, reply.json["status"], reply.json["trigger"]) == (202, "waiting", "manual")
    assert reply.headers["Location"] == f"/api/sync/runs/{reply.json['id']}"
    assert current["id"] == scheduled.run_id
    assert (refused.status_code, refused.json["run_id"]) == (409, reply.json["id"])
    run = wait_until_finished(api, reply.headers["Location"])
    assert (run["status"], run["users_processed"], household.titles("Ann")) == ("succeeded", 1, ["Alpha"])


@pytest.mark.slow
def test_sync_that_waits_for_a_scheduled_one_ends_within_wait(api: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    scheduled = claims.claim_due(household.config)
    assert scheduled
    threading.Timer(0.5, scheduled.conn.close).start()

    reply = api.post("/api/sync?wait=50")

    assert (reply.status_code, reply.json["status"], reply.json["users_processed"]) == (200, "succeeded", 1)
