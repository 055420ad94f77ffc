"""Posters in a real browser: those that cannot be loaded, and those of the demo."""

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import chromium, visit
from tests.support.fake_plex import row
from tests.support.household import Household
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

SHARED = row("4a2b", "Harbour Lights", media_type="show", year=2021)
DEAD = row("dead", "Café at the End of the Pier", thumb="https://image.example.test/dead.jpg")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


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
        for scheme in ("light", "dark"):
            with visit(browser, color_scheme=scheme, java_script_enabled=scripts) as page:
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
                expect(poster).to_have_js_property("naturalWidth", 400)
            hosts = posters.evaluate_all("images => images.map(image => new URL(image.currentSrc).host)")

        demo.end(signal.SIGINT)  # killed, it could not remove its directory

    assert set(hosts) == {f"127.0.0.1:{port}"}
