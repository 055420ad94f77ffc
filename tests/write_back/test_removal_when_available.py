"""Titles that leave the watchlists once the library has them."""

from collections import deque

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.household import Household
from tests.support.media_servers import (
    ABSENT,
    EVERYTHING_BUT,
    PLAIN,
    SHOW,
    available,
    days_pass,
    look,
)
from tests.support.plex_faults import status
from tests.support.processes import program, settings_for, wait_until


def test_titles_a_day_in_the_library_leave_the_watchlists_if_asked_for(
    wishful: Household, server: FakeMediaServer
) -> None:
    actions = Actions(wishful.plex)
    ben = wishful.add("Ben", [PLAIN, ABSENT])
    wishful.sync()
    look(wishful, server, remove_when_available=True)
    assert actions.done == []
    wishful.conn.execute("UPDATE wishlist_item_sources SET first_added_at = now() - interval '25 hours'")
    wishful.conn.execute(
        "UPDATE wishlist_items SET available_since = now() - interval '25 hours' WHERE title IN ('Plain', 'Show')"
    )

    look(wishful, server)
    assert actions.done == []
    look(wishful, server, remove_when_available=True)

    assert actions.done == [
        ("ann", PLAIN["ratingKey"]),
        ("ben", PLAIN["ratingKey"]),
        ("ann", SHOW["ratingKey"]),
    ] or actions.done == [("ann", SHOW["ratingKey"]), ("ann", PLAIN["ratingKey"]), ("ben", PLAIN["ratingKey"])]
    assert ben.rows == [ABSENT]
    assert wishful.sync().removed_items == 0
    assert "Plain" not in wishful.titles("Ann") + wishful.titles("Ben")
    look(wishful, server, remove_when_available=True)
    assert len(actions.done) == 3


@pytest.mark.slow
def test_title_long_in_the_library_stays_on_a_list_for_a_day_after_it_came_there_or_came_back(
    wishful: Household, server: FakeMediaServer
) -> None:
    actions = Actions(wishful.plex)
    ben = wishful.add("Ben", [PLAIN])
    wishful.sync()
    look(wishful, server)
    days_pass(wishful)
    for rows in ([], [PLAIN]):
        ben.rows = list(rows)
        wishful.sync()
    wishful.add("Cleo", [PLAIN])
    wishful.sync()

    look(wishful, server, remove_when_available=True)
    assert ("ann", PLAIN["ratingKey"]) in actions.done
    assert {name for name, _ in actions.done} == {"ann"}

    wishful.conn.execute("UPDATE wishlist_events SET happened_at = happened_at - interval '25 hours'")
    days_pass(wishful)
    look(wishful, server, remove_when_available=True)
    assert [name for name, _ in actions.done[-2:]] == ["ben", "cleo"]


@pytest.mark.slow
def test_person_paused_meanwhile_keeps_what_is_still_on_their_list(
    api: FlaskClient, wishful: Household, server: FakeMediaServer
) -> None:
    actions = Actions(wishful.plex)
    look(wishful, server)
    days_pass(wishful)

    def pause(_key: str) -> None:
        assert api.patch(f"/api/users/{wishful.user('Ann')['id']}", json={"active": False}).status_code == 200

    actions.before = pause
    look(wishful, server, remove_when_available=True)

    assert len(actions.done) == 1


def test_nothing_leaves_the_watchlists_after_a_look_that_failed(wishful: Household, server: FakeMediaServer) -> None:
    actions = Actions(wishful.plex)
    look(wishful, server)
    days_pass(wishful)
    server.faults["/library/sections"] = deque([status(401)])

    look(wishful, server, remove_when_available=True)

    assert actions.done == []


@pytest.mark.slow
def test_dead_token_is_tried_once_and_plex_that_is_away_left_alone(wishful: Household, server: FakeMediaServer) -> None:
    actions = Actions(wishful.plex)
    wishful.add("Ben", [PLAIN, SHOW])
    wishful.sync()
    look(wishful, server)
    days_pass(wishful)
    ann = wishful.plex.people.pop("token-of-ann-0123456789")

    actions.faults.append(status(429, Retry_After="600"))
    look(wishful, server, remove_when_available=True)
    assert len([asked for asked in wishful.plex.asked if asked.method == "PUT"]) == 1
    look(wishful, server, remove_when_available=True)

    assert [name for name, _ in actions.done] == ["ben", "ben"]
    assert len([asked for asked in wishful.plex.asked if asked.method == "PUT"]) == 4
    wishful.plex.people["token-of-ann-0123456789"] = ann
    look(wishful, server, remove_when_available=True)
    assert ann.rows == [ABSENT]


@pytest.mark.slow
def test_scheduler_does_it_by_itself(wishful: Household, server: FakeMediaServer) -> None:
    env = settings_for(wishful, PLEX_SERVER_URL=server.url, PLEX_SERVER_TOKEN=OWNER, PLEX_COLLECTION="Wanted")

    with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        wait_until(lambda: any(library.collections for library in server.libraries.values()))
        scheduler.wait_for("media server read libraries=3 wanted=7 available=6 changed=7")
        scheduler.wait_for("collection changed library='Shows' added=2 removed=0")
        assert scheduler.end() == 0

    assert available(wishful) == EVERYTHING_BUT
    assert OWNER not in scheduler.output
