"""What programs that delete must never be told: an empty list for one that is not known, a part for the whole."""

import json
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.consumers import (
    Refused,
    another_radarr,
    another_sonarr,
    kometa_collections,
    plex_rss,
    radarr_custom_list,
)
from tests.support.consumers import sonarr_custom_list as sonarr_list
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household, make_config
from tests.support.plex_faults import status
from tests.support.readers import Share, Shared
from tests.support.slow import slow
from wishlist_service.app import close_app, create_app, open_app

PATHS = [
    *(f"/feeds/{name}" for name in ("radarr.json", "sonarr.json", "watchlist.xml", "kometa.yml", "calendar.ics")),
    *(f"/feeds/new.{kind}" for kind in ("rss", "json")),
    *(f"/arr/radarr/api/v3/{name}" for name in ("movie", "qualityprofile", "tag", "rootfolder")),
    *(f"/arr/sonarr/api/v3/{name}" for name in ("series", "qualityprofile", "languageprofile", "tag", "rootfolder")),
    *(f"/export/{name}.csv" for name in ("letterboxd", "trakt", "imdb", "wishlist")),
    "/export/wishlist.json",
]

READERS: list[tuple[str, Any]] = [
    ("/feeds/radarr.json", radarr_custom_list),
    ("/feeds/sonarr.json", sonarr_list),
    ("/feeds/watchlist.xml", lambda reply: plex_rss(reply, category="movie")),
    ("/feeds/kometa.yml", lambda reply: kometa_collections(reply, library="movie")),
    ("/arr/radarr/api/v3/movie", another_radarr),
    ("/arr/sonarr/api/v3/series", another_sonarr),
]


def routes(app: Flask) -> set[str]:
    """Every path below /feeds, /arr and /export, except the page that asks these for a browser."""
    return {
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/feeds/", "/arr/", "/export/")) and not rule.endpoint.startswith("pages.")
    }


