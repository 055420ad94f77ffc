"""What holds for every page: nothing from elsewhere, nothing made of what people write, trouble told to people."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household, make_config
from tests.support.readers import Shared
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from wishlist_service.app import close_app, create_app, open_app

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


@pytest.mark.parametrize(
    "address", first_quick(1, ["javascript:alert(1)", "http://image.example.test/1.jpg", "data:text/html,x"])
)
def test_poster_that_no_page_may_load_is_drawn(household: Household, client: FlaskClient, address: str) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET poster_url = %s, plex_url = %s", [address, address])

    for page in (browse(client), browse(client, "/title/" + "0" * 23 + "1")):
        assert page.one("span", class_="tile").text == "Alpha2000"
        assert address not in [value for element in page.elements for value in element.attributes.values()]


def test_what_people_and_plex_write_is_never_markup(household: Household, client: FlaskClient) -> None:
    household.add("Ann", [row("1", HOSTILE), row("2", "Beta")], token="token-of-ann-0123456789")
    household.sync()
    household.conn.execute("UPDATE plex_users SET name = %s", [HOSTILE])
    household.conn.execute("UPDATE wishlist_items SET genres = %s, summary = %s", [[HOSTILE], HOSTILE])

    for path in (
        "/",
        f"/title/{'0' * 23}1",
        "/activity",
        "/feeds",
        "/?search=%3Cscript%3E%22%27",
        "/?genre=%22%3E%3Cscript%3Ealert(1)",
    ):
        page = browse(client, path)
        assert [re.sub(r"\?.*", "", script["src"]) for script in page.all("script")] == ["/static/script.js"]
        assert [name for element in page.elements for name in element.attributes if name.startswith("on")] == []
        assert [element for element in page.elements if "style" in (element.name, *element.attributes)] == []
    assert browse(client, "/?search=img").titles == [HOSTILE]


@pytest.mark.parametrize("url_base", [pytest.param("", marks=pytest.mark.slow), "/plex-wishlist"])
def test_pages_come_from_the_service_alone_under_any_path(shared_filled: Shared, url_base: str) -> None:
    app = create_app(replace(shared_filled.household.config, url_base=url_base))
    open_app(app)
    client = app.test_client()
    try:
        for path in ("/", "/?limit=1", f"/title/{'0' * 23}1", "/activity", "/feeds", "/sign-in", "/?year=x"):
            reply = client.get(url_base + path)
            policy = reply.headers["Content-Security-Policy"]
            page = Seen(reply)

            assert "unsafe" not in policy
            assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy.split("; "))
            for element in page.elements:
                for name in ("href", "src", "action"):
                    address = element.attributes.get(name, "#")
                    ours = address.startswith((f"{url_base}/", "#", "?"))
                    assert ours or element.name in ("img", "a"), address
                    assert ours or address.startswith("https://"), address
                    if ours and name != "action" and address.startswith("/"):
                        assert client.get(address).status_code in (200, 302), address
    finally:
        close_app(app)


def test_assets_are_kept_for_a_year_by_their_version(client: FlaskClient) -> None:
    page = Seen(client.get("/sign-in"))

    for address in (page.one("link", rel="stylesheet")["href"], page.one("script")["src"]):
        asset, plain = client.get(address), client.get(urlsplit(address).path)
        assert parse_qs(urlsplit(address).query).keys() == {"v"}
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert plain.headers["Cache-Control"] == "private, no-cache"
    assert client.get("/static/base.html").status_code == client.get("/static/..%2Fapp.py").status_code == 404


def test_trouble_is_told_in_a_page_to_people_and_as_a_problem_to_programs(client: FlaskClient) -> None:
    lost = client.get("/nowhere", headers={"Accept": "text/html,*/*"})
    unknown = client.get(f"/title/{'9' * 24}")

    assert (lost.status_code, unknown.status_code) == (404, 404)
    assert Seen(lost).one("h1").text == Seen(unknown).one("h1").text == "Not found"
    for path in ("/nowhere", f"/api/wishlist/{'9' * 24}", "/api/nowhere"):
        accept = {"Accept": "text/html"} if path.startswith("/api/") else {}
        assert client.get(path, headers=accept).mimetype == "application/problem+json"


def test_without_a_database_the_page_says_so() -> None:
    app = create_app(make_config(database_url="postgresql://127.0.0.1:1/none"))
    open_app(app)
    close_app(app)

    reply = app.test_client().get("/")

    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert Seen(reply).one("h1").text == "Back in a moment"
