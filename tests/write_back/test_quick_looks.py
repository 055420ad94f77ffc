"""A look at unchanged libraries costs one request and no write, and the media server can ask for one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.looking import log_position
from tests.support.media_servers import EVERYTHING_BUT, available, look, look_again
from tests.support.processes import gunicorn, kill_all, program, settings_for, wait_until
from tests.support.pushes import push
from wishlist_service.write_back.worker import WriteBack

SCHEDULER = ("-m", "wishlist_service.scheduler")
SECTIONS = "/library/sections"


def count_looks(server: FakeMediaServer) -> int:
    return len([asked for asked in server.asked if asked.path == SECTIONS])


@contextmanager
def working(household: Household, server: FakeMediaServer, **settings: Any) -> Iterator[WriteBack]:
    """A scheduler's looks, in their thread."""
    stop = threading.Event()
    defaults: dict[str, Any] = {"plex_server_url": server.url, "plex_server_token": OWNER, "library_minutes": 0.01}
    config = replace(household.config, **defaults | settings)
    worker = WriteBack(config, household.cipher, stop=stop, retry_seconds=0.01)
    worker.start()
    try:
        yield worker
    finally:
        stop.set()
        for thread in threading.enumerate():
            if thread.name in ("library", "write-back"):
                thread.join(30)


def test_unchanged_libraries_cost_one_request_and_no_write(wishful: Household, server: FakeMediaServer) -> None:
    with working(wishful, server):
        wait_until(lambda: count_looks(server) == 2)
        asked, position = len(server.asked), log_position(wishful)

        wait_until(lambda: count_looks(server) == 4)

        assert [each.path for each in server.asked[asked:]] == [SECTIONS] * 2
        assert log_position(wishful) == position
    assert available(wishful) == EVERYTHING_BUT


def test_library_that_does_not_tell_its_changes_is_read_each_time(wishful: Household, server: FakeMediaServer) -> None:
    server.libraries["2"].tells_changes = False
    look(wishful, server)
    asked = len(server.asked)

    look(wishful, server)

    paths = {each.path for each in server.asked[asked:]}
    assert "/library/sections/2/all" in paths
    assert "/library/sections/1/all" not in paths


@pytest.mark.slow
def test_new_titles_and_new_ids_are_compared_although_the_libraries_are_unchanged(
    wishful: Household, server: FakeMediaServer
) -> None:
    server.add_title(server.libraries["1"], "local://5", "tmdb://888")
    look(wishful, server)
    wishful.add("Ben", [row("8", "New", Guid=[{"id": "tmdb://888"}]), row("9", "Bare", Guid=[])])
    wishful.sync()
    look(wishful, server)
    with_new = available(wishful)
    wishful.conn.execute("UPDATE wishlist_records SET external_ids = '{tmdb://333}' WHERE uid LIKE '%9'")
    look(wishful, server)

    assert (with_new["New"], with_new["Bare"], available(wishful)["Bare"]) == (True, False, True)


@pytest.mark.slow
def test_everything_is_compared_once_a_day(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)
    wishful.conn.execute("UPDATE wishlist_items SET available = NULL")
    look(wishful, server)
    unread = set(available(wishful).values())
    wishful.conn.execute("UPDATE sync_state SET library_whole_at = library_whole_at - interval '25 hours'")
    look(wishful, server)

    assert unread == {None}
    assert available(wishful) == EVERYTHING_BUT


@pytest.mark.slow
def test_without_an_interval_a_look_comes_with_each_full_read_only(wishful: Household, server: FakeMediaServer) -> None:
    config = replace(wishful.config, plex_server_url=server.url, plex_server_token=OWNER, library_minutes=0)
    worker = WriteBack(config, wishful.cipher, stop=threading.Event(), retry_seconds=0.01)
    counts: list[int] = []

    for read in (False, False, True, False, True):
        if read:
            wishful.conn.execute("UPDATE plex_users SET list_read_at = now()")
        worker.turn()
        counts.append(count_looks(server))

    assert counts == [1, 1, 2, 2, 3]


