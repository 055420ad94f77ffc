"""Which titles the library has, read whole or not at all, and what a look that fails leaves as it was."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient

from tests.support import examinations
from tests.support.fake_actions import Actions
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_plex import Handler, row
from tests.support.household import Household
from tests.support.media_servers import (
    ELSEWHERE,
    EVERYTHING_BUT,
    WANTED,
    available,
    days_pass,
    look,
    look_again,
    running,
)
from tests.support.plex_faults import cut_off, reset, status
from tests.support.processes import free_port
from tests.support.slow import slow
from wishlist_service.doctor.errors import Error


def test_titles_are_found_by_guid_and_by_external_ids_of_their_type(
    wishful: Household, server: FakeMediaServer
) -> None:
    assert set(available(wishful).values()) == {None}

    look(wishful, server)

    assert available(wishful) == EVERYTHING_BUT


AGENTS = [
    ("movie", "imdb://tt0700001", "imdb://tt0700001"),
    ("movie", "themoviedb://700002", "tmdb://700002"),
    ("movie", "themoviedb://tt0700003", "imdb://tt0700003"),
    ("movie", "xbmcnfo://700004", "tmdb://700004"),
    ("movie", "xbmcnfo://tt0700005", "imdb://tt0700005"),
    ("movie", "hama://tmdb-700006", "tmdb://700006"),
    ("movie", "hama://imdb-tt0700007", "imdb://tt0700007"),
    ("movie", "hama://tt0700008", "imdb://tt0700008"),
    ("show", "thetvdb://700009", "tvdb://700009"),
    ("show", "thetvdbdvdorder://700010", "tvdb://700010"),
    ("show", "hama://tvdb-700011", "tvdb://700011"),
    ("show", "xbmcnfotv://700012", "tvdb://700012"),
    ("show", "xbmcnfotv://tt0700013", "imdb://tt0700013"),
]


@pytest.mark.parametrize("query", ["", *slow("?lang=en")])
def test_guids_of_the_usual_agents_are_understood(household: Household, query: str) -> None:
    wanted = [
        row(f"{number:x}", f"Title {number:02}", media_type=media_type, Guid=[{"id": known}])
        for number, (media_type, _, known) in enumerate(AGENTS, start=1)
    ]
    household.add("Ann", wanted)
    household.sync()
    with running() as server:
        libraries = {"movie": server.library("movie", "Films"), "show": server.library("show", "Shows")}
        for media_type, guid, _ in AGENTS:
            server.add_title(libraries[media_type], f"com.plexapp.agents.{guid}{query}")

        look(household, server)

    assert available(household) == {title["title"]: True for title in wanted}


@pytest.mark.parametrize(
    "guid",
    ["hama://700001", *slow("hama://anidb-700001", "imdb://700001", "localmedia://700001", "thetvdb://tmdb-700001")],
)
def test_number_that_an_agent_does_not_name_is_no_id(household: Household, guid: str) -> None:
    household.add("Ann", [row("1", "Alpha", Guid=[{"id": "tmdb://700001"}, {"id": "tvdb://700001"}])])
    household.sync()
    with running() as server:
        server.add_title(server.library("movie", "Films"), f"com.plexapp.agents.{guid}")

        look(household, server)

    assert available(household) == {"Alpha": False}


OWN = "plex://movie/000000000000000000000001"


@pytest.mark.parametrize(
    ("wanted", "there", "is_available", "leaves"),
    [
        # the same plex:// decides, whatever the others say
        (["imdb://tt0700001", "tmdb://700001"], [OWN, "imdb://tt0700002", "tmdb://700002"], True, True),
        ([], [OWN], True, True),
        # an id that differs outweighs one that agrees
        (["imdb://tt0700001", "tmdb://700001"], [ELSEWHERE, "imdb://tt0700001", "tmdb://700002"], False, False),
        *slow(
            (["imdb://tt0700001", "tmdb://700001"], ["local://3", "imdb://tt0700009", "tmdb://700001"], False, False),
            # a different plex:// alone does not
            (["imdb://tt0700001", "tmdb://700001"], [ELSEWHERE, "imdb://tt0700001", "tmdb://700001"], True, True),
            # one agreeing id is enough to show it, and to take it off only if the title has no other
            (["imdb://tt0700001", "tmdb://700001"], [ELSEWHERE, "imdb://tt0700001"], True, False),
            (["imdb://tt0700001"], [ELSEWHERE, "imdb://tt0700001", "tmdb://700001", "tvdb://7"], True, True),
            (["imdb://tt0700001"], [ELSEWHERE], False, False),
        ),
    ],
)
def test_one_id_tells_that_it_is_there_and_more_that_it_may_leave_the_watchlist(
    household: Household, wanted: list[str], there: list[str], is_available: bool, leaves: bool
) -> None:
    actions = Actions(household.plex)
    household.add("Ann", [row("1", "Alpha", Guid=[{"id": known} for known in wanted])])
    household.sync()
    with running() as server:
        server.add_title(server.library("movie", "Films"), there[0], *there[1:])
        look(household, server)
        days_pass(household)

        look(household, server, remove_when_available=True)

    assert available(household) == {"Alpha": is_available}
    assert bool(actions.done) == leaves


@pytest.mark.parametrize(("titles", "miscount"), [(121, 1), *slow((121, -1), (100, -1), (0, 1), (40, -1))])
def test_library_whose_total_is_wrong_by_a_row_is_read(household: Household, titles: int, miscount: int) -> None:
    household.add("Ann", [row("1", "Alpha", Guid=[])])
    household.sync()
    with running() as server:
        films = server.library("movie", "Films")
        for number in range(titles):
            server.add_title(films, f"local://{number}")
        server.add_title(films, OWN)
        films.miscount = miscount

        look(household, server)

    assert available(household) == {"Alpha": True}


@pytest.mark.slow
def test_library_whose_rows_differ_between_two_reads_of_a_wrong_total_changes_nothing(
    wishful: Household, server: FakeMediaServer
) -> None:
    films = server.libraries["1"]
    films.miscount = 1

    def swap(start: int) -> None:
        if start == 0:
            films.rows.append(films.rows.pop(0))

    server.before_page = swap

    look(wishful, server)

    assert set(available(wishful).values()) == {None}


def test_list_shows_and_filters_what_is_there(api: FlaskClient, wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)

    there = api.get("/api/wishlist?available=true").json
    absent = api.get("/api/wishlist?available=false").json

    assert (there["total"], {item["available"] for item in there["items"]}) == (6, {True})
    assert [item["title"] for item in absent["items"]] == ["Absent"]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_token_travels_in_a_header_only(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server, plex_collection="Wanted")

    assert {asked.headers.get("X-Plex-Token") for asked in server.asked} == {OWNER}
    assert [asked for asked in server.asked if OWNER in str(asked.query) + asked.path] == []


@pytest.mark.slow
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
        (FILMS, [as_json(PARTS)], "sent only a part of /library/sections/1/all"),
        *slow(
            (SECTIONS, [status(404)], "HTTP 404 to GET /library/sections"),
            (SECTIONS, [status(302, Location="http://elsewhere.example/")], "HTTP 302"),
            (SECTIONS, [status(200, body=b"<html>sign in here</html>")], "is not that of a Plex Media Server"),
            (SECTIONS, [as_json(b'{"MediaContainer": {"size": 0}}')], "no library of movies or shows"),
            (SECTIONS, [as_json(b"[]")], "is not that of"),
            (
                SECTIONS,
                [as_json(b'{"MediaContainer": {"Directory": [{"key": "../x", "type": "movie"}]}}')],
                "no library",
            ),
            (SECTIONS, [reset] * 3, "does not answer"),
            (FILMS, [status(429, Retry_After="600")], "asks to slow down"),
            (FILMS, [status(503)] * 3, "does not answer, or answers with an error"),
            (FILMS, [cut_off] * 3, "does not answer"),
            (FILMS, [as_json(OTHER_OFFSET)], "sent only a part"),
            (FILMS, [as_json(NO_KEY)], "described a title in a way"),
            (FILMS, [as_json(NO_ROWS)], "is not that of"),
            (FILMS, [as_json(b'{"MediaContainer": {"size": 0, "totalSize": "many"}}')], "is not that of"),
            ("/library/sections/2/all", [as_json(b"{")], "is not that of"),
        ),
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
    server.libraries["2"].rows.append(server.libraries["2"].rows[0] | {"ratingKey": "9999"})
    server.faults[path] = deque(faults)

    with caplog.at_level(logging.INFO):
        look(wishful, server, plex_collection="Wanted")

    assert available(wishful) == EVERYTHING_BUT
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert line.startswith("media server failed reason=")
    assert text in line
    assert OWNER not in caplog.text
    assert server.writes == []
    look(wishful, server)
    assert available(wishful)["Plain"] is False


@pytest.mark.parametrize("fault", [as_json(ENDED), *slow(reset, status(404))], ids=["ended", "reset", "404"])
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
