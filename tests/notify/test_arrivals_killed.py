"""Schedulers that are killed with -9 while titles come: everybody is told once all the same."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask.testing import FlaskClient

from tests.support.addresses import give
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.media_servers import running
from tests.support.processes import kill_all, program, settings_for, wait_until
from tests.support.receivers import Receiver, receiver

pytestmark = pytest.mark.slow

SCHEDULER = ("-m", "wishlist_service.scheduler")
FILMS = [row(f"{number:x}", f"Film {number}", year=2000) for number in range(1, 7)]


@pytest.fixture
def server() -> Iterator[FakeMediaServer]:
    with running() as server:
        server.library("movie", "Films")
        yield server


@pytest.fixture
def receivers(household: Household, api: FlaskClient) -> Iterator[dict[str, Receiver]]:
    """A webhook for each of three people who want the same films, and one of the household."""
    with ExitStack() as stack:
        found = {name: stack.enter_context(receiver()) for name in ("Ann", "Ben", "Cleo", "household")}
        for name in ("Ann", "Ben", "Cleo"):
            household.add(name, FILMS)
        household.sync()
        for name in ("Ann", "Ben", "Cleo"):
            give(api, household, name, found[name].address)
        yield found


def settings(household: Household, server: FakeMediaServer, receivers: dict[str, Receiver]) -> dict[str, str]:
    return settings_for(
        household,
        NOTIFY_URLS=receivers["household"].address,
        PLEX_SERVER_URL=server.url,
        PLEX_SERVER_TOKEN=OWNER,
        PLEX_LIBRARY_MINUTES="0.05",
        PLEX_SYNC_INTERVAL_HOURS="0.01",
    )


def lines_of(receiver: Receiver) -> list[str]:
    """What it was told of the library, sentence by sentence."""
    return [line for body in receiver.bodies for line in body.splitlines() if line.startswith("In the library now")]


def test_each_title_is_told_once_to_each_person_over_kills(
    household: Household, server: FakeMediaServer, receivers: dict[str, Receiver]
) -> None:
    env = settings(household, server, receivers)
    library = server.libraries["1"]
    chance = random.Random(7)
    with program(*SCHEDULER, env=env) as first:
        first.wait_for("media server read")
        assert first.end() == 0
    for film in FILMS:
        with program(*SCHEDULER, env=env) as killed:
            killed.wait_for("scheduler started")
            server.add_title(library, film["guid"])
            if chance.random() < 0.5:  # else somewhere before
                wait_until(lambda: household.conn.execute("SELECT FROM library_arrivals").rowcount)
            kill_all(killed.process.pid)
    with program(*SCHEDULER, env=env) as last:
        wait_until(lambda: all(len(lines_of(each)) >= len(FILMS) for each in receivers.values()), seconds=120)
        assert last.end() == 0

    for name, each in receivers.items():
        titles = [line.partition(".")[0] for line in lines_of(each)]
        assert sorted(titles) == sorted(f"In the library now: {film['title']} (2000)" for film in FILMS), name


def test_scheduler_killed_while_one_person_is_told_tells_the_others_and_repeats_this_one_alone(
    household: Household, server: FakeMediaServer, receivers: dict[str, Receiver]
) -> None:
    env = settings(household, server, receivers)
    arrived, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        go_on.wait(60)

    with program(*SCHEDULER, env=env) as first:
        first.wait_for("media server read")
        assert first.end() == 0
    receivers["Ben"].before_answer = hang
    with program(*SCHEDULER, env=env) as killed:
        killed.wait_for("scheduler started")
        server.add_title(server.libraries["1"], FILMS[0]["guid"])
        assert arrived.wait(90)
        kill_all(killed.process.pid)
    receivers["Ben"].before_answer = lambda: None
    go_on.set()
    with program(*SCHEDULER, env=env) as last:
        wait_until(lambda: [len(lines_of(receivers[name])) for name in ("Cleo", "Ben")] == [1, 2], seconds=120)
        assert last.end() == 0

    counts = {name: len(lines_of(each)) for name, each in receivers.items()}
    assert counts == {"household": 1, "Ann": 1, "Ben": 2, "Cleo": 1}


def test_three_schedulers_tell_each_person_once(
    household: Household, server: FakeMediaServer, receivers: dict[str, Receiver]
) -> None:
    env = settings(household, server, receivers)
    with (
        program(*SCHEDULER, env=env) as first,
        program(*SCHEDULER, env=env) as second,
        program(*SCHEDULER, env=env) as third,
    ):
        for each in (first, second, third):
            each.wait_for("scheduler started")
        wait_until(lambda: household.conn.execute("SELECT FROM library_sections").rowcount)
        for film in FILMS[:2]:
            server.add_title(server.libraries["1"], film["guid"])
        wait_until(lambda: all(len(lines_of(each)) >= 2 for each in receivers.values()), seconds=120)
        assert [each.end() for each in (first, second, third)] == [0, 0, 0]

    assert {name: len(lines_of(each)) for name, each in receivers.items()} == dict.fromkeys(receivers, 2)
