"""Feeds, each held against the rules of the program that reads it."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests.support.consumers import Refused, kometa_address, kometa_collections, path_of, plex_rss, radarr_custom_list
from tests.support.consumers import sonarr_custom_list as sonarr_list
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce
from tests.support.slow import slow
from tests.support.titles import entry, ids
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.feeds import formats

ATOM = "{http://www.w3.org/2005/Atom}link"


def add_wanted(household: Household) -> None:
    """Ann wants four movies and three shows, of which each knows other ids; Ben one of each; one was removed."""
    matrix = row("1", "The Matrix", year=1999, Guid=ids(imdb="tt0133093", tmdb="603"))
    bad = row("11", "Breaking Bad", media_type="show", year=2008, Guid=ids(imdb="tt0903747", tmdb="1396", tvdb="81189"))
    gone = row("21", "Gone", Guid=ids(tmdb="9"))
    ann = household.add(
        "Ann",
        [
            row("3", "Only < IMDb & \x07 more", year=None, Guid=ids(imdb="tt1234567")),
            row("2", 'No id "at all"', Guid=[]),
            matrix,
            row("4", "Later film", Guid=ids(tmdb="27205")),
            bad,
            row("12", "Only TMDb", media_type="show", Guid=ids(tmdb="1399")),
            row("13", "No id either", media_type="show", Guid=[]),
            gone,
        ],
    )
    household.sync()
    household.add("Ben", [matrix, bad])
    ann.rows.remove(gone)
    household.sync()


@pytest.fixture(scope="module")
def wanted_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_wanted)


@pytest.fixture
def wanted(household: Household, wanted_template: str) -> Household:
    return household


def titles_of_rss(data: bytes) -> list[str]:
    return [item.findtext("title") or "" for item in ElementTree.fromstring(data).findall("./channel/item")]


def test_radarr_custom_list_takes_every_movie_with_a_tmdb_id(client: FlaskClient, wanted: Household) -> None:
    reply = client.get("/feeds/radarr.json")

    assert radarr_custom_list(reply) == [27205, 603]
    assert (reply.content_type, reply.headers["X-Wishlist-Skipped"]) == ("application/json", "2")
    assert reply.json[1] == {"id": 603, "title": "The Matrix", "imdb_id": "tt0133093"}
    without = client.get("/api/wishlist?missing=tmdb&media_type=movie").json
    assert {item["title"] for item in without["items"]} == {"Only < IMDb & more", 'No id "at all"'}
    assert without["total"] == 2


def test_sonarr_custom_list_takes_every_show_with_a_tvdb_id(client: FlaskClient, wanted: Household) -> None:
    reply = client.get("/feeds/sonarr.json")

    assert sonarr_list(reply) == [("Breaking Bad", 81189)]
    assert (reply.content_type, reply.headers["X-Wishlist-Skipped"]) == ("application/json", "2")
    assert reply.json == [{"title": "Breaking Bad", "tvdbId": 81189, "tmdbId": 1396, "imdbId": "tt0903747"}]


def test_one_rss_feed_serves_radarr_and_sonarr(client: FlaskClient, wanted: Household) -> None:
    reply = client.get("/feeds/watchlist.xml")

    assert reply.content_type == "application/rss+xml; charset=utf-8"
    assert reply.headers["X-Wishlist-Skipped"] == "2"
    assert plex_rss(reply, category="show") == [("Only TMDb", "tmdb://1399"), ("Breaking Bad", "tvdb://81189")]
    assert plex_rss(reply, category="movie") == [
        ("Later film", "tmdb://27205"),
        ("The Matrix", "tmdb://603"),
        ("Only < IMDb & more", "imdb://tt1234567"),
    ]
    for item in ElementTree.fromstring(reply.data).findall("./channel/item"):
        assert len(item.findall("guid")) == len(item.findall("category")) == 1
        assert item.findtext("description") in ("Wanted by Ann", "Wanted by Ann, Ben")


def test_kometa_gets_a_collection_for_each_library(client: FlaskClient, wanted: Household) -> None:
    reply = client.get("/feeds/kometa.yml")

    assert kometa_collections(reply, library="movie") == {
        "Wanted movies": {"tmdb_movie": [27205, 603], "imdb_id": ["tt1234567"]}
    }
    assert kometa_collections(reply, library="show") == {"Wanted shows": {"tvdb_show": [81189], "tmdb_show": [1399]}}
    assert (reply.mimetype, reply.headers["X-Wishlist-Skipped"]) == ("application/yaml", "2")


def test_kometa_appends_to_an_address_what_it_likes(client: FlaskClient, wanted: Household) -> None:
    url = "http://nas:8000/feeds/kometa.yml?apikey=KEY&media_type=show&x=.yml"

    reply = client.get(path_of(kometa_address(url)))
    spoilt = client.get(path_of(kometa_address("http://nas:8000/feeds/kometa.yml?media_type=show")))

    assert kometa_collections(reply, library="movie") == {}
    assert kometa_collections(reply, library="show").keys() == {"Wanted shows"}
    with pytest.raises(Refused, match="422"):
        kometa_collections(spoilt, library="show")


def test_kometa_keeps_its_collections_when_nothing_is_left(client: FlaskClient, wanted: Household) -> None:
    reply = client.get("/feeds/kometa.yml?search=nobody+wants+this")

    assert reply.status_code == 200
    with pytest.raises(Refused, match="no collections"):
        kometa_collections(reply, library="movie")


def test_entries_keep_their_id_when_plex_renews_the_record(client: FlaskClient, household: Household) -> None:
    def entries() -> list[list[str]]:
        items = ElementTree.fromstring(client.get("/feeds/new.rss").data).findall("./channel/item")
        lines = client.get("/feeds/calendar.ics").text.splitlines()
        return [
            [str(item.findtext("guid")) for item in items],
            [item["id"] for item in client.get("/feeds/new.json").json["items"]],
            [line for line in lines if line.startswith("UID:")],
        ]

    old, new = (row(key, "The Matrix", year=1999, Guid=ids(tmdb="603")) for key in ("5", "6"))
    ann = household.add("Ann", [old])
    household.sync()
    before = entries()
    ann.rows = [new]
    household.sync()

    assert client.get("/api/wishlist").json["items"][0]["uid"] == new["guid"]
    assert entries() == before
    assert [len(each) for each in before] == [1, 1, 1]


def test_feed_readers_get_what_was_added_last_first(client: FlaskClient, wanted: Household) -> None:
    rss, feed = client.get("/feeds/new.rss"), client.get("/feeds/new.json")

    newest = client.get("/api/wishlist").json["items"]
    items = ElementTree.fromstring(rss.data).findall("./channel/item")
    assert (rss.content_type, feed.content_type) == ("application/rss+xml; charset=utf-8", "application/feed+json")
    assert [item.findtext("guid") for item in items] == [item["uid"] for item in newest]
    assert [item["id"] for item in feed.json["items"]] == [item["uid"] for item in newest]
    assert "The Matrix (1999)" in titles_of_rss(rss.data)
    assert "Only < IMDb & more" in titles_of_rss(rss.data)
    for item, known in zip(items, newest, strict=True):
        published = parsedate_to_datetime(item.findtext("pubDate") or "")
        assert published.astimezone(UTC) == datetime.fromisoformat(known["added_at"])
    assert feed.json["version"] == "https://jsonfeed.org/version/1.1"
    for item in feed.json["items"]:
        assert item["content_text"].startswith("Wanted by ")
        assert None not in item.values()


def test_feed_readers_get_the_last_fifty_only(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row(f"{number:x}", f"Title {number}") for number in range(1, 61)])
    household.sync()

    rss, feed = client.get("/feeds/new.rss"), client.get("/feeds/new.json")

    assert titles_of_rss(rss.data)[0] == feed.json["items"][0]["title"] == "Title 1 (2000)"
    assert len(titles_of_rss(rss.data)) == len(feed.json["items"]) == 50
    assert len(radarr_custom_list(client.get("/feeds/radarr.json"))) == 60


@pytest.mark.slow
def test_long_lists_come_whole_and_in_order(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row(f"{number:x}", f"Title {number}") for number in range(1, 1203)])
    household.sync()

    reply = client.get("/feeds/watchlist.xml")

    assert titles_of_rss(reply.data) == [f"Title {number}" for number in range(1202, 0, -1)]


@pytest.mark.parametrize(
    "name", ["radarr.json", *slow("watchlist.xml", "kometa.yml", "calendar.ics", "new.rss"), "new.json"]
)
def test_feed_is_not_sent_again_while_it_is_the_same(client: FlaskClient, wanted: Household, name: str) -> None:
    first, kept = client.get(f"/feeds/{name}"), client.get(f"/feeds/{name}")

    same = client.get(f"/feeds/{name}", headers={"If-None-Match": first.headers["ETag"]})
    wanted.plex.people["token-of-ben-0123456789"].rows.append(row("77", "Another"))
    wanted.sync()
    changed = client.get(f"/feeds/{name}", headers={"If-None-Match": first.headers["ETag"]})

    assert (kept.data, kept.headers.get("X-Wishlist-Skipped")) == (first.data, first.headers.get("X-Wishlist-Skipped"))
    assert (same.status_code, same.data) == (304, b"")
    assert (changed.status_code, changed.data == first.data) == (200, False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("search=matrix", [603]),
        ("year=1999", [603]),
        ("user=2", [603]),
        ("user=1&user=2&match=all", [603]),
        ("user=1&user=2", [27205, 603]),
        ("min_wanted=2", [603]),
        ("missing=imdb", [27205]),
        ("media_type=movie&available=false", []),
        ("genre=drama", [27205]),
        ("apikey=anything", [27205, 603]),
    ],
)
def test_feeds_take_the_filters_of_the_wishlist(
    client: FlaskClient, wanted: Household, query: str, expected: list[int]
) -> None:
    wanted.conn.execute("UPDATE wishlist_items SET genres = '{Drama}', available = true WHERE tmdb_id = 27205")

    assert radarr_custom_list(client.get(f"/feeds/radarr.json?{query}")) == expected


def test_links_in_a_feed_are_those_of_who_asked(client: FlaskClient, wanted: Household) -> None:
    for host in ("nas:8000", "other.lan", "nas:8000"):
        reply = client.get("/feeds/watchlist.xml?user=1&apikey=secret-key&year=1999", base_url=f"http://{host}")
        [link] = ElementTree.fromstring(reply.data).iter(ATOM)

        assert link.get("href") == f"http://{host}/feeds/watchlist.xml?user=1&year=1999"
        assert "secret-key" not in reply.text


def test_links_in_a_feed_carry_the_prefix(wanted: Household) -> None:
    app = create_app(replace(wanted.config, url_base="/wishes"))
    open_app(app)

    reply = app.test_client().get("/wishes/feeds/new.json")

    assert reply.json["feed_url"] == "http://localhost/wishes/feeds/new.json"
    assert reply.json["home_page_url"] == "http://localhost/wishes/"
    close_app(app)


def test_names_are_hidden_in_feeds_as_elsewhere(wanted: Household) -> None:
    app = create_app(replace(wanted.config, names="hidden"))
    open_app(app)

    for name in ("watchlist.xml", "new.rss", "new.json", "calendar.ics"):
        hidden = app.test_client().get(f"/feeds/{name}")
        shown = app.test_client().get(f"/feeds/{name}", headers={"X-API-Key": API_KEY})
        assert "Wanted by Ann" not in hidden.text
        assert "Wanted by Person 1" in hidden.text
        assert "Wanted by Ann" in shown.text
    close_app(app)


@given(st.text(), st.text())
def test_any_title_and_name_makes_well_formed_feeds(title: str, name: str) -> None:
    titles = [entry(title=title, wanted_by=[{"name": name}], plex_url=f"https://x/{title}")]
    at = {"home": f"http://{title}/", "address": f"http://{title}/?a=&b={name}"}

    for document in (formats.plex_rss(titles, **at).body, formats.news_rss(titles, **at)):
        ElementTree.fromstring(document.encode(errors="replace"))
    assert json.loads(formats.news_json(titles, **at))["items"][0]["title"] == title
