"""A household on a slow network: how many bytes a page takes, and that nothing on it moves. In a real browser."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import PHONE, visit
from tests.support.household import Household
from tests.support.processes import gunicorn, settings_for, wait_until
from tests.support.slow_network import POSTER_BYTES, dripping, poster_host, slow_4g

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WIDTHS = (390, 820, 1440)
SLOW_PATHS = ["/new", "/people", "/tonight", "/activity", f"/title/{1:024x}", "/feeds"]
KILOBYTES = {"w185": 12, "w342": 34, "w500": 65, "w780": 140, "original": 1000}
SHIFTS = """
window.shift = 0;
window.moved = [];
new PerformanceObserver((list) => {
  for (const { hadRecentInput, value, sources } of list.getEntries()) {
    if (hadRecentInput) continue;
    window.shift += value;
    window.moved.push(...sources.map(({ node }) => (node?.outerHTML ?? node?.textContent ?? "").slice(0, 80)));
  }
}).observe({ type: "layout-shift", buffered: true });
"""
OUR_BYTES = """
() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
  .filter((entry) => entry.name.startsWith(location.origin))
  .reduce((sum, entry) => sum + entry.transferSize, 0)
"""
SEEN_POSTERS = """
() => [...document.querySelectorAll("#titles img")].filter((image) => {
  const box = image.getBoundingClientRect();
  return box.top < innerHeight && box.bottom > 0;
}).map((image) => image.currentSrc)
"""
TIMES = """
() => [
  performance.getEntriesByName("first-contentful-paint")[0].startTime,
  performance.getEntriesByName(document.querySelector("#titles img").currentSrc)[0].responseEnd,
  Math.max(...[...document.querySelectorAll("#titles img")]
    .filter((image) => image.getBoundingClientRect().top < innerHeight)
    .map((image) => performance.getEntriesByName(image.currentSrc)[0].responseEnd)),
]
"""


@pytest.fixture(scope="module")
def home_with_news(shared: Household, shared_home: str) -> str:
    """Where the service of twelve people is, of whom Hanna has just added twenty titles."""
    ann, hanna = (shared.plex.people[f"token-of-{name}-0123456789"] for name in ("ann", "hanna"))
    hanna.rows = [*ann.rows[100:120], *hanna.rows]
    shared.sync()
    return shared_home


def be_ann(page: Page, home: str) -> None:
    """Make the window one that knows who looks at it, so it shows no strip."""
    page.context.add_cookies([{"name": "wishlist_me", "value": "1", "url": home}])


def weigh(page: Page, loaded: dict[str, int]) -> None:
    """Answer for TMDB with files as large as its own, and note how large each is."""

    def answer(route: Route) -> None:
        size = route.request.url.split("/")[5]
        loaded[route.request.url] = KILOBYTES[size] * 1000
        drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="300"><rect width="9" height="9"/></svg>'
        route.fulfill(body=drawing, content_type="image/svg+xml")

    page.context.route("https://image.tmdb.org/**", answer)


def bytes_of(page: Page, loaded: dict[str, int]) -> int:
    """What our files took to transfer, and the posters that are in the window."""
    page.wait_for_load_state("networkidle")
    seen = page.evaluate(SEEN_POSTERS)
    assert len(seen) >= 9
    return page.evaluate(OUR_BYTES) + sum(loaded[address] for address in seen)


def test_first_screen_is_light_and_high_up(browser: Browser, home_with_news: str) -> None:
    loaded: dict[str, int] = {}
    with visit(browser, **PHONE) as page:
        weigh(page, loaded)
        be_ann(page, home_with_news)
        page.goto(home_with_news)
        assert bytes_of(page, loaded) <= 400_000
        assert {address.split("/")[5] for address in loaded} == {"w342"}
        tops = page.evaluate(
            "[...document.querySelectorAll('#titles .poster')].slice(0, 4).map(e => e.getBoundingClientRect().top)"
        )
        assert tops[0] == tops[1] == tops[2] < 200
        assert tops[3] > tops[2]
        first = page.locator("#titles img").first
        assert (first.get_attribute("fetchpriority"), first.get_attribute("loading")) == ("high", None)
    loaded.clear()
    with visit(browser, viewport={"width": 1440, "height": 900}) as page:
        weigh(page, loaded)
        be_ann(page, home_with_news)
        page.goto(home_with_news)
        assert bytes_of(page, loaded) <= 1_000_000


@pytest.mark.slow
def test_slow_4g_brings_few_bytes_and_moves_nothing(browser: Browser, crowd: Household) -> None:
    """Also prints the figures of docs/performance.md, which `pytest -s` shows."""
    crowd.conn.execute("UPDATE wishlist_items SET poster_url = 'https://metadata-static.plex.tv/' || id || '.jpg'")
    windows: list[tuple[dict[str, Any], int]] = [
        (PHONE, 400_000),
        ({"viewport": {"width": 820, "height": 1180}, "device_scale_factor": 2, "has_touch": True}, 1_000_000),
        ({"viewport": {"width": 1440, "height": 900}}, 1_000_000),
    ]
    with poster_host() as host, gunicorn(settings_for(crowd, PLEX_IMAGES_URL=host)) as (_, address):
        for window, maximum in windows:
            with visit(browser, **window) as page:
                page.add_init_script(SHIFTS)
                be_ann(page, address)
                slow_4g(page)
                page.goto(address, wait_until="networkidle")
                ours, seen = page.evaluate(OUR_BYTES), page.evaluate(SEEN_POSTERS)
                assert len(set(seen)) >= 9
                assert ours + len(seen) * POSTER_BYTES <= maximum
                assert (page.evaluate("window.shift"), page.evaluate("window.moved")) == (0, [])
                text, first, last = (f"{each / 1000:.1f} s" for each in page.evaluate(TIMES))
                size = f"{window['viewport']['width']} px at {window.get('device_scale_factor', 1)}×"
                posters = len(seen) * POSTER_BYTES
                kilobytes = (
                    f"{ours / 1000:.1f} kB | {len(seen)}: {posters // 1000} kB | {(ours + posters) / 1000:.0f} kB"
                )
                print(f"| {size} | {kilobytes} | 0 | {text} | {first} | {last} |")


def hold_script(page: Page) -> list[Route]:
    """The requests for the script, which are not answered yet."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/static/script.js*", hold)
    return held


