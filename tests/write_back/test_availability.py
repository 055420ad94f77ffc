"""The media server looked through: which wanted titles are there, what follows from it, and what errors change."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from tests.support import examinations
from tests.support.fake_actions import Actions
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_plex import Handler, row
from tests.support.household import Household
from tests.support.media_servers import (
    ABSENT,
    EVERYTHING_BUT,
    PLAIN,
    SHOW,
    WANTED,
    available,
    days_pass,
    fill,
    look,
    look_again,
    running,
)
from tests.support.plex_faults import cut_off, reset, status
from tests.support.processes import free_port, program, settings_for, wait_until
from wishlist_service.doctor.errors import Error


@pytest.fixture
def server() -> Iterator[FakeMediaServer]:
    """A media server that has all of the titles but one."""
    with running() as server:
        fill(server)
        yield server


@pytest.fixture
def wishful(household: Household) -> Household:
    """Ann wants all of the titles."""
    household.add("Ann", WANTED)
    household.sync()
    return household


def test_titles_are_found_by_guid_and_by_external_ids_of_their_type(
    wishful: Household, server: FakeMediaServer
) -> None:
    assert set(available(wishful).values()) == {None}

    look(wishful, server)

    assert available(wishful) == EVERYTHING_BUT


def test_list_shows_and_filters_what_is_there(api: FlaskClient, wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)

    there = api.get("/api/wishlist?available=true").json
    absent = api.get("/api/wishlist?available=false").json

    assert (there["total"], {item["available"] for item in there["items"]}) == (6, {True})
    assert [item["title"] for item in absent["items"]] == ["Absent"]


def test_only_what_differs_is_written(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)
    generation = wishful.conn.execute("SELECT generation, library_due_at FROM sync_state").fetchone()
    versions = wishful.conn.execute("SELECT xmin FROM wishlist_items ORDER BY id").fetchall()

    look(wishful, server)

    now = wishful.conn.execute("SELECT generation, library_due_at FROM sync_state").fetchone()
    assert now
    assert generation
    assert now["generation"] == generation["generation"]
    assert wishful.conn.execute("SELECT xmin FROM wishlist_items ORDER BY id").fetchall() == versions


def test_what_leaves_and_comes_back_is_there_since_then(wishful: Household, server: FakeMediaServer) -> None:
    films = server.libraries["1"]
    look(wishful, server)
    wishful.conn.execute("UPDATE wishlist_items SET available_since = '2026-01-01' WHERE available")
    rows, films.rows = films.rows, films.rows[:120]

    look(wishful, server)
    gone = wishful.conn.execute("SELECT available, available_since FROM wishlist_items WHERE title = 'Plain'")
    assert gone.fetchone() == {"available": False, "available_since": None}
    films.rows = rows
    look(wishful, server)

    since = wishful.conn.execute("SELECT title FROM wishlist_items WHERE available_since > now() - interval '1 hour'")
    assert {found["title"] for found in since} == {"Plain", "By imdb", "By tmdb", "Old film"}


def test_new_title_is_unknown_until_the_next_look(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)
    wishful.plex.people["token-of-ann-0123456789"].rows.append(row("8", "Newcomer"))
    wishful.sync()

    assert available(wishful)["Newcomer"] is None
    look(wishful, server)
    assert available(wishful)["Newcomer"] is False


def test_first_look_waits_for_the_first_title(household: Household, server: FakeMediaServer) -> None:
    look_again(household, server)
    household.add("Ann", WANTED)
    household.sync()

    look_again(household, server)

    assert available(household) == EVERYTHING_BUT


def test_token_travels_in_a_header_only(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server, plex_collection="Wanted")

    assert {asked.headers.get("X-Plex-Token") for asked in server.asked} == {OWNER}
    assert [asked for asked in server.asked if OWNER in str(asked.query) + asked.path] == []


def test_one_look_an_hour_whoever_asks(wishful: Household, server: FakeMediaServer) -> None:
    together = threading.Barrier(2, timeout=30)

    def at_once(_number: int) -> None:
        together.wait()
        look_again(wishful, server)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(at_once, range(2)))
    look_again(wishful, server)

    assert len([asked for asked in server.asked if asked.path == "/library/sections"]) == 1
    assert available(wishful) == EVERYTHING_BUT


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


SECTIONS, FILMS = "/library/sections", "/library/sections/1/all"

PARTS = b'{"MediaContainer": {"size": 3, "totalSize": 127, "offset": 0, "Metadata": [{"ratingKey": "1"}]}}'

ENDED = b'{"MediaContainer": {"size": 0, "totalSize": 127, "offset": 100}}'

OTHER_OFFSET = b'{"MediaContainer": {"size": 0, "totalSize": 0, "offset": 7}}'

NO_KEY = b'{"MediaContainer": {"size": 1, "totalSize": 1, "Metadata": [{"ratingKey": "../1"}]}}'

NO_ROWS = b'{"MediaContainer": {"size": 1, "totalSize": 1, "Metadata": ["x"]}}'


def as_json(body: bytes) -> Callable[[Handler], None]:
    return status(200, body=body, kind="application/json")


@pytest.mark.parametrize(
    ("path", "faults", "text"),
    [
        (SECTIONS, [status(401, body=b"<h1>401 Unauthorized</h1>")], "refuses PLEX_SERVER_TOKEN"),
        (SECTIONS, [status(404)], "HTTP 404 to GET /library/sections"),
        (SECTIONS, [status(302, Location="http://elsewhere.example/")], "HTTP 302"),
        (SECTIONS, [status(200, body=b"<html>sign in here</html>")], "is not that of a Plex Media Server"),
        (SECTIONS, [as_json(b'{"MediaContainer": {"size": 0}}')], "no library of movies or shows"),
        (SECTIONS, [as_json(b"[]")], "is not that of"),
        (SECTIONS, [as_json(b'{"MediaContainer": {"Directory": [{"key": "../x", "type": "movie"}]}}')], "no library"),
        (SECTIONS, [reset] * 3, "does not answer"),
        (FILMS, [status(429, Retry_After="600")], "asks to slow down"),
        (FILMS, [status(503)] * 3, "does not answer, or answers with an error"),
        (FILMS, [cut_off] * 3, "does not answer"),
        (FILMS, [as_json(PARTS)], "sent only a part of /library/sections/1/all"),
        (FILMS, [as_json(OTHER_OFFSET)], "sent only a part"),
        (FILMS, [as_json(NO_KEY)], "described a title in a way"),
        (FILMS, [as_json(NO_ROWS)], "is not that of"),
        (FILMS, [as_json(b'{"MediaContainer": {"size": 0, "totalSize": "many"}}')], "is not that of"),
        ("/library/sections/2/all", [as_json(b"{")], "is not that of"),
    ],
)
def test_look_that_fails_changes_nothing_and_names_the_cure(
    wishful: Household,
    server: FakeMediaServer,
    caplog: pytest.LogCaptureFixture,
    path: str,
    faults: list[Callable[[Handler], None]],
    text: str,
) -> None:
    look(wishful, server)
    server.libraries["1"].rows.clear()
    server.faults[path] = deque(faults)

    with caplog.at_level(logging.INFO):
        look(wishful, server, plex_collection="Wanted")

    assert available(wishful) == EVERYTHING_BUT
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.startswith("media server failed, next try in an hour reason=")
    assert text in line
    assert OWNER not in caplog.text
    assert server.writes == []
    look(wishful, server)
    assert available(wishful)["Plain"] is False


@pytest.mark.parametrize("fault", [as_json(ENDED), reset, status(404)], ids=["ended", "reset", "404"])
def test_second_page_that_is_missing_changes_nothing(
    wishful: Household, server: FakeMediaServer, fault: Callable[[Handler], None]
) -> None:
    def fail_next(start: int) -> None:
        if start == 0:
            server.faults[FILMS] = deque([fault] * 3)

    server.before_page = fail_next

    look(wishful, server)

    assert set(available(wishful).values()) == {None}


def test_library_that_changes_while_it_is_read_changes_nothing(wishful: Household, server: FakeMediaServer) -> None:
    def shrink(start: int) -> None:
        if start:
            server.libraries["1"].rows.pop(0)

    server.before_page = shrink

    look(wishful, server)

    assert set(available(wishful).values()) == {None}


def test_token_of_somebody_else_is_refused(
    wishful: Household, server: FakeMediaServer, caplog: pytest.LogCaptureFixture
) -> None:
    look(wishful, server, plex_server_token="somebody-elses-token")

    assert "refuses PLEX_SERVER_TOKEN (HTTP 401). Set the token of its owner." in caplog.text
    assert "somebody-elses-token" not in caplog.text
    assert set(available(wishful).values()) == {None}


@pytest.mark.slow
def test_doctor_says_what_it_meets(wishful: Household, server: FakeMediaServer) -> None:
    env = examinations.settings_for(wishful, PLEX_SERVER_URL=server.url, PLEX_SERVER_TOKEN=OWNER)

    well = examinations.examine(env)
    refused = examinations.examine(env | {"PLEX_SERVER_TOKEN": "somebody-elses-token"})
    silent = examinations.examine(env | {"PLEX_SERVER_URL": f"http://127.0.0.1:{free_port()}"})
    none = examinations.examine(examinations.settings_for(wishful))

    assert "ok     server      The media server shows 3 libraries: Films, Shows, Empty." in well[1]
    assert (well[0], none[0], "media server" in none[1]) == (0, 0, False)
    examinations.assert_only_error(refused, Error.MEDIA_SERVER, "refuses PLEX_SERVER_TOKEN")
    examinations.assert_only_error(silent, Error.MEDIA_SERVER, "does not answer")
    assert OWNER not in well[1] + silent[1]
    assert "somebody-elses" not in refused[1]
