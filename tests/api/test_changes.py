"""The changes for programs: every event once and in order, also while others write and after a restore."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, connect

from tests.support.backups import dump_of, restore
from tests.support.fake_plex import Row, row
from tests.support.followers import ask, follow, play, present_wishes
from tests.support.household import API_KEY, Household
from tests.support.processes import gunicorn, request, settings_for, wait_until, waiting_for_locks
from tests.support.readers import Shared
from tests.support.slow import first_quick
from wishlist_service.queries import locks
from wishlist_service.sync import claims, run
from wishlist_service.web.listing import make_cursor

NAMES = ("Ann", "Ben", "Cleo")


@pytest.mark.parametrize("limit", [1, 2, 5, 9, 10, 50])
def test_pages_are_the_whole_history_the_oldest_first(reader: FlaskClient, limit: int, shared_filled: Shared) -> None:
    history = reader.get("/api/history?limit=500").json["items"]

    told, _ = follow(reader, limit=limit)

    assert told == history[::-1]
    assert len(told) == 9
    assert play(told) == present_wishes(shared_filled.household)


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


def test_more_tells_whether_to_ask_again_at_once(reader: FlaskClient) -> None:
    assert (ask(reader, limit=8)["more"], ask(reader, limit=9)["more"]) == (True, False)


def test_etag_confirms_that_nothing_is_new(client: FlaskClient, filled: Household) -> None:
    _, cursor = follow(client)
    path = f"/api/changes?after={cursor}"
    etag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304

    filled.plex.people["token-of-cleo-0123456789"].rows = [row("77", "Another")]
    filled.sync()

    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, len(again.json["items"])) == (200, 1)


@pytest.mark.slow
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
def test_nonsense_is_refused(reader: FlaskClient, query: str, field: str) -> None:
    reply = reader.get(f"/api/changes?{query}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@pytest.mark.slow
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


DUE = "SELECT FROM plex_users WHERE next_sync_at <= now() AND name <> 'Gus'"

WITH_KEY = {"X-API-Key": API_KEY}


@contextmanager
def writer(household: Household, *, by_hand: bool) -> Iterator[Connection]:
    """A connection in a transaction that may change wishes; by hand it forgets the lock."""
    with connect(household.config.database_url) as conn:
        if not by_hand:
            locks.lock_wishlist(conn)
        yield conn


def wish(conn: Connection, *, user_id: int, item_id: int) -> None:
    conn.execute("INSERT INTO wishlist_item_sources (item_id, user_id) VALUES (%s, %s)", [item_id, user_id])


@pytest.mark.parametrize("by_hand", first_quick(1, [False, True]))
@pytest.mark.parametrize("first_commits", first_quick(1, [True, False]))
def test_who_writes_later_is_seen_later(
    client: FlaskClient, filled: Household, by_hand: bool, first_commits: bool
) -> None:
    cursor = follow(client)[1]

    def write_second() -> None:
        with writer(filled, by_hand=by_hand) as conn:
            wish(conn, user_id=3, item_id=1)  # another title: nothing of the first one's rows is in its way

    second = threading.Thread(target=write_second)
    with writer(filled, by_hand=by_hand) as first:
        wish(first, user_id=2, item_id=3)  # has drawn its id, and does not commit yet
        second.start()
        wait_until(lambda: waiting_for_locks(filled.conn) == 1)
        assert ask(client, cursor)["items"] == []
        assert filled.conn.execute("SELECT last_value FROM wishlist_events_id_seq").fetchone() == {"last_value": 10}
        if not first_commits:
            first.rollback()
    second.join()
    told, _ = follow(client, cursor, limit=1)

    assert [event["user"]["name"] for event in told] == (["Ben", "Cleo"] if first_commits else ["Cleo"])
    assert play(follow(client)[0]) == present_wishes(filled)


def sync_due(household: Household, done: threading.Event) -> None:
    """What a scheduler does, without a pause."""
    while not done.is_set():
        if claimed := claims.claim_due(household.config):
            run.run_sync(claimed, household.plex_client, household.cipher, stop=threading.Event())


def write_by_hand(household: Household, done: threading.Event) -> None:
    """Take some of Gus's wishes back, or bring them back, again and again."""
    chance = random.Random(1)
    while not done.is_set():
        with writer(household, by_hand=False) as conn:
            conn.execute(
                """
                UPDATE wishlist_item_sources
                   SET removed_at = CASE WHEN removed_at IS NULL THEN now() END,
                       last_seen_at = CASE WHEN removed_at IS NULL THEN now() END
                 WHERE mod(item_id, 4) = %s
                   AND user_id = (SELECT id FROM plex_users WHERE name = 'Gus')
                """,
                [chance.randrange(4)],
            )


def change_lists(household: Household, done: threading.Event) -> None:
    """Have everybody but Gus change their list and be synced, 30 times."""
    chance = random.Random(2)
    try:
        for _ in range(30):
            for token, person in household.plex.people.items():
                if "gus" not in token:
                    person.rows = some_of_many_rows(chance)
            household.conn.execute("UPDATE plex_users SET next_sync_at = now() WHERE name <> 'Gus'")
            wait_until(lambda: not household.conn.execute(DUE).rowcount)
    finally:
        done.set()


