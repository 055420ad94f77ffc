"""PLEX_COLLECTION: a collection in each library that holds the wanted titles which are there, and no other."""

from collections import deque
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_media_server import Collection, FakeMediaServer, Library
from tests.support.fake_plex import Handler, row
from tests.support.household import Household
from tests.support.media_servers import available, days_pass, look, running
from tests.support.plex_faults import reset, status
from tests.support.slow import slow

NAME = "Household wishlist"
ALPHA, BETA, SHOW = row("1", "Alpha"), row("2", "Beta"), row("3", "Show", media_type="show")
MANY = [row(f"{n:x}", f"Film {n}") for n in range(16, 266)]


@pytest.fixture
def server() -> Iterator[FakeMediaServer]:
    """A media server that has the titles, and others."""
    with running() as server:
        films, shows = server.library("movie", "Films"), server.library("show", "Shows")
        for film in (ALPHA, BETA, row("f", "Unwanted")):
            server.add_title(films, film["guid"])
        server.add_title(shows, SHOW["guid"])
        yield server


@pytest.fixture
def wishful(household: Household) -> Household:
    """Ann wants Alpha and Show."""
    household.add("Ann", [ALPHA, SHOW])
    household.sync()
    return household


def want(household: Household, *titles: dict[str, object]) -> None:
    """Ann wants these titles from now on."""
    household.plex.people["token-of-ann-0123456789"].rows = list(titles)
    household.sync()
    household.sync()  # what looks like too much at once is believed the second time


def key_of(library: Library, title: dict[str, object]) -> str:
    return next(known["ratingKey"] for known in library.rows if known["guid"] == title["guid"])


def ours(server: FakeMediaServer, title: str = "Films") -> list[Collection]:
    """The library's collections of our name."""
    [library] = [library for library in server.libraries.values() if library.title == title]
    return [collection for collection in library.collections.values() if collection.title == NAME]


def test_collection_is_made_and_kept_in_step(wishful: Household, server: FakeMediaServer) -> None:
    films, shows = server.libraries["1"], server.libraries["2"]
    look(wishful, server, plex_collection=NAME)
    assert [one.keys for one in ours(server)] == [[key_of(films, ALPHA)]]
    assert [one.keys for one in ours(server, "Shows")] == [[key_of(shows, SHOW)]]

    want(wishful, BETA, SHOW)
    look(wishful, server, plex_collection=NAME)

    assert [one.keys for one in ours(server)] == [[key_of(films, BETA)]]
    assert [one.keys for one in ours(server, "Shows")] == [[key_of(shows, SHOW)]]


def test_nothing_is_written_when_nothing_changed(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server, plex_collection=NAME)
    written = len(server.writes)

    look(wishful, server, plex_collection=NAME)

    assert (written, len(server.writes)) == (2, 2)


def test_no_collection_without_the_setting_and_none_for_nothing(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server)
    want(wishful, SHOW)
    look(wishful, server, plex_collection=NAME)

    assert (ours(server), len(ours(server, "Shows"))) == ([], 1)


@pytest.mark.slow
def test_last_title_leaves_an_empty_collection(wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server, plex_collection=NAME)
    want(wishful, SHOW)

    look(wishful, server, plex_collection=NAME)

    assert [one.keys for one in ours(server)] == [[]]


def test_dismissed_title_leaves_the_collection(api: FlaskClient, wishful: Household, server: FakeMediaServer) -> None:
    look(wishful, server, plex_collection=NAME)
    api.patch(f"/api/wishlist/{ALPHA['ratingKey']}", json={"dismissed": True})

    look(wishful, server, plex_collection=NAME)

    assert [one.keys for one in ours(server)] == [[]]
    assert available(wishful)["Alpha"] is True


@pytest.mark.slow
def test_many_titles_come_in_several_requests_and_both_copies_of_one(
    wishful: Household, server: FakeMediaServer
) -> None:
    films = server.libraries["1"]
    for film in (*MANY, MANY[0]):
        server.add_title(films, film["guid"])
    want(wishful, *MANY)

    look(wishful, server, plex_collection=NAME)

    wanted = {film["guid"] for film in MANY}
    [collection] = ours(server)
    assert sorted(collection.keys) == sorted(one["ratingKey"] for one in films.rows if one["guid"] in wanted)
    assert len(collection.keys) == 251
    look(wishful, server, plex_collection=NAME)
    assert len(server.writes) == 3


def test_other_collections_are_left_alone(wishful: Household, server: FakeMediaServer) -> None:
    films = server.libraries["1"]
    unwanted = films.rows[2]["ratingKey"]
    others = [server.collect(films, name, unwanted) for name in ("Favourites", NAME.upper(), f"{NAME} 2")]

    look(wishful, server, plex_collection=NAME)

    assert [one.keys for one in others] == [[unwanted]] * 3
    assert [one.keys for one in ours(server)] == [[key_of(films, ALPHA)]]


@pytest.mark.slow
def test_of_two_with_the_name_only_the_older_one_is_used(wishful: Household, server: FakeMediaServer) -> None:
    films = server.libraries["1"]
    older, newer = server.collect(films, NAME), server.collect(films, NAME)

    look(wishful, server, plex_collection=NAME)

    assert (older.keys, newer.keys) == ([key_of(films, ALPHA)], [])


def test_smart_collection_of_the_name_is_left_alone(
    wishful: Household, server: FakeMediaServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.collect(server.libraries["1"], NAME, smart=True)

    look(wishful, server, plex_collection=NAME)

    assert "The library Films has a smart collection named as PLEX_COLLECTION" in caplog.text
    assert [one.keys for one in ours(server)] == [[]]
    assert available(wishful)["Alpha"] is True


@pytest.mark.slow
def test_collection_that_fails_holds_up_nothing_else(wishful: Household, server: FakeMediaServer) -> None:
    actions = Actions(wishful.plex)
    server.collect(server.libraries["1"], NAME, smart=True)
    look(wishful, server)
    days_pass(wishful)

    look(wishful, server, plex_collection=NAME, remove_when_available=True)

    assert len(actions.done) == 2


@pytest.mark.parametrize(
    ("path", "faults"),
    [
        ("/library/sections/1/collections", [status(500)] * 3),
        *slow(
            ("/identity", [status(200, body=b"{}", kind="application/json")] * 2),
            ("/library/collections", [reset]),
            ("/library/collections", [status(400)]),
            ("/library/sections/1/collections", [status(200, body=b"<html>")]),
        ),
    ],
)
def test_what_fails_is_made_up_for_an_hour_later(
    wishful: Household, server: FakeMediaServer, path: str, faults: list[Callable[[Handler], None]]
) -> None:
    server.faults[path] = deque(faults)

    look(wishful, server, plex_collection=NAME)
    assert ours(server) == []
    assert available(wishful)["Alpha"] is True
    look(wishful, server, plex_collection=NAME)

    assert [one.keys for one in ours(server)] == [[key_of(server.libraries["1"], ALPHA)]]


@pytest.mark.slow
def test_title_that_somebody_else_took_out_meanwhile_is_no_matter(wishful: Household, server: FakeMediaServer) -> None:
    films = server.libraries["1"]
    look(wishful, server, plex_collection=NAME)
    [key] = films.collections
    gone = key_of(films, ALPHA)
    want(wishful, BETA)
    server.faults[f"/library/collections/{key}/items/{gone}"] = deque([status(404)])

    look(wishful, server, plex_collection=NAME)

    assert key_of(films, BETA) in films.collections[key].keys