def test_what_the_server_asks_for_comes_at_once_and_then_30_seconds_apart(
    wishful: Household, server: FakeMediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(wishful.config, plex_server_url=server.url, plex_server_token=OWNER)
    worker = WriteBack(config, wishful.cipher, stop=threading.Event(), retry_seconds=0.01)
    now, counts = time.monotonic(), list[int]()
    for seconds, asks in [(0, False), (31, True), (32, True), (45, True), (60, False), (62, False), (93, False)]:
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        if asks:
            wishful.conn.execute("UPDATE sync_state SET library_asked_at = now()")
        worker.turn()
        counts.append(count_looks(server))

    assert counts == [1, 2, 2, 2, 2, 3, 3]


def test_what_the_server_asks_for_just_after_a_planned_look_comes_at_once(
    wishful: Household, server: FakeMediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(wishful.config, plex_server_url=server.url, plex_server_token=OWNER)
    worker = WriteBack(config, wishful.cipher, stop=threading.Event(), retry_seconds=0.01)
    now, counts = time.monotonic(), list[int]()
    for seconds, asks in [(0, False), (1, True), (2, True), (30, False), (32, False)]:
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        if asks:
            wishful.conn.execute("UPDATE sync_state SET library_asked_at = now()")
        worker.turn()
        counts.append(count_looks(server))

    assert counts == [1, 2, 2, 2, 3]


def test_shorter_interval_counts_from_the_start(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server, library_minutes=1440)
    with working(wishful, server):
        wait_until(lambda: count_looks(server) == 2)


@pytest.mark.slow
def test_pushed_event_starts_a_look_of_the_scheduler_and_several_one_more(
    wishful: Household, server: FakeMediaServer
) -> None:
    env = settings_for(wishful, PLEX_SERVER_URL=server.url, PLEX_SERVER_TOKEN=OWNER)
    with gunicorn(env) as (_, address), program(*SCHEDULER, env=env) as scheduler:
        scheduler.wait_for("media server read")
        server.add_title(server.libraries["1"], "plex://movie/000000000000000000000007")
        assert push(address, picture=b"x" * 100_000) == 202
        wait_until(lambda: available(wishful)["Absent"] is True, seconds=60)
        first = count_looks(server)
        for _ in range(5):
            assert push(address) == 202
        assert push(address, "media.play") == 202
        wait_until(lambda: count_looks(server) == first + 1, seconds=60)
        assert scheduler.end() == 0

    assert count_looks(server) == first + 1


@pytest.mark.slow
def test_of_three_schedulers_one_looks_and_another_takes_over_when_it_is_killed(
    wishful: Household, server: FakeMediaServer
) -> None:
    env = settings_for(wishful, PLEX_SERVER_URL=server.url, PLEX_SERVER_TOKEN=OWNER, PLEX_LIBRARY_MINUTES="0.05")
    holder = """
        SELECT pid FROM pg_stat_activity JOIN pg_locks USING (pid)
         WHERE application_name = 'plex-wishlist-library' AND locktype = 'advisory' AND granted
        """
    with program(*SCHEDULER, env=env) as first:
        first.wait_for("media server read")
        with program(*SCHEDULER, env=env) as second, program(*SCHEDULER, env=env) as third:
            second.wait_for("scheduler started")
            third.wait_for("scheduler started")
            assert wishful.conn.execute(holder).rowcount == 1
            kill_all(first.process.pid)
            server.add_title(server.libraries["1"], "plex://movie/000000000000000000000007")
            wait_until(lambda: available(wishful)["Absent"] is True)
            assert wishful.conn.execute(holder).rowcount == 1
            assert [each.end() for each in (second, third)] == [0, 0]
            assert len([each for each in (second, third) if "media server read" in each.output]) == 1


@pytest.mark.slow
def test_look_by_hand_sees_what_is_new(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)
    server.add_title(server.libraries["1"], "plex://movie/000000000000000000000007")
    look_again(wishful, server)
    planned = available(wishful)["Absent"]
    wishful.conn.execute("UPDATE sync_state SET library_asked_at = now()")
    look_again(wishful, server)

    assert (planned, available(wishful)["Absent"]) == (False, True)
