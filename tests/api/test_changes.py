"""The changes for programs: every event once, in order, and played from the beginning the present wishes."""

import random
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import Row, row
from tests.support.followers import ask, follow, play, present_wishes
from tests.support.household import Household
from wishlist_service.web.listing import make_cursor

NAMES = ("Ann", "Ben", "Cleo")


@pytest.mark.parametrize("limit", [1, 2, 5, 9, 10, 50])
def test_pages_are_the_whole_history_the_oldest_first(client: FlaskClient, filled: Household, limit: int) -> None:
    history = client.get("/api/history?limit=500").json["items"]

    told, _ = follow(client, limit=limit)

    assert told == history[::-1]
    assert len(told) == 9
    assert play(told) == present_wishes(filled)


def test_program_that_has_all_is_told_only_what_is_new(client: FlaskClient, filled: Household) -> None:
    _, cursor = follow(client)
    assert ask(client, cursor) == {"items": [], "limit": 50, "next": cursor, "more": False}

    filled.plex.people["token-of-cleo-0123456789"].rows = [row("77", "Another")]
    filled.sync()
    told, cursor = follow(client, cursor)

    assert [(event["kind"], event["item"]["title"], event["user"]["name"]) for event in told] == [
        ("added", "Another", "Cleo")
    ]
    assert ask(client, cursor)["items"] == []


def test_cursor_of_an_empty_history_misses_nothing_later(client: FlaskClient, household: Household) -> None:
    first = ask(client)
    assert (first["items"], first["more"]) == ([], False)

    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()

    assert follow(client, first["next"])[0] == follow(client)[0] != []


def test_more_tells_whether_to_ask_again_at_once(client: FlaskClient, filled: Household) -> None:
    assert (ask(client, limit=8)["more"], ask(client, limit=9)["more"]) == (True, False)


def test_etag_confirms_that_nothing_is_new(client: FlaskClient, filled: Household) -> None:
    _, cursor = follow(client)
    path = f"/api/changes?after={cursor}"
    etag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304

    filled.plex.people["token-of-cleo-0123456789"].rows = [row("77", "Another")]
    filled.sync()

    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, len(again.json["items"])) == (200, 1)


@pytest.mark.parametrize("seed", range(4))
def test_played_from_the_beginning_they_give_the_present_wishes(
    household: Household, api: FlaskClient, seed: int
) -> None:
    chance = random.Random(seed)
    people = {name: household.add(name, some_rows(chance)) for name in NAMES}
    followed: list[dict[str, Any]] = []
    cursor: str | None = None

    for _ in range(25):
        name = chance.choice(NAMES)
        user = household.user(name)
        path = f"/api/users/{user['id']}"
        match chance.choice(["sync", "sync", "sync", "pause", "resume", "dismiss", "erase"]):
            case "sync":
                people[name].rows = some_rows(chance)
                household.sync()
            case "pause":
                assert api.delete(path).status_code == 204
            case "resume":
                assert api.patch(path, json={"active": True}).status_code == 200
            case "dismiss":
                household.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE id % 3 = 0")
            case _:
                assert api.delete(f"{path}?purge=true").status_code == 204
                people[name] = household.add(name)
                followed = [event for event in followed if event["user"]["id"] != user["id"]]
        assert play(follow(api, limit=7)[0]) == present_wishes(household)
        if chance.random() < 0.5:  # a program that asks now and then, and knows whom it was told to forget
            told, cursor = follow(api, cursor, limit=3)
            followed += told
            assert play(followed) == present_wishes(household)

    assert present_wishes(household)
    assert followed


def some_rows(chance: random.Random) -> list[Row]:
    """A list of up to 5 of 12 titles: too short for a sudden loss to be held back."""
    return [row(f"{key:x}", f"Title {key}") for key in chance.sample(range(1, 13), chance.randint(0, 5))]


def test_wish_that_went_and_came_within_a_run_is_told_as_both(client: FlaskClient, filled: Household) -> None:
    cursor = follow(client)[1]
    with filled.conn.transaction():
        wish = "WHERE item_id = 1 AND user_id = 1"
        filled.conn.execute(f"UPDATE wishlist_item_sources SET removed_at = now(), last_seen_at = now() {wish}")
        filled.conn.execute(f"UPDATE wishlist_item_sources SET removed_at = NULL, last_seen_at = NULL {wish}")

    assert [event["kind"] for event in follow(client, cursor)[0]] == ["removed", "came_back"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=x", "after"),
        ("after=", "after"),
        ("limit=0", "limit"),
        ("user=1", "user"),
        (f"after={make_cursor('events', 'desc', ['2026-01-01T00:00:00+00:00', 1])}", "after"),
        (f"after={make_cursor('added_at', 'asc', ['2026-01-01', '2026-01-01', 1])}", "after"),
        (f"after={make_cursor('events', 'asc', ['2026-01-01T00:00:00+00:00', 1, 1])}", "after"),
        (f"after={make_cursor('events', 'asc', ['2026-01-01T00:00:00+00:00', True])}", "after"),
        (f"after={make_cursor('events', 'asc', ['2026-01-01T00:00:00+00:00', 2**63])}", "after"),
        (f"after={make_cursor('events', 'asc', [None, 1])}", "after"),
    ],
)
def test_nonsense_is_refused(client: FlaskClient, filled: Household, query: str, field: str) -> None:
    reply = client.get(f"/api/changes?{query}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from([("/api/changes", "asc"), ("/api/history", "desc")]),
    moment=JSON | st.datetimes().map(str) | st.datetimes(timezones=st.timezones()).map(str),
    number=JSON | st.integers(0, 2**63 - 1),
)
def test_no_made_up_cursor_breaks_anything(
    client: FlaskClient, path: tuple[str, str], moment: object, number: object
) -> None:
    reply = client.get(f"{path[0]}?after={make_cursor('events', path[1], [moment, number])}")

    assert reply.status_code in (200, 410, 422)
