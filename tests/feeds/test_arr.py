"""The v3 APIs imitated for the list types "Radarr" and "Sonarr", as those programs use them."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.support.consumers import another_radarr, another_sonarr, options_of_dialog
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce
from tests.support.titles import ids
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.feeds.formats import tag_labels

RADARR, SONARR = "/arr/radarr/api/v3", "/arr/sonarr/api/v3"
MATRIX = row("1", "The Matrix", year=1999, Guid=ids(imdb="tt0133093", tmdb="603"))
FACE = row("2", "Face/Off", year=None, Guid=ids(tmdb="754"))
BAD = row("3", "Breaking Bad", media_type="show", year=2008, Guid=ids(tmdb="1396", tvdb="81189"))


def add_wanted(household: Household) -> None:
    """Zoë M. wants two movies and a show, Ben one of each; two titles have no id, and Cleo is paused."""
    nameless = [row("4", "No id", Guid=[]), row("5", "No id", media_type="show", Guid=ids(tmdb="1"))]
    household.add("Zoë M.", [FACE, MATRIX, BAD, *nameless], token="token-of-zoe-0123456789")
    household.sync()
    household.add("Ben", [MATRIX, BAD])
    household.add("Cleo", [MATRIX])
    household.sync()
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")


@pytest.fixture(scope="module")
def wanted_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_wanted)


@pytest.fixture
def wanted(household: Household, wanted_template: str) -> Household:
    return household


def test_radarr_imports_all_or_what_the_chosen_people_want(client: FlaskClient, wanted: Household) -> None:
    reply = client.get(f"{RADARR}/movie?excludeLocalCovers=True")

    assert another_radarr(reply) == [603, 754]
    assert another_radarr(reply, tags={1}) == [603, 754]
    assert another_radarr(reply, tags={2}) == [603]
    assert another_radarr(reply, tags={3}) == []
    [(_, root)] = options_of_dialog(client.get(f"{RADARR}/rootfolder"), "path")
    assert another_radarr(reply, root=root) == [603, 754]
    assert (reply.content_type, reply.headers["X-Wishlist-Skipped"]) == ("application/json", "1")
    assert reply.json == [
        {
            "title": "The Matrix",
            "tmdbId": 603,
            "imdbId": "tt0133093",
            "year": 1999,
            "monitored": True,
            "qualityProfileId": 1,
            "path": "/wishlist/The Matrix (1999)",
            "tags": [1, 2],
        },
        {
            "title": "Face/Off",
            "tmdbId": 754,
            "monitored": True,
            "qualityProfileId": 1,
            "path": "/wishlist/Face-Off",
            "tags": [1],
        },
    ]


def test_sonarr_imports_all_or_what_the_chosen_people_want(client: FlaskClient, wanted: Household) -> None:
    reply = client.get(f"{SONARR}/series")

    assert another_sonarr(reply) == another_sonarr(reply, tags={2}) == [81189]
    assert another_sonarr(reply, tags={3}) == []
    assert reply.headers["X-Wishlist-Skipped"] == "1"
    assert reply.json == [
        {
            "title": "Breaking Bad",
            "tvdbId": 81189,
            "year": 2008,
            "monitored": True,
            "qualityProfileId": 1,
            "languageProfileId": 1,
            "rootFolderPath": "/wishlist",
            "seasons": [],
            "tags": [1, 2],
        }
    ]


@pytest.mark.parametrize(
    ("path", "name", "options"),
    [
        (f"{RADARR}/tag", "label", [(1, "zoe-m"), (2, "ben")]),
        (f"{SONARR}/tag", "label", [(1, "zoe-m"), (2, "ben")]),
        (f"{RADARR}/qualityprofile", "name", [(1, "Any")]),
        (f"{SONARR}/qualityprofile", "name", [(1, "Any")]),
        (f"{SONARR}/languageprofile", "name", [(1, "Any")]),
        (f"{RADARR}/rootfolder", "path", [(1, "/wishlist")]),
        (f"{SONARR}/rootfolder", "path", [(1, "/wishlist")]),
    ],
)
def test_dialogs_offer_something_to_choose_from(
    client: FlaskClient, wanted: Household, path: str, name: str, options: Any
) -> None:
    assert options_of_dialog(client.get(path), name) == options


def test_names_are_hidden_in_tags_as_elsewhere(wanted: Household) -> None:
    app = create_app(replace(wanted.config, names="hidden"))
    open_app(app)
    client = app.test_client()

    assert options_of_dialog(client.get(f"{RADARR}/tag"), "label") == [(1, "person-1"), (2, "person-2")]
    shown = client.get(f"{RADARR}/tag", headers={"X-API-Key": API_KEY})
    assert options_of_dialog(shown, "label") == [(1, "zoe-m"), (2, "ben")]
    close_app(app)


def test_key_is_sent_as_they_send_it(wanted: Household) -> None:
    app = create_app(replace(wanted.config, read_api_key="read-key-0123456789"))
    open_app(app)
    client = app.test_client()

    assert client.get(f"{RADARR}/movie").status_code == 401
    assert client.get(f"{RADARR}/movie", headers={"X-Api-Key": "read-key-0123456789"}).status_code == 200
    close_app(app)


def test_lists_take_the_filters_of_the_wishlist(client: FlaskClient, wanted: Household) -> None:
    assert another_radarr(client.get(f"{RADARR}/movie?min_wanted=2")) == [603]
    assert another_radarr(client.get(f"{RADARR}/movie?search=off&year=1999")) == []
    assert another_sonarr(client.get(f"{SONARR}/series?missing=imdb&user=2")) == [81189]


def test_labels_are_told_apart_and_never_empty() -> None:
    people = [(1, "Ann B."), (2, "ann b"), (3, "李"), (4, "Ann-B-2"), (5, "Straße 5"), (6, "person 3")]

    assert [tag["label"] for tag in tag_labels(people)] == [
        "ann-b",
        "ann-b-2",
        "person-3",
        "ann-b-2-4",
        "strasse-5",
        "person-3-6",
    ]


@given(st.lists(st.text(min_size=1)))
def test_any_name_makes_a_label_that_they_accept(names: list[str]) -> None:
    tags = tag_labels([*enumerate(names, 1)])

    assert [tag["id"] for tag in tags] == [*range(1, len(names) + 1)]
    assert len({tag["label"] for tag in tags}) == len(names)
    for tag in tags:
        assert re.fullmatch("[a-z0-9-]+", tag["label"])
