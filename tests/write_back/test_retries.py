"""What could not be changed at Plex, or read from the media server, is tried again within minutes."""

import logging
import threading
from collections import deque
from dataclasses import replace

import pytest

from tests.support.fake_actions import Actions
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.household import Household
from tests.support.keeping import ALPHA, times_are_asked
from tests.support.media_servers import EVERYTHING_BUT, available, look_again
from tests.support.plex_faults import status
from wishlist_service.write_back.worker import WriteBack

SECTIONS = "/library/sections"


@pytest.mark.slow
def test_title_that_could_not_be_taken_off_is_tried_again_without_a_read(
    household: Household, actions: Actions
) -> None:
    ann = household.add("Ann", [ALPHA])
    household.sync()
    times_are_asked(household)
    config = replace(household.config, remove_after_sync=True)
    worker = WriteBack(config, household.cipher, stop=threading.Event(), retry_seconds=0.01)
    waits: list[float] = []
    actions.faults.extend([status(404)] * 8)

    for _ in range(8):
        worker.turn()
        found = household.conn.execute(
            "SELECT extract(epoch FROM keep_due_at - now())::float8 / 60 AS wait FROM wishlist_item_sources"
        ).fetchone()
        assert found
        waits.append(found["wait"])
        household.conn.execute("UPDATE wishlist_item_sources SET keep_due_at = now()")
    worker.turn()

    for wait, minutes in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
        assert minutes * 0.79 < wait < minutes * 1.21
    assert ann.rows == []
    assert household.conn.execute("SELECT keep_due_at FROM wishlist_item_sources").fetchone() == {"keep_due_at": None}


def test_media_server_that_failed_is_read_again_soon_and_by_a_new_scheduler_at_once(
    wishful: Household, server: FakeMediaServer, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(wishful.config, plex_server_url=server.url, plex_server_token=OWNER)
    worker = WriteBack(config, wishful.cipher, stop=threading.Event(), retry_seconds=0.01)
    server.faults[SECTIONS] = deque([status(404)] * 8)
    waits: list[float] = []

    with caplog.at_level(logging.INFO):
        for _ in range(8):
            worker.turn()
            found = wishful.conn.execute(
                "SELECT extract(epoch FROM library_due_at - now())::float8 / 60 AS wait FROM sync_state"
            ).fetchone()
            assert found
            waits.append(found["wait"])
            wishful.conn.execute("UPDATE sync_state SET library_due_at = now()")
        wishful.conn.execute("UPDATE sync_state SET library_due_at = now() + interval '50 minutes'")
        look_again(wishful, server)

    for wait, minutes in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
        assert minutes * 0.79 < wait < min(minutes * 1.21, 60)
    assert [record.levelname for record in caplog.records if "media server failed" in record.msg] == [
        "ERROR",
        *["INFO"] * 7,
    ]
    assert available(wishful) == EVERYTHING_BUT
    assert wishful.conn.execute("SELECT library_failures FROM sync_state").fetchone() == {"library_failures": 0}
