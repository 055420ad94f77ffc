"""A look at an unchanged list costs one request and no write."""

import logging
import time
from typing import Any

import pytest

from tests.support.household import Household
from tests.support.looking import ALPHA, FILMS, INTERVAL, LIST, log_position, looked_at, looking, runs
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from tests.support.slow import slow
from wishlist_service.sync import looks


def test_unchanged_lists_cost_no_write_and_no_line_of_the_log(
    household: Household, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name, [ALPHA])
    household.sync()
    with looking(household):
        looked_at(household, 2)
        caplog.clear()
        caplog.set_level(logging.INFO)
        rows, position = household.conn.execute("SELECT xmin, * FROM plex_users").fetchall(), log_position(household)

        looked_at(household, 4)

        assert log_position(household) == position
        assert household.conn.execute("SELECT xmin, * FROM plex_users").fetchall() == rows
        assert caplog.records == []
    assert runs(household) == [("command", "succeeded", None)]


@pytest.mark.parametrize(
    "trouble", ["held", *slow("no_watchlist", "token_unreadable", "other_account", "odd row", "twice")]
)
def test_list_that_stays_in_trouble_costs_no_write_either(household: Household, trouble: str) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    if trouble == "held":
        ann.rows = FILMS[:3]
    elif trouble == "no_watchlist":
        ann.always = status(403, body=b"{}", kind="application/json")
        household.conn.execute("UPDATE plex_users SET list_etag = NULL")
    elif trouble == "token_unreadable":
        household.conn.execute("UPDATE plex_users SET plex_token = 'x'")
    elif trouble == "other_account":
        household.conn.execute("UPDATE plex_users SET account_checked = false, plex_uuid = 'x'")
    elif trouble == "odd row":
        ann.rows = [{"type": "clip", "title": "Holiday"}, *FILMS]
    else:
        ann.rows = [FILMS[0], *FILMS]
    household.sync()
    state = household.user("Ann")["sync_state"]
    assert state == {"odd row": "ok", "twice": "ok"}.get(trouble, trouble)
    count = len(household.plex.asked)

    with looking(household):
        if trouble == "token_unreadable":
            time.sleep(3 * INTERVAL)
        else:
            wait_until(lambda: len(household.plex.asked) > count + 6)
        position, number = log_position(household), len(household.plex.asked)
        if trouble == "token_unreadable":
            time.sleep(3 * INTERVAL)
        else:
            wait_until(lambda: len(household.plex.asked) > number + 4)
        assert log_position(household) == position

    assert len(runs(household)) == 2
    assert household.user("Ann")["sync_state"] == state


@pytest.mark.slow
def test_what_is_remembered_is_stored_after_half_an_hour_and_at_the_end(
    household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert looks.STORED_AFTER_SECONDS == (1800, 2100)
    household.add("Ann", [ALPHA])
    household.sync()
    before = household.user("Ann")

    with looking(household):
        looked_at(household, 2)
        assert household.user("Ann")["last_success_at"] == before["last_success_at"]
    at_the_end = household.user("Ann")
    monkeypatch.setattr(looks, "STORED_AFTER_SECONDS", (0.1, 0.2))
    with looking(household):
        wait_until(lambda: household.user("Ann")["last_success_at"] > at_the_end["last_success_at"])

    assert at_the_end["last_success_at"] > before["last_success_at"]
    assert at_the_end["last_attempt_at"] > before["last_attempt_at"]
    assert at_the_end["next_sync_at"] == before["next_sync_at"]


def test_held_list_that_is_looked_at_counts_as_no_success(household: Household) -> None:
    ann = household.add("Ann", FILMS)
    household.sync()
    ann.rows = FILMS[:3]
    household.sync()
    before = household.user("Ann")

    with looking(household):
        looked_at(household, 3)

    assert household.user("Ann")["last_success_at"] == before["last_success_at"]
    assert household.user("Ann")["last_attempt_at"] > before["last_attempt_at"]


@pytest.mark.slow
def test_connection_is_kept_between_looks(household: Household, monkeypatch: pytest.MonkeyPatch) -> None:
    ports: dict[str, set[int]] = {}
    for name in ("Ann", "Ben", "Cleo"):
        household.add(name, [ALPHA])
    household.sync()
    serve = household.plex.routes["GET", LIST]

    def note(handler: Any) -> None:
        ports.setdefault(handler.token, set()).add(handler.client_address[1])
        serve(handler)

    household.plex.routes["GET", LIST] = note

    with looking(household):
        looked_at(household, 4)

    assert sorted(len(of_person) for of_person in ports.values()) == [1, 1, 1]
