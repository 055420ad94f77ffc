"""The programs as they are started in earnest: gunicorn, scheduler, sync; stopped, killed, misconfigured."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.client import HTTPConnection

import pytest

from tests.support.fake_plex import row
from tests.support.household import API_KEY, PASSPHRASE, Household
from tests.support.plex_faults import status
from tests.support.processes import (
    CHECKOUT,
    GUNICORN,
    NO_SETTINGS,
    call,
    environment,
    gunicorn,
    program,
    settings_for,
    wait_until,
)

pytestmark = pytest.mark.slow

ALPHA = row("1", "Alpha")


def test_gunicorn_serves_syncs_and_stops(household: Household) -> None:
    household.add("Ann", [ALPHA])

    with gunicorn(settings_for(household, WEB_WORKERS="2")) as (api, address):
        run = call("POST", f"{address}/api/sync")
        # both workers have a pool of their own: many requests, never a mixed-up reply
        replies = [call("GET", f"{address}/api/wishlist?search={search}") for search in ("alpha", "beta") * 20]

        assert api.end() == 0

    assert (run[0], run[1]["status"]) == (200, "succeeded")
    assert [reply[1]["total"] for reply in replies] == [1, 0] * 20
    assert "Traceback" not in api.output


def test_stopping_gunicorn_lets_the_person_under_way_be_finished(household: Household) -> None:
    go_on = threading.Event()
    for name in ("Ann", "Ben", "Cleo", "Dora"):
        household.add(name, [row(name.encode().hex(), name)]).before_page = lambda _start: go_on.wait(30) and None

    with gunicorn(settings_for(household, WEB_WORKERS="1")) as (api, address):
        assert call("POST", f"{address}/api/sync?wait=0")[0] == 202
        wait_until(lambda: len(household.plex.asked) == 2)
        api.process.send_signal(signal.SIGTERM)
        api.wait_for("Worker exiting")
        go_on.set()

        assert api.exit_status() == 0

    run = household.conn.execute("SELECT status, users_processed FROM sync_runs").fetchone()
    assert run == {"status": "interrupted", "users_processed": 2}


@pytest.mark.parametrize("arguments", [GUNICORN, ("-m", "wishlist_service.scheduler"), ("-m", "wishlist_service.sync")])
def test_wrong_settings_stop_the_start_with_one_message(arguments: tuple[str, ...]) -> None:
    env = environment("mysql://x", API_KEY="short", TOKEN_ENCRYPTION_KEY="", PORT="many")

    with program(*arguments, env=env) as started:
        exit_status = started.exit_status()

    assert exit_status == 1
    for name in ("DATABASE_URL", "API_KEY", "TOKEN_ENCRYPTION_KEY", "PORT"):
        assert len(re.findall(rf"- {name} ", started.output)) == 1, started.output
    assert "Traceback" not in started.output
    assert "Booting worker" not in started.output


@pytest.mark.parametrize("arguments", [("migrate",), ("backup",), ("restore", "FILE")])
def test_command_asks_only_for_the_settings_that_it_uses(arguments: tuple[str, ...]) -> None:
    env = environment("mysql://x", API_KEY="short", TOKEN_ENCRYPTION_KEY="", PORT="many", NAMES="some")

    with program("-m", f"wishlist_service.{arguments[0]}", *arguments[1:], env=env) as started:
        assert started.exit_status() == 1

    assert re.findall(r"^  - (\w+) ", started.output, re.M) == ["DATABASE_URL"]
    assert "Traceback" not in started.output


def test_sync_command_prints_a_line_per_person_and_fails_if_one_failed(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.add("Ben").always = status(404)

    with program("-m", "wishlist_service.sync", env=settings_for(household)) as command:
        exit_status = command.exit_status()

    lines = sorted(command.output.splitlines())
    assert exit_status == 1
    assert lines[0] == "Ann: changed, 1 titles, 1 added, 0 removed"
    assert lines[1].startswith("Ben: plex_changed. Plex answered HTTP 404")
    assert lines[2] == "Run 1 partial: 1 titles on the wishlist, 1 new, 0 updated, 0 removed."
    assert len(lines) == 3


def test_sync_command_succeeds_when_everybody_was_read(household: Household) -> None:
    household.add("Ann", [ALPHA])

    with program("-m", "wishlist_service.sync", env=settings_for(household)) as command:
        assert command.exit_status() == 0


def test_sync_command_shows_its_progress_on_a_terminal(household: Household) -> None:
    household.add("Ann", [row(f"{n:x}", f"Film {n}") for n in range(1, 151)])
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "wishlist_service.sync"]

    subprocess.run(command, env=settings_for(household), stdout=theirs, cwd=NO_SETTINGS, check=True)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)

    assert "\rAnn: 100 of 150 titles read" in shown.replace("\033[K", "")
    assert "\rAnn: changed, 150 titles" in shown.replace("\033[K", "")


def test_killed_sync_leaves_nothing_half_written_and_the_next_one_is_right(household: Household) -> None:
    reading = threading.Event()
    forever = threading.Event()
    ann = household.add("Ann", [row(f"{n:x}", f"Film {n}") for n in range(1, 151)])

    def hang_at_page_two(start: int) -> None:
        if start:
            reading.set()
            forever.wait(30)

    ann.before_page = hang_at_page_two

    with program("-m", "wishlist_service.sync", env=settings_for(household)) as command:
        assert reading.wait(20)
        command.end(signal.SIGKILL)
        ann.before_page = lambda _start: None
        forever.set()

    assert household.titles("Ann") == []
    run = household.sync()
    assert (run.id, run.status, run.total_items) == (2, "succeeded", 150)
    first = household.conn.execute("SELECT status FROM sync_runs WHERE id = 1").fetchone()
    assert first == {"status": "interrupted"}


def test_scheduler_syncs_at_once_and_stops_when_idle(household: Household) -> None:
    household.add("Ann", [ALPHA])

    with program("-m", "wishlist_service.scheduler", env=settings_for(household)) as scheduler:
        scheduler.wait_for("sync finished run=1 status=succeeded")
        wait_until(lambda: household.plex.requests_for("token-of-ann-0123456789", "/api/v2/ping"))

        assert scheduler.end() == 0

    assert household.titles("Ann") == ["Alpha"]
    assert "scheduler stopped" in scheduler.output


def test_restarted_scheduler_does_not_sync_again_within_the_interval(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.sync()
    due = household.user("Ann")["next_sync_at"]

    with program("-m", "wishlist_service.scheduler", env=settings_for(household)) as scheduler:
        # tokens are pinged once nobody is left to be read
        wait_until(lambda: household.plex.requests_for("token-of-ann-0123456789", "/api/v2/ping"))
        assert scheduler.end(signal.SIGINT) == 0

    assert "sync started" not in scheduler.output
    assert household.user("Ann")["next_sync_at"] == due


def test_programs_that_meet_an_empty_database_say_what_to_do(new_database: Callable[[str | None], str]) -> None:
    env = environment(new_database(None))

    with program("-m", "wishlist_service.sync", env=env) as command:
        assert command.exit_status() == 1
    with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        scheduler.wait_for("python -m wishlist_service.migrate")
        scheduler.end()

    assert "python -m wishlist_service.migrate" in command.output
    assert "Traceback" not in command.output + scheduler.output


@pytest.mark.parametrize("module", ["sync", "migrate", "scheduler", "doctor", "backup", "restore"])
def test_asking_a_command_for_help_does_nothing_else(module: str) -> None:
    with program("-m", f"wishlist_service.{module}", "--help", env={"PYTHONPATH": str(CHECKOUT)}) as command:
        assert command.exit_status() == 0

    assert f"usage: python -m wishlist_service.{module}" in command.output


def test_body_in_chunks_is_refused(household: Household) -> None:
    with gunicorn(settings_for(household)) as (_api, address):
        connection = HTTPConnection(address.removeprefix("http://"))
        headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
        connection.request("POST", "/api/users", iter([b"{}"]), headers, encode_chunked=True)
        reply = connection.getresponse()
        kind = reply.headers["Content-Type"]
        connection.close()

    assert (reply.status, kind) == (411, "application/problem+json")


def test_all_programs_show_plex_the_same_identifier_kept_in_the_database(household: Household) -> None:
    household.add("Ann", [ALPHA])
    env = settings_for(household)

    with program("-m", "wishlist_service.sync", env=env) as command:
        command.exit_status()
    with gunicorn(env) as (_api, address):
        call("POST", f"{address}/api/sync?user_id=1")

    kept = household.conn.execute("SELECT client_identifier FROM sync_state").fetchone()
    assert kept is not None
    shown = {asked.headers["X-Plex-Client-Identifier"] for asked in household.plex.asked}
    assert shown == {kept["client_identifier"]}


def test_no_secret_is_ever_printed(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.add("Ben").always = status(500)
    env = settings_for(household, LOG_LEVEL="DEBUG")
    password = "marked-database-password"
    env["DATABASE_URL"] = env["DATABASE_URL"].replace("postgres@", f"postgres:{password}@")

    with program("-m", "wishlist_service.sync", env=env) as command:
        command.exit_status()
    with gunicorn(env) as (api, address):
        call("POST", f"{address}/api/sync?user_id=1")
        call("GET", f"{address}/api/wishlist")
        api.end()

    assert "GET /library/sections/watchlist/all" in command.output  # DEBUG is really on
    for secret in ("token-of-ann", "token-of-ben", API_KEY, PASSPHRASE, password):
        assert secret not in command.output + api.output
    assert os.environ.get("API_KEY") != API_KEY