def some_of_many_rows(chance: random.Random) -> list[Row]:
    return [row(f"{key:x}", f"Title {key}") for key in chance.sample(range(1, 41), chance.randint(0, 5))]


@pytest.mark.slow
def test_nothing_is_missed_while_syncs_run_side_by_side(client: FlaskClient, household: Household) -> None:
    for name in ("Ann", "Ben", "Cleo", "Dora", "Eve", "Finn"):
        household.add(name)
    household.add("Gus", [row(f"{key:x}", f"Title {key}") for key in range(1, 21)])
    household.sync()
    chance, done = random.Random(3), threading.Event()

    told: list[dict[str, Any]] = []
    cursor: str | None = None
    with ThreadPoolExecutor(4) as others:
        working = [others.submit(work, household, done) for work in (sync_due, sync_due, write_by_hand, change_lists)]
        while not done.is_set():
            reply = ask(client, cursor, limit=chance.choice([1, 3, 10, 100]))
            told += reply["items"]
            cursor = reply["next"]
        assert [work.result() for work in working] == [None] * 4
    told += follow(client, cursor)[0]

    stored = household.conn.execute("SELECT id FROM wishlist_events ORDER BY id").fetchall()
    assert [event["id"] for event in told] == [found["id"] for found in stored]
    assert len({event["run_id"] for event in told}) > 10
    assert play(told) == present_wishes(household)


@pytest.mark.slow
def test_nothing_is_missed_over_http_while_the_api_syncs(household: Household) -> None:
    chance = random.Random(2)
    people = [household.add(name) for name in ("Ann", "Ben", "Cleo")]
    done = threading.Event()
    runs: list[int] = []

    with gunicorn(settings_for(household)) as (_, address):

        def sync_often() -> None:
            try:
                for _ in range(20):
                    for person in people:
                        person.rows = some_of_many_rows(chance)
                    runs.append(request("POST", f"{address}/api/sync?wait=50", headers=WITH_KEY).json["id"])
            finally:
                done.set()

        syncing = threading.Thread(target=sync_often)
        syncing.start()
        told: list[dict[str, Any]] = []
        query, etags = "", dict[str, str]()
        last_look = False
        while not last_look:
            last_look = done.is_set()
            etag = {"If-None-Match": etags[query]} if query in etags else {}
            answer = request("GET", f"{address}/api/changes{query}", headers=etag)
            if answer.status == 200:
                told += answer.json["items"]
                etags[query] = answer.headers["ETag"]
                query = f"?after={answer.json['next']}"
                last_look = last_look and not answer.json["more"]
        syncing.join()

    assert len(runs) == 20
    stored = household.conn.execute("SELECT id FROM wishlist_events ORDER BY id").fetchall()
    assert [event["id"] for event in told] == [found["id"] for found in stored]
    assert play(told) == present_wishes(household)


def refusal(client: FlaskClient, cursor: str) -> str:
    reply = client.get(f"/api/changes?after={cursor}")
    assert (reply.status_code, reply.mimetype) == (410, "application/problem+json")
    return reply.json["detail"]


@pytest.mark.slow
def test_cursor_from_before_a_restore_is_refused_for_ever(
    client: FlaskClient, filled: Household, tmp_path: Path
) -> None:
    _, of_the_backup = follow(client)
    dump = dump_of(filled.config.database_url, tmp_path)
    cleo = filled.plex.people["token-of-cleo-0123456789"]
    cleo.rows = [row("71", "One"), row("72", "Two")]
    filled.sync()
    lost = [ask(client, of_the_backup, limit=limit)["next"] for limit in (1, 2)]

    assert restore(filled.config.database_url, dump, "--replace")[0] == 0

    for cursor in lost:
        assert "restored from an older backup. Start over without `after`." in refusal(client, cursor)
    assert ask(client, of_the_backup)["items"] == []

    filled.sync()  # the same ids again, for what is not the same any more
    cleo.rows.append(row("73", "Three"))
    filled.sync()

    told, _ = follow(client, of_the_backup)
    assert [event["item"]["title"] for event in told] == ["Two", "One", "Three"]
    for cursor in lost:
        assert refusal(client, cursor)


@pytest.mark.slow
@pytest.mark.parametrize("erased", [[3], [2, 3], [1, 2, 3]])
def test_cursor_of_an_event_that_was_erased_still_holds(api: FlaskClient, filled: Household, erased: list[int]) -> None:
    _, cursor = follow(api)
    for user_id in erased:
        assert api.delete(f"/api/users/{user_id}?purge=true").status_code == 204

    assert ask(api, cursor) == {"items": [], "limit": 50, "next": cursor, "more": False}

    filled.add("Dora", [row("9", "Iota")])
    filled.sync()
    assert [event["user"]["name"] for event in follow(api, cursor)[0]] == ["Dora"]


@pytest.mark.slow
def test_history_that_began_anew_refuses_an_earlier_cursor(client: FlaskClient, filled: Household) -> None:
    _, cursor = follow(client)
    filled.conn.execute("TRUNCATE wishlist_events RESTART IDENTITY")

    assert refusal(client, cursor)