def release(page: Page, held: list[Route]) -> None:
    """Let the script come, as soon as the page has asked for it."""
    wait_until(lambda: held or page.wait_for_timeout(20))
    held[0].continue_()


@pytest.mark.parametrize("path", ["/", *(pytest.param(path, marks=pytest.mark.slow) for path in SLOW_PATHS)])
def test_nothing_shifts_while_the_page_and_then_its_script_come(
    browser: Browser, shared: Household, home_with_news: str, path: str
) -> None:
    with dripping(home_with_news) as address:
        for width in WIDTHS:
            # what counts on the minutes does not count meanwhile
            shared.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '90 seconds'")
            with visit(browser, viewport={"width": width, "height": 844}) as page:
                page.add_init_script(SHIFTS)
                held = hold_script(page)
                page.goto(address + path, wait_until="commit")
                expect(page.locator("footer")).to_be_attached()
                page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
                assert page.evaluate("window.moved") == [], f"without the script, at {width} px"

                release(page, held)
                page.wait_for_load_state("networkidle")
                assert (page.evaluate("window.shift"), page.evaluate("window.moved")) == (0, []), width


@pytest.mark.slow
def test_days_of_the_viewer_come_without_a_shift(browser: Browser, crowd: Household, home: str) -> None:
    crowd.conn.execute("UPDATE wishlist_events SET happened_at = '2026-03-04T10:00:00Z'")
    last = "(SELECT id FROM wishlist_events ORDER BY id DESC LIMIT 20)"
    crowd.conn.execute(f"UPDATE wishlist_events SET happened_at = '2026-03-04T23:30:00Z' WHERE id IN {last}")
    with dripping(home) as address, visit(browser, timezone_id="Asia/Tokyo") as page:
        page.add_init_script(SHIFTS)
        held = hold_script(page)
        page.goto(f"{address}/activity", wait_until="commit")
        expect(page.locator("footer")).to_be_attached()
        release(page, held)

        expect(page.locator(".day h2")).to_have_text(["5 Mar 2026", "4 Mar 2026"])
        page.wait_for_load_state("networkidle")
        assert (page.evaluate("window.shift"), page.evaluate("window.moved")) == (0, [])
    with visit(browser) as page:
        page.route("**/static/script.js*", lambda route: route.abort())
        page.goto(f"{home}/activity")
        expect(page.locator(".day li").first).to_be_visible()
