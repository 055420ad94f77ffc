"""The page Feeds: addresses that other programs can be given, and what to enter there."""

import re
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from tests.support.documents import PAGES
from tests.support.household import API_KEY, Household
from tests.support.readers import Shared
from tests.support.seen import browse
from tests.support.slow import first_quick
from tests.support.visitors import READ_KEY, keeping, reading, visitor

PLACEHOLDER = "<READ_API_KEY>"


def addresses(client: FlaskClient, path: str = "/feeds") -> list[str]:
    return [code.text for code in browse(client, path).all("code") if code.text.startswith("http")]


def answer(client: FlaskClient, address: str, key: str = "") -> int:
    """The status that a program gets for an address; an instance of Radarr or Sonarr is asked for what it lists."""
    path = address.partition("localhost")[2]
    path += {"/arr/radarr": "/api/v3/movie", "/arr/sonarr": "/api/v3/series"}.get(urlsplit(address).path[-11:], "")
    client.delete_cookie("wishlist_session")
    return client.get(path.replace(PLACEHOLDER, key), headers={"X-API-Key": key} if key else {}).status_code


def test_every_address_of_the_recipes_is_here_and_answers(reader: FlaskClient) -> None:
    shown = addresses(reader)

    in_recipes = {
        urlsplit(found).path
        for found in re.findall(r"http://nas:8000(/[^`\s]*)", PAGES["docs/recipes.md"])
        if "docs" not in found and "protect" not in found  # the latter has no choice of people, and is for scripts
    }
    assert in_recipes <= {urlsplit(address).path for address in shown}
    assert {answer(reader, address) for address in shown} == {200}
    assert not any("apikey" in address for address in shown)


def test_where_a_key_is_needed_its_place_is_shown_and_never_a_key(filled: Household) -> None:
    with keeping(filled, read_api_key=READ_KEY) as client:
        text, shown = client.get("/feeds").text, addresses(client)

        assert API_KEY not in text
        assert READ_KEY not in text
        keyed = [address for address in shown if f"apikey={PLACEHOLDER}" in address]
        assert {urlsplit(address).path.split("/")[1] for address in set(shown) - set(keyed)} == {"api", "arr"}
        assert {answer(client, address, READ_KEY) for address in shown} == {200}
        assert {answer(client, address) for address in shown} == {401}


def test_key_that_is_in_the_address_of_the_page_is_not_in_the_page(shared_filled: Shared) -> None:
    with visitor(shared_filled.household, read_api_key=READ_KEY) as client:
        assert READ_KEY not in client.get(f"/feeds?apikey={READ_KEY}").text


def test_addresses_begin_as_the_one_that_was_asked_for(shared_filled: Shared) -> None:
    with visitor(shared_filled.household, url_base="/plex-wishlist") as client:
        shown = addresses(client, "http://nas.lan:8443/plex-wishlist/feeds")

    assert {address.partition("plex-wishlist/")[0] for address in shown} == {"http://nas.lan:8443/"}


def test_behind_tls_they_begin_with_https(shared_filled: Shared) -> None:
    with visitor(shared_filled.household, trusted_proxies=1) as client:
        client.environ_base["HTTP_X_FORWARDED_PROTO"] = "https"

        assert {urlsplit(address).scheme for address in addresses(client)} == {"https"}


def test_made_up_host_is_text(reader: FlaskClient) -> None:
    reply = reader.get("/feeds", headers={"Host": 'x"><script>alert(1)</script>'})

    assert "<script>alert" not in reply.text


def test_radarrs_clean_up_is_warned_of_as_in_the_recipes(reader: FlaskClient) -> None:
    warning = browse(reader, "/feeds").one("p", class_="warning").text

    for words in (
        "Clean Library Level",
        "Disabled",
        "Log Only",
        "Remove and Delete",
        "A wishlist is not a copy of your library",
    ):
        assert words in warning
        assert words in PAGES["docs/recipes.md"]


@pytest.mark.parametrize(
    "words", ["asks every 15 minutes", "asks every 5 minutes", "every 6 hours", "Wanted movies", "collection_files"]
)
def test_it_says_what_the_recipes_say(reader: FlaskClient, words: str) -> None:
    assert words in browse(reader, "/feeds").one("main").text
    assert words in PAGES["docs/recipes.md"]