def add_alpha(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()


def add_unknown(household: Household) -> None:
    """Ann's list is known, Ben's could not be read, Cleo is paused."""
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")]).list_faults.append(status(404))
    household.add("Cleo", [row("3", "Gamma")])
    household.sync()
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")


@pytest.fixture(scope="module")
def alpha(share: Share) -> Shared:
    return share(add_alpha)


@pytest.fixture(scope="module")
def unknown(share: Share) -> Shared:
    return share(add_unknown)


def test_every_feed_there_is_is_tried_here(client: FlaskClient) -> None:
    # that one follows rules of its own, see test_protection.py
    assert routes(client.application) == {*PATHS, "/feeds/protect.json"}


@pytest.mark.parametrize("path", [PATHS[0], *slow(*PATHS[1:-1]), PATHS[-1]])
def test_no_feed_is_empty_before_the_first_sync(client: FlaskClient, household: Household, path: str) -> None:
    nobody = client.get(path)
    household.add("Ann", [row("1", "Alpha")]).list_faults.append(status(404))
    household.sync()
    failed = client.get(path, headers={"If-None-Match": "*"})
    household.sync()
    synced = client.get(path)

    for reply in (nobody, failed):
        assert (reply.status_code, reply.mimetype) == (503, "application/problem+json")
        assert reply.headers["Retry-After"] == "60"
        assert "No watchlist has been read completely yet" in reply.json["detail"]
    assert synced.status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_no_feed_is_empty_without_a_database(path: str) -> None:
    app = create_app(make_config(database_url="postgresql://127.0.0.1:1/none"))
    open_app(app)
    close_app(app)

    reply = app.test_client().get(path)

    assert (reply.status_code, reply.mimetype) == (503, "application/problem+json")
    assert reply.headers["Retry-After"] == "5"


@pytest.mark.parametrize(("path", "read"), READERS)
def test_each_program_takes_a_refusal_for_a_failure(client: FlaskClient, path: str, read: Any) -> None:
    with pytest.raises(Refused):
        read(client.get(path))


@pytest.mark.parametrize(("path", "read"), READERS)
def test_each_program_takes_a_missing_key_for_a_failure(alpha: Shared, path: str, read: Any) -> None:
    app = create_app(replace(alpha.household.config, read_api_key="read-key-0123456789"))
    open_app(app)

    refused = app.test_client().get(path)
    allowed = app.test_client().get(f"{path}?apikey=read-key-0123456789")

    assert (refused.status_code, refused.mimetype, allowed.status_code) == (401, "application/problem+json", 200)
    with pytest.raises(Refused):
        read(refused)
    close_app(app)


def test_radarr_shows_its_user_what_is_wrong(client: FlaskClient) -> None:
    with pytest.raises(Refused, match="Service Unavailable: No watchlist has been read completely yet"):
        radarr_custom_list(client.get("/feeds/radarr.json"))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("end", ["", "/"])
def test_no_feed_redirects(alpha: Shared, path: str, end: str) -> None:
    client = alpha.client()

    for spelling in (f"{path}{end}", f"/{path}{end}", path.upper()):
        assert client.get(spelling).status_code in (200, 404)
    assert client.get(f"{path}?nonsense=1").status_code == 422


def test_empty_wishlist_is_an_empty_list_once_it_is_known_to_be_empty(
    client: FlaskClient, household: Household
) -> None:
    household.add("Ann", [])
    household.sync()

    for path, read in READERS[:3] + READERS[4:]:
        assert read(client.get(path)) == []
    assert client.get("/export/wishlist.json").json == {"items": [], "total": 0}
    assert client.get("/feeds/new.json").json["items"] == []


def test_list_that_could_not_be_read_stays_in(client: FlaskClient, household: Household) -> None:
    ann = household.add("Ann", [row(f"{number:x}", f"Title {number}") for number in range(1, 41)])
    household.add("Ben", [row("99", "Of Ben")])
    household.sync()
    before = {path: client.get(path).data for path, _ in READERS}

    ann.list_faults.append(status(404))
    household.sync()
    failed = {path: client.get(path).data for path, _ in READERS}
    ann.rows = ann.rows[:2]
    household.sync(user_id=1)
    held = {path: client.get(path).data for path, _ in READERS}

    assert household.user("Ann")["sync_state"] == "held"
    assert before == failed == held
    assert len(radarr_custom_list(client.get("/feeds/radarr.json"))) == 41


def test_what_nobody_wants_or_the_household_dismissed_is_in_no_feed(client: FlaskClient, household: Household) -> None:
    ann = household.add("Ann", [row("1", "Kept"), row("2", "Removed"), row("3", "Dismissed")])
    household.add("Cleo", [row("4", "Of the paused")])
    household.sync()
    del ann.rows[1]
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE title = 'Dismissed'")
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")

    for path in PATHS:
        text = client.get(path).text
        assert not any(title in text for title in ("Removed", "Dismissed", "Of the paused")), path
    assert radarr_custom_list(client.get("/feeds/radarr.json")) == [2]
    assert client.get("/feeds/radarr.json?status=all").status_code == 422


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("user=1&user=2", "The list of user 2 has not been read"),
        ("user=3", "User 3 is paused"),
        ("available=false", "The media server was not read yet"),
    ],
)
def test_no_feed_is_empty_of_what_is_not_known(unknown: Shared, path: str, query: str, sentence: str) -> None:
    reply = unknown.client().get(f"{path}?{query}")

    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "60")
    assert sentence in reply.json["detail"]


def test_no_feed_is_empty_because_everybody_is_paused(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    household.conn.execute("UPDATE plex_users SET active = false")

    assert {client.get(path).status_code for path in PATHS} == {503}


def test_questions_that_only_an_empty_list_could_answer_are_refused(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()

    for path in (
        "/feeds/radarr.json?missing=tmdb",
        "/feeds/radarr.json?media_type=show",
        "/feeds/sonarr.json?missing=tvdb",
        "/feeds/sonarr.json?media_type=movie",
        "/arr/radarr/api/v3/movie?media_type=show",
        "/arr/sonarr/api/v3/series?missing=tvdb",
        "/export/imdb.csv?missing=imdb",
        "/feeds/radarr.json?user=99",
    ):
        assert client.get(path).status_code == 422, path


def test_nothing_unknown_is_null_in_what_programs_read(client: FlaskClient, household: Household) -> None:
    household.add(
        "Ann",
        [
            row("1", "Bare", year=None, Guid=[{"id": "tmdb://7"}], thumb=None, publicPagesURL=None),
            row("2", "Bare show", media_type="show", year=None, Guid=[{"id": "tvdb://8"}], publicPagesURL=None),
        ],
    )
    household.sync()

    def refuse_null(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert None not in dict(pairs).values(), pairs
        return dict(pairs)

    for path in PATHS:
        reply = client.get(path, headers={"X-API-Key": API_KEY})
        if reply.is_json and not path.startswith("/export"):
            assert json.loads(reply.text, object_pairs_hook=refuse_null)
