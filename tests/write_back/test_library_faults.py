"""A look through the media server that fails changes nothing and says what to do."""

import logging
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from tests.support import examinations
from tests.support.fake_media_server import OWNER, FakeMediaServer
from tests.support.fake_plex import Handler
from tests.support.household import Household
from tests.support.media_servers import EVERYTHING_BUT, WANTED, available, fill, look, running
from tests.support.plex_faults import cut_off, reset, status
from tests.support.processes import free_port
from wishlist_service.doctor.errors import Error

SECTIONS, FILMS = "/library/sections", "/library/sections/1/all"
PARTS = b'{"MediaContainer": {"size": 3, "totalSize": 127, "offset": 0, "Metadata": [{"ratingKey": "1"}]}}'
ENDED = b'{"MediaContainer": {"size": 0, "totalSize": 127, "offset": 100}}'
OTHER_OFFSET = b'{"MediaContainer": {"size": 0, "totalSize": 0, "offset": 7}}'
NO_KEY = b'{"MediaContainer": {"size": 1, "totalSize": 1, "Metadata": [{"ratingKey": "../1"}]}}'
NO_ROWS = b'{"MediaContainer": {"size": 1, "totalSize": 1, "Metadata": ["x"]}}'


def as_json(body: bytes) -> Callable[[Handler], None]:
    return status(200, body=body, kind="application/json")


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
