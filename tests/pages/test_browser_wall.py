"""A person at the wall in a real browser: sees posters, searches, filters, scrolls, follows a title."""

import re
import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, resize, visit
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.nginx import BASE, under_a_path
from tests.support.processes import (
    CHECKOUT,
    START_SECONDS,
    free_port,
    gunicorn,
    plain_environment,
    program,
    settings_for,
)

pytestmark = pytest.mark.browser

SOUGHT = row("a11e", "The Lantern Keeper", year=2024)

SHARED = row("4a2b", "Harbour Lights", media_type="show", year=2021)

POSTER = "https://image.example.test/{}.jpg"

DEAD = row("dead", "Café at the End of the Pier", thumb=POSTER.format("dead"))

COUNT_MOVED_POSTERS = """
window.moved = 0;
new PerformanceObserver((list) => {
  for (const { sources } of list.getEntries()) {
    window.moved += sources.filter(({ node }) => node?.parentElement?.closest("#titles")).length;
  }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture(scope="module")
def crowd(shared: Household) -> Household:
    """Ann wants 500 titles, of which each fifth has a poster; Ben two of them and one whose poster is lost.

    The tests only read.
    """
    numbers = range(1, 499)
    rows = [row(f"{n:x}", f"Title {n:03}", thumb=None if n % 5 else POSTER.format(n)) for n in numbers]
    shared.add("Ann", [SHARED, *rows, SOUGHT])
    shared.sync()
    shared.add("Ben", [DEAD, SHARED, SOUGHT])
    shared.sync()
    shared.conn.execute("UPDATE wishlist_items SET genres = '{Drama,Mystery}', summary = 'Letters arrive.'")
    return shared


@pytest.fixture(scope="module")
def address(crowd: Household) -> Iterator[str]:
    """Where the service is."""
    with gunicorn(settings_for(crowd)) as (_, address):
        yield address


@pytest.fixture(scope="module", params=["direct", pytest.param(BASE, marks=pytest.mark.slow)])
def home(crowd: Household, request: pytest.FixtureRequest) -> Iterator[str]:
    """The wall's address, also under a path behind nginx."""
    if request.param == "direct":
        yield f"{request.getfixturevalue('address')}/"
        return
    with under_a_path(crowd) as address:
        yield address


def titles(page: Page) -> list[str]:
    page.wait_for_load_state()  # a click waits only until the next page begins
    return page.locator("#titles .name").all_inner_texts()


def test_person_finds_and_follows_a_title(browser: Browser, home: str) -> None:
    with visit(browser) as page:
        page.goto(home)
        expect(page.locator("#titles li")).to_have_count(50)
        expect(page.locator("#count")).to_have_text("501 titles")
        expect(page.locator("#titles li").first.locator("img")).to_have_count(0)  # the dead one
        expect(page.locator("#titles img").first).to_have_js_property("complete", value=True)
        assert page.locator("#titles img").first.evaluate("image => image.naturalWidth") > 0
        expect(page.locator("#titles li").first.locator(".tile")).to_be_visible()

        page.get_by_role("searchbox").press_sequentially("lantern", delay=20)
        expect(page.locator("#count")).to_have_text("1 title")
        expect(page).to_have_url(f"{home}?search=lantern")
        expect(page.get_by_role("searchbox")).to_be_focused()
        assert titles(page) == ["The Lantern Keeper"]

        page.reload()
        assert titles(page) == ["The Lantern Keeper"]
        page.get_by_role("link", name="The Lantern Keeper").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("The Lantern Keeper")
        expect(page).to_have_url(re.compile(f"^{re.escape(home)}title/movie/0+a11e$"))
        expect(page.locator(".wishes li")).to_have_count(2)
        page.wait_for_load_state()

        page.get_by_role("link", name="All titles").click()
        expect(page).to_have_url(f"{home}?search=lantern")
        page.get_by_role("link", name="Clear filters").click()
        expect(page.locator("#count")).to_have_text("501 titles")


