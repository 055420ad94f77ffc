"""Schedulers as processes tell news: restarted, killed at every point, several at once, without Apprise."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_plex import Person, Row, row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import CHECKOUT, free_port, gunicorn, kill_all, program, request, settings_for, wait_until
from tests.support.receivers import SECRET, Receiver, receiver

pytestmark = pytest.mark.slow

SCHEDULER = ("-m", "wishlist_service.scheduler")

ALPHA, BETA, GAMMA = row("a", "Alpha", year=1999), row("b", "Beta", year=None), row("c", "Gamma", year=2001)


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def ann(household: Household) -> Person:
    """Somebody whose list was read."""
    person = household.add("Ann", [ALPHA])
    household.sync()
    return person


def settings(household: Household, *addresses: str, **more: str) -> dict[str, str]:
    """Of a scheduler that looks every few seconds."""
    return settings_for(household, NOTIFY_URLS=" ".join(addresses), PLEX_SYNC_INTERVAL_HOURS="0.01", **more)


def add(household: Household, ann: Person, rows: list[Row]) -> None:
    """Ann adds titles, and is due."""
    ann.rows = rows
    household.conn.execute("UPDATE plex_users SET next_sync_at = now()")


def restart(household: Household, env: dict[str, str]) -> str:
    """A scheduler from its start until it has told the news, if there are any; its output."""
    household.conn.execute("UPDATE news_addresses SET due_at = now()")
    household.conn.execute("UPDATE plex_users SET pinged_at = NULL")  # the pings come after the news
    with program(*SCHEDULER, env=env) as scheduler:
        wait_until(lambda: household.conn.execute("SELECT FROM plex_users WHERE pinged_at IS NOT NULL").rowcount)
        assert scheduler.end() == 0
    return scheduler.output


def test_news_wait_for_an_address_over_restarts_and_kills(household: Household, ann: Person) -> None:
    port = free_port()
    env = settings(household, f"json://127.0.0.1:{port}/{SECRET}", LOG_LEVEL="DEBUG")
    outputs: list[str] = []
    for number, rows in enumerate(([BETA, ALPHA], [GAMMA, BETA, ALPHA])):
        with program(*SCHEDULER, env=env) as killed:
            wait_until(lambda: household.conn.execute("SELECT FROM news_addresses").rowcount)
            add(household, ann, rows)
            household.conn.execute("UPDATE news_addresses SET due_at = now()")
            killed.wait_for("message could not be sent address=1")
            kill_all(killed.process.pid)
            outputs.append(killed.output)
            assert household.titles("Ann") == ["Alpha", "Beta", "Gamma"][: number + 2]

    with receiver(port) as webhook:
        outputs += [restart(household, env) for _ in range(3)]

    assert webhook.bodies == ["Ann wants Gamma (2001) and Beta; 3 titles in all."]
    assert "reason='no answer'" in outputs[0]
    assert all(SECRET not in output and str(port) not in output for output in outputs)


def test_scheduler_killed_before_it_was_told_that_a_message_arrived_repeats_this_one_alone(
    household: Household, ann: Person, webhook: Receiver
) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        go_on.wait(30)

    webhook.before_answer = hang
    env = settings(household, webhook.address)
    with program(*SCHEDULER, env=env) as killed:
        wait_until(lambda: household.conn.execute("SELECT FROM news_addresses").rowcount)
        add(household, ann, [BETA, ALPHA])
        assert arrived.wait(30)
        kill_all(killed.process.pid)
    webhook.before_answer = lambda: None
    go_on.set()

    for _ in range(2):
        restart(household, env)

    assert webhook.bodies == ["Ann wants Beta; 2 titles in all."] * 2


def test_three_schedulers_send_each_message_once(household: Household, ann: Person, webhook: Receiver) -> None:
    env = settings(household, webhook.address)
    with (
        program(*SCHEDULER, env=env) as first,
        program(*SCHEDULER, env=env) as second,
        program(*SCHEDULER, env=env) as third,
    ):
        running = (first, second, third)
        for each in running:
            each.wait_for("scheduler started")
        wait_until(lambda: household.conn.execute("SELECT FROM news_addresses").rowcount)
        for count, rows in enumerate(([BETA, ALPHA], [GAMMA, BETA, ALPHA]), start=1):
            add(household, ann, rows)
            wait_until(lambda: len(webhook.messages) >= count)  # noqa: B023
        assert [each.end() for each in running] == [0, 0, 0]
    restart(household, env)

    assert webhook.bodies == ["Ann wants Beta; 2 titles in all.", "Ann wants Gamma (2001); 3 titles in all."]


def test_sync_asked_of_the_api_and_a_refused_token_are_told_by_the_scheduler(
    household: Household, ann: Person, webhook: Receiver
) -> None:
    env = settings(household, webhook.address, NAMES="hidden") | {"PLEX_SYNC_INTERVAL_HOURS": "0.02"}
    with gunicorn(env) as (_, address), program(*SCHEDULER, env=env) as scheduler:
        wait_until(lambda: household.conn.execute("SELECT FROM news_addresses").rowcount)
        ann.rows = [BETA, ALPHA]
        key = {"X-API-Key": env["API_KEY"]}
        assert request("POST", f"{address}/api/invitations", body={}, headers=key).status == 201
        assert request("POST", f"{address}/api/sync?wait=30", headers=key).status == 200
        wait_until(lambda: len(webhook.messages) == 1, seconds=60)
        ann.account_status, ann.always = 401, status(401)
        assert request("POST", f"{address}/api/sync?wait=30", headers=key).status == 200
        household.conn.execute("UPDATE plex_users SET token_refused_at = token_refused_at - interval '10 minutes'")
        assert request("POST", f"{address}/api/sync?wait=30", headers=key).status == 200
        wait_until(lambda: len(webhook.messages) == 2, seconds=60)
        assert scheduler.end() == 0

    assert webhook.bodies[0] == "Ann wants Beta; 2 titles in all."
    assert f" here: {address}/join/" in webhook.bodies[1]
    assert "/join/" not in scheduler.output


def test_without_apprise_the_cure_is_told_and_all_else_goes_on(
    household: Household, webhook: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "apprise.py").write_text("print('apprise imported', flush=True)\nraise ImportError('not here')\n")
    household.add("Ann", [ALPHA])
    missing = {"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}

    with program(*SCHEDULER, env=settings(household, webhook.address) | missing) as scheduler:
        scheduler.wait_for("sync finished run=1 status=succeeded")
        assert scheduler.end() == 0
    household.conn.execute("UPDATE plex_users SET next_sync_at = now()")
    with program(*SCHEDULER, env=settings(household) | missing) as without:
        without.wait_for("scheduler started")
        without.wait_for("sync finished")
        assert without.end() == 0

    assert "Apprise is not installed, run: pip install -r requirements-notify.txt" in scheduler.output
    assert "apprise imported" in scheduler.output
    assert "apprise imported" not in without.output


def test_address_that_is_none_is_told_by_its_number(household: Household, webhook: Receiver) -> None:
    env = settings(household, webhook.address, f"nosuchservice://{SECRET}")
    with program(*SCHEDULER, env=env) as scheduler:
        scheduler.wait_for("scheduler started")
        assert scheduler.end() == 0

    assert "address 2 of NOTIFY_URLS is skipped" in scheduler.output
    assert SECRET not in scheduler.output
    assert json.dumps(household.conn.execute("SELECT fingerprint FROM news_addresses").fetchall()).count(SECRET) == 0
