"""The front door in a real browser: from an empty database to the wall, and a token that heals by signing in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, visit
from tests.support.fake_friends import Friends
from tests.support.fake_home import Home
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.household import Household, token_of
from tests.support.nginx import BASE, under_a_path
from tests.support.processes import gunicorn, program, settings_for, wait_until

pytestmark = pytest.mark.browser

WAYS = {
    "direct": ("", {}),
    "without scripts": ("", {"java_script_enabled": False}),
    "under a path, on a phone": (BASE, {"viewport": {"width": 390, "height": 844}, "has_touch": True}),
}

EACH_WAY = pytest.mark.parametrize(
    "way", ["direct", *(pytest.param(way, marks=pytest.mark.slow) for way in WAYS if way != "direct")]
)


@pytest.fixture
def pins(household: Household) -> Pins:
    """Ann, her friends Fay and Gus, and Oz, whom she does not know, have accounts at Plex."""
    plex = household.plex
    ann = plex.add(token_of("Ann"), username="ann", rows=[row("1", "Alpha")])
    fay = plex.add(token_of("Fay"), username="fay", rows=[row("2", "Beta")])
    gus = plex.add(token_of("Gus"), username="gus", rows=[row("3", "Gamma")])
    plex.add(token_of("Oz"), username="oz")
    Home(plex, ann)
    Friends(plex).befriend(ann, fay, gus)
    return Pins(plex)


@contextmanager
def serving(household: Household, base: str = "") -> Iterator[str]:
    """The API and the scheduler, with the address of the wall. Plex's sign-in page is on another site than ours."""
    auth = {"PLEX_AUTH_URL": f"{household.plex.url.replace('127.0.0.1', 'localhost')}/auth"}
    with program("-m", "wishlist_service.scheduler", env=settings_for(household)):
        if base:
            with under_a_path(household, **auth) as address:
                yield address
            return
        with gunicorn(settings_for(household, **auth)) as (_, address):
            yield f"{address}/"


def sign_in(page: Page, username: str) -> None:
    """Press the button, and agree at Plex with this account. Without scripts, where Plex has none either."""
    page.get_by_role("button", name="Sign in with Plex").click()
    page.wait_for_url("**/auth#*")
    if page.get_by_role("link").count():
        page.get_by_role("link", name=f"Continue as {username}").click()
    else:
        page.goto(page.url.replace("/auth#?", "/auth/agree?") + f"&as={username}")


def check_access(page: Page, options: dict[str, Any]) -> None:
    """Assert that axe-core finds nothing, and that nothing is wider than the window."""
    if options.get("java_script_enabled", True):
        assert faults_of_access(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@EACH_WAY
def test_from_an_empty_database_to_everybodys_wishes_without_a_key(
    browser: Browser, household: Household, pins: Pins, way: str
) -> None:
    base, options = WAYS[way]
    with serving(household, base) as home, visit(browser, **options) as page:
        page.goto(home)
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in with Plex to begin")
        check_access(page, options)

        sign_in(page, "ann")
        expect(page.get_by_role("heading", level=1)).to_have_text("Who else?")
        assert page.url == f"{home}people/1/contacts"
        check_access(page, options)
        page.get_by_label("Fay", exact=True).check()
        page.get_by_label("Gus", exact=True).check()
        page.get_by_role("button", name="Add the ticked people").click()
        expect(page.locator(".results li")).to_have_count(2)
        page.get_by_role("link", name="To the wall").click()

        wait_until(lambda: all(household.titles(name) for name in ("ann", "Fay", "Gus")))
        page.goto(f"{home}?sort=title")
        expect(page.locator("#titles .name")).to_have_text(["Alpha", "Beta", "Gamma"])
        check_access(page, options)
    assert household.user("ann")["admin"] is True


@EACH_WAY
def test_refused_token_heals_by_signing_in(browser: Browser, household: Household, pins: Pins, way: str) -> None:
    base, options = WAYS[way]
    household.add("ann")
    ann = household.plex.people.pop(token_of("Ann"))
    household.sync()
    assert household.user("ann")["sync_state"] == "token_rejected"
    household.plex.people["token-of-her-browser"] = ann
    with serving(household, base) as home, visit(browser, **options) as page:
        page.goto(f"{home}sign-in?next=/people")
        expect(page.get_by_label("Key")).to_be_visible()
        check_access(page, options)

        sign_in(page, "ann")

        expect(page.get_by_role("heading", level=1)).to_have_text("People")
        wait_until(lambda: household.user("ann")["sync_state"] == "ok")
        page.goto(home)
        expect(page.locator("#titles .name")).to_have_text(["Alpha"])


@EACH_WAY
def test_stranger_is_told_whom_to_ask_and_may_try_again(
    browser: Browser, household: Household, pins: Pins, way: str
) -> None:
    base, options = WAYS[way]
    household.add("ann")
    household.conn.execute("UPDATE plex_users SET admin = true")
    with serving(household, base) as home, visit(browser, **options) as page:
        page.goto(f"{home}sign-in")
        sign_in(page, "oz")
        expect(page.get_by_role("heading", level=1)).to_have_text("Ask ann for an invitation")
        check_access(page, options)

        sign_in(page, "ann")

        expect(page).to_have_url(home)
        assert page.context.request.get(f"{home}api/me").json()["user"]["name"] == "ann"