def test_person_filters_by_two_people_both(browser: Browser, address: str) -> None:
    with visit(browser) as page:
        page.goto(address)
        expect(page.get_by_role("checkbox", name="Both of them")).to_be_hidden()

        page.get_by_role("checkbox", name="Ben").check()
        expect(page.locator("#count")).to_have_text("3 titles")
        page.get_by_role("checkbox", name="Ann").check()
        expect(page.locator("#count")).to_have_text("501 titles")
        page.get_by_role("checkbox", name="Both of them").check()
        expect(page.locator("#count")).to_have_text("2 titles")
        assert sorted(titles(page)) == ["Harbour Lights", "The Lantern Keeper"]
        page.get_by_role("radio", name="Shows").check()
        expect(page.locator("#count")).to_have_text("1 title")
        assert titles(page) == ["Harbour Lights"]

        page.go_back()
        expect(page.locator("#count")).to_have_text("2 titles")
        expect(page.get_by_role("radio", name="All", exact=True)).to_be_checked()
        page.goto(page.url)
        expect(page.get_by_role("checkbox", name="Both of them")).to_be_checked()


def test_wall_stays_when_the_service_stumbles(browser: Browser, address: str) -> None:
    with visit(browser) as page:
        page.goto(address)
        page.route(lambda url: "search=" in url, lambda route: route.fulfill(status=503, body="<h1>Bad gateway</h1>"))

        page.get_by_role("searchbox").fill("title 47")

        expect(page.get_by_role("alert")).to_contain_text("The service does not answer.")
        expect(page.locator("#titles li")).to_have_count(50)
        expect(page.locator("#results")).not_to_have_attribute("aria-busy", "true")
        page.unroute_all()
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("#count")).to_have_text("15 titles")
        expect(page.get_by_role("alert")).to_have_count(0)


def test_person_scrolls_through_all_titles_without_a_jump(browser: Browser, address: str) -> None:
    with visit(browser) as page:
        page.add_init_script(COUNT_MOVED_POSTERS)
        page.goto(f"{address}/?sort=title")
        for page_number in range(2, 12):
            page.locator("#titles li").last.scroll_into_view_if_needed()
            expect(page.locator("#titles li")).to_have_count(min(page_number * 50, 501))

        seen = titles(page)
        assert len(set(seen)) == 501
        assert seen == sorted(seen, key=str.lower)
        expect(page.get_by_role("link", name="More titles")).to_have_count(0)
        assert page.evaluate("window.moved") == 0

        # back from a title to where one was
        page.get_by_role("link", name="Title 498").click()
        page.wait_for_load_state()
        page.get_by_role("link", name="All titles").click()
        expect(page.get_by_role("link", name="Title 498")).to_be_visible()


def test_person_without_scripts_does_the_same_by_links(browser: Browser, home: str) -> None:
    with visit(browser, java_script_enabled=False) as page:
        page.goto(home)
        page.get_by_role("searchbox").fill("light")
        page.get_by_role("button", name=re.compile("^Show")).click()
        expect(page).to_have_url(f"{home}?search=light")
        assert titles(page) == ["Harbour Lights"]

        page.get_by_role("link", name="Clear filters").click()
        page.get_by_role("checkbox", name="Ann").check()
        page.get_by_role("checkbox", name="Ben").check()
        page.get_by_role("checkbox", name="Both of them").check()
        page.get_by_role("button", name=re.compile("^Show")).click()
        assert sorted(titles(page)) == ["Harbour Lights", "The Lantern Keeper"]

        page.goto(f"{home}?limit=100")
        seen = titles(page)
        while page.get_by_role("link", name="More titles").count():
            page.get_by_role("link", name="More titles").click()
            page.wait_for_load_state()
            seen += titles(page)
        assert len(seen) == len(set(seen)) == 501
        page.locator("#titles a").last.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(seen[-1])


