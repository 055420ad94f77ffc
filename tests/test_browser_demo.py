"""`make demo` in a real browser: every poster is seen, under whatever address the page was opened."""

from browser import chromium, visit
from playwright.sync_api import expect
from processes import CHECKOUT, START_SECONDS, free_port, plain_environment, program


def test_demo_shows_its_posters_on_a_phone() -> None:
    port = free_port()
    env = plain_environment(port) | {"PYTHONPATH": str(CHECKOUT)}

    with program("-m", "wishlist_service", "demo", env=env) as demo:
        demo.wait_for("approves every sign-in link", seconds=START_SECONDS)
        with chromium() as browser, visit(browser, viewport={"width": 390, "height": 844}) as page:
            page.goto(f"http://127.0.0.1:{port}")  # not the address that the poster_url names
            posters = page.locator("#titles img")
            expect(posters).to_have_count(40)
            for poster in posters.all():
                poster.scroll_into_view_if_needed()
                expect(poster).to_have_js_property("naturalWidth", 400)
            origins = posters.evaluate_all("images => images.map(image => new URL(image.currentSrc).host)")

    assert set(origins) == {f"127.0.0.1:{port}"}