@pytest.mark.parametrize(
    ("settings", "key"),
    first_quick(
        1,
        [
            ({}, "any word"),
            ({"read_api_key": READ_KEY}, "the READ_API_KEY"),
            ({"names": "hidden"}, "a READ_API_KEY (set one first, because names are hidden)"),
        ],
    ),
)
def test_what_to_enter_as_key_is_what_the_settings_ask_for(
    filled: Household, settings: dict[str, str], key: str
) -> None:
    with keeping(filled, **settings) as client:
        said = [item.text for item in browse(client, "/feeds").all("li") if "as API Key" in item.text]

    assert said == [f"Enter the address as Full URL, and {key} as API Key."] * 2


def test_who_may_look_sees_the_page_and_who_has_no_key_does_not(filled: Household) -> None:
    with reading(filled) as client:
        assert len(addresses(client)) == 16
    with visitor(filled, read_api_key=READ_KEY) as client:
        assert client.get("/feeds").status_code == 303


def test_picker_changes_every_address(reader: FlaskClient) -> None:
    page = browse(reader, "/feeds?user=1&user=2&media_type=movie&min_wanted=2")
    shown = [code.text for code in page.all("code") if code.text.startswith("http")]

    assert page.fields("user", "min_wanted") == {"user": ["1", "2"], "min_wanted": ["2"]}
    for address in shown:
        parts = urlsplit(address)
        if parts.path.startswith(("/arr/", "/api/")):
            assert parts.query == ""
            continue
        assert "user=1&user=2" in parts.query
        assert "min_wanted=2" in parts.query
    assert {answer(reader, address) for address in shown} == {200}
    alpha = next(address for address in shown if "radarr.json" in address)
    assert [movie["title"] for movie in reader.get(alpha.partition("localhost")[2]).json] == ["Alpha"]


@pytest.mark.parametrize("query", ["media_type=show", "user=3", "min_wanted=99"])
def test_addresses_of_any_choice_answer(reader: FlaskClient, query: str) -> None:
    assert {answer(reader, address) for address in addresses(reader, f"/feeds?{query}")} == {200}


def test_fields_left_empty_by_the_picker_are_dropped(reader: FlaskClient) -> None:
    reply = reader.get("/feeds?user=1&media_type=&min_wanted=")

    assert (reply.status_code, reply.location) == (302, "/feeds?user=1")


@pytest.mark.parametrize("settings", first_quick(1, [{}, {"read_api_key": READ_KEY}]), ids=["open", "with a key"])
def test_feed_is_tested_and_downloads_are_links(filled: Household, settings: dict[str, str]) -> None:
    with keeping(filled, **settings) as client:
        page = browse(client, "/feeds?user=2")
        tests = [link["href"] for link in page.all("a", class_="second test")]
        told = browse(client, f"/feeds{next(link for link in tests if 'new.json' in link)}")
        files = [link["href"] for link in page.all("a") if "download" in link.attributes]
        downloads = [client.get(urlsplit(link).path + "?" + urlsplit(link).query, buffered=True) for link in files]

    assert len(tests) == 16
    assert "It works." in told.one("div", id="answer").text
    assert "Delta" in told.one("pre").text
    assert "beta" not in told.one("pre").text
    assert [reply.status_code for reply in downloads] == [200] * 5
    assert all("attachment" in reply.headers["Content-Disposition"] for reply in downloads)


def test_feed_that_fails_is_told_as_it_is(client: FlaskClient, household: Household) -> None:
    told = browse(client, "/feeds?test=feeds/radarr.json").one("div", id="answer").text

    assert "It answers with an error: 503" in told


@pytest.mark.parametrize("path", ["api/users", "../etc/passwd", "feeds/other", "sign-in"])
def test_nothing_else_is_tested_or_downloaded(reader: FlaskClient, path: str) -> None:
    assert reader.get(f"/feeds?test={path}").status_code == 404
    assert reader.get(f"/feeds/download/{path}").status_code == 404