def test_person_signs_in_by_keyboard_and_out(browser: Browser, home: str) -> None:
    with visit(browser) as page:
        page.goto(home)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        for _ in range(2 + page.get_by_role("navigation", name="Pages").get_by_role("link").count()):
            page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Sign in")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Key")).to_be_focused()
        page.keyboard.type("not the key")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text("The key is wrong.")
        expect(page.get_by_label("Key")).to_be_focused()
        page.keyboard.type(API_KEY)
        page.keyboard.press("Enter")
        expect(page).to_have_url(home)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("banner").get_by_role("link", name="Sign in")).to_be_visible()


def test_link_in_a_message_opens_for_who_is_signed_in(browser: Browser, crowd: Household) -> None:
    with (
        gunicorn(settings_for(crowd, READ_API_KEY="reading-key-0123456789")) as (_, address),
        visit(browser) as page,
    ):
        page.goto(address)
        page.get_by_label("Key").fill("reading-key-0123456789")
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.locator("#count")).to_have_text("501 titles")

        page.goto(address.replace("127.0.0.1", "localhost") + "/health")  # another site
        page.evaluate("address => { location.href = address; }", f"{address}/?search=lantern")

        expect(page.locator("#count")).to_have_text("1 title")
        assert page.url == f"{address}/?search=lantern"


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing(browser: Browser, address: str, scheme: str) -> None:
    paths = [
        "/?limit=9",
        "/?user=1&user=2&genre=Drama",
        "/?search=zzz",
        f"/title/{'a11e':0>24}",
        "/sign-in",
        "/?year=x",
    ]
    with visit(browser, color_scheme=scheme) as page:
        for path in paths:
            resize(page, 1440, 900)
            page.goto(address + path)
            assert faults_of_access(page) == [], path

            resize(page, 320, 600)
            assert page.evaluate("document.documentElement.scrollWidth") == 320, path


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_poster_that_fails_to_load_looks_like_none(browser: Browser, household: Household, scripts: bool) -> None:
    places = [
        ("/?search=pier", "#titles .poster"),
        (f"/title/movie/{'dead':0>24}", ".title .poster"),
        ("/activity", ".day .poster"),
    ]
    ben = household.add("Ben", [SHARED])
    household.sync()
    ben.rows.insert(0, DEAD)
    household.sync()

    def look(address: str) -> list[bytes]:
        pictures: list[bytes] = []
        with visit(browser, java_script_enabled=scripts) as page:
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for path, poster in places:
                    page.goto(address + path, wait_until="networkidle")
                    pictures.append(page.locator(poster).screenshot(animations="disabled"))
        return pictures

    with gunicorn(settings_for(household)) as (_, address):
        failed = look(address)
        household.conn.execute("UPDATE wishlist_items SET poster_url = NULL")
        without = look(address)

    assert failed == without


@pytest.mark.slow
def test_demo_shows_its_posters_on_a_phone(browser: Browser) -> None:
    port = free_port()
    env = plain_environment(port) | {"PYTHONPATH": str(CHECKOUT)}

    with program("-m", "wishlist_service", "demo", env=env) as demo:
        demo.wait_for("approves every sign-in link", seconds=START_SECONDS)
        with visit(browser, viewport={"width": 390, "height": 844}) as page:
            page.goto(f"http://127.0.0.1:{port}")  # not the address that the poster_url names
            posters = page.locator("#titles img")
            expect(posters).to_have_count(40)
            for poster in posters.all():
                poster.scroll_into_view_if_needed()
                expect(poster).to_have_js_property("complete", value=True)
                assert poster.evaluate("image => image.naturalWidth") > 0
            hosts = posters.evaluate_all("images => images.map(image => new URL(image.currentSrc).host)")
            assert all(
                "small" in address for address in posters.evaluate_all("all => all.map(each => each.currentSrc)")
            )

        demo.end(signal.SIGINT)  # killed, it could not remove its directory

    assert set(hosts) == {f"127.0.0.1:{port}"}
