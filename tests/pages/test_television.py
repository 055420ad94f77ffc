"""Pages on a television: `tv=1` is kept in every link, the type is large, and a remote control suffices."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, visit
from tests.support.household import API_KEY, Household
from tests.support.readers import Shared
from tests.support.seen import Seen, browse
from tests.support.visitors import keeping, visitor

ALPHA = f"/title/{1:024x}"
OURS = {"Sec-Fetch-Site": "same-origin"}
FILES = ("/static/", "/manifest", "/export/", "/feeds/download/")


def addresses(page: Seen) -> list[str]:
    """Where links and forms of the page lead, apart from other sites and files."""
    found = [
        element.attributes[name]
        for element in page.elements
        for name in ("href", "action")
        if element.attributes.get(name, "#") != "#"
    ]
    return [each for each in found if not each.startswith(("https://", "#", *FILES))]


@pytest.mark.parametrize("path", ["/", "/sign-in", "/?year=x", "/nothing"])
def test_pages_of_a_stranger_keep_it(shared_filled: Shared, path: str) -> None:
    with visitor(shared_filled.household) as client:
        reply = client.get(f"{path}{'&' if '?' in path else '?'}tv=1", headers={"Accept": "text/html"})

        for address in addresses(Seen(reply)):
            assert parse_qs(urlsplit(address).query)["tv"] == ["1"], address


@pytest.mark.slow
def test_every_page_that_is_reached_keeps_it(filled: Household) -> None:
    seen: set[str] = set()
    with keeping(filled, plex_server_url="http://127.0.0.1:9", plex_server_token="token") as client:
        ahead = ["/?tv=1", "/?limit=1&user=1&tv=1", f"{ALPHA}?tv=1", f"{ALPHA}/watchlists?tv=1"]
        while ahead:
            path = ahead.pop()
            reply = client.get(path)
            if path in seen or reply.status_code == 405:  # a form's
                continue
            seen.add(path)
            if reply.status_code == 303:
                assert "tv=1" in reply.location, path
                continue
            page = Seen(reply)
            assert page.one("html")["class"] == "tv"
            for address in addresses(page):
                assert parse_qs(urlsplit(address).query)["tv"] == ["1"], (path, address)
                if address.startswith("/") and len(seen) < 60 and "test=" not in address:
                    ahead.append(address.split("#")[0])
            for form in page.all("form"):
                if form.attributes.get("method") == "get":
                    assert page.fields("tv") == {"tv": ["1"]}
    assert {urlsplit(path).path for path in seen} >= {"/", "/new", "/tonight", "/people", "/feeds", "/activity", ALPHA}


@pytest.mark.slow
def test_forms_lead_to_pages_that_keep_it(filled: Household) -> None:
    with keeping(filled) as client:
        for path, form in (
            (f"{ALPHA}/dismiss?tv=1", {}),
            (f"{ALPHA}/restore?tv=1", {}),
            ("/who?tv=1", {"user": "1"}),
            ("/sign-in?tv=1", {"key": API_KEY}),
            ("/sign-out?tv=1", {}),
        ):
            reply = client.post(path, data=form, headers=OURS)
            assert (reply.status_code, parse_qs(urlsplit(reply.location).query)["tv"]) == (303, ["1"]), path
    with visitor(filled, read_api_key="reading-key-0123456789") as client:
        reply = client.get("/new?tv=1")
        assert parse_qs(urlsplit(reply.location).query) == {"next": ["/new?tv=1"], "tv": ["1"]}
        assert client.get("/nothing?tv=1", headers={"Accept": "text/html"}).status_code == 404


def test_it_belongs_to_the_pages_and_has_one_value(shared_filled: Shared) -> None:
    with visitor(shared_filled.household) as client:
        assert client.get("/api/wishlist?tv=1").status_code == 422
        assert client.get("/?tv=2").status_code == 422
        assert client.get("/?search=alpha&genre=&tv=1").location == "/?search=alpha&tv=1"
        assert "class" not in browse(client).one("html").attributes
        assert browse(client).all("a", href="/?tv=1")[0].text == "Television"


def rows(page: Page) -> list[int]:
    """How many posters each row has."""
    tops = page.locator("#titles > li").evaluate_all("all => all.map((each) => each.offsetTop)")
    return [tops.count(top) for top in sorted(set(tops))]


@pytest.mark.browser
def test_wall_is_used_from_the_sofa(browser: Browser, shared_home: str) -> None:
    with visit(browser, viewport={"width": 1920, "height": 1080}) as page:
        page.goto(f"{shared_home}/?tv=1")
        assert set(rows(page)) == {5}
        assert page.locator(".facts").first.evaluate("each => parseFloat(getComputedStyle(each).fontSize)") >= 24
        expect(page.get_by_role("searchbox")).to_be_hidden()
        expect(page.locator("input[type=number]")).to_be_hidden()
        assert faults_of_access(page) == []
        page.locator(".who-are-you").get_by_role("button", name="Ann", exact=True).focus()
        page.keyboard.press("Enter")
        expect(page.locator(".who-are-you")).to_have_count(0)
        page.wait_for_load_state()
        assert page.url == f"{shared_home}/?tv=1"

        page.keyboard.press("ArrowDown")
        for _ in range(20):
            if page.evaluate("document.activeElement.type") == "checkbox":
                break
            page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator(".people input:checked")).to_have_count(1)
        expect(page.locator("#count")).to_have_text("6 titles")
        expect(page).to_have_url(re.compile("tv=1"))
        for _ in range(20):
            if page.evaluate("document.activeElement.matches('.wall a')"):
                break
            page.keyboard.press("ArrowDown")
        outline = page.locator(".wall a:focus .poster").evaluate("e => parseFloat(getComputedStyle(e).outlineWidth)")
        assert outline >= 6
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"/title/\w+/\w+\?tv=1$"))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
