"""Somebody who keeps the household: adds by link, renews, renames, pauses, erases. In a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import chromium, faults_of_access, visit
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.nginx import BASE, under_a_path
from tests.support.processes import gunicorn, settings_for
from tests.support.sign_ins import DORA, add_pending_and_failed

pytestmark = pytest.mark.browser

AGREED = 30_000  # milliseconds; the service asks Plex every few seconds


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def ann(household: Household) -> Household:
    """Ann wants Alpha and Beta."""
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    return household


@pytest.fixture
def pins(household: Household) -> Pins:
    """The PINs of the simulated Plex, where Dora has an account."""
    household.plex.add(DORA, username="dora", rows=[row("d", "Dora's film")])
    return Pins(household.plex)


@pytest.fixture(params=["direct", BASE])
def home(ann: Household, request: pytest.FixtureRequest) -> Iterator[str]:
    """The wall's address, also under a path behind nginx."""
    if request.param == BASE:
        with under_a_path(ann) as address:
            yield address
        return
    with gunicorn(settings_for(ann)) as (_, address):
        yield f"{address}/"


def sign_in(page: Page, home: str) -> None:
    """Come to the page of people, and sign in from there."""
    page.goto(f"{home}people")
    page.get_by_role("link", name="Sign in to add and change people").click()
    page.get_by_label("Key").fill(API_KEY)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", name="Add a person")).to_be_visible()
    assert page.url == f"{home}people"


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def open_changes(page: Page, name: str) -> None:
    page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name)).locator(".changes summary").click()


def test_person_is_added_by_a_link_and_seen_to_arrive(browser: Browser, home: str, ann: Household, pins: Pins) -> None:
    with visit(browser, permissions=["clipboard-read"]) as page:
        sign_in(page, home)
        page.get_by_label("Name", exact=True).fill("Dora")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("A sign-in link for Dora")
        address = page.locator(".address code").inner_text()
        [pin] = pins.made.values()
        assert pin.code in address
        page.get_by_role("button", name="Copy").click()
        expect(page.locator("#copied")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == address
        expect(page.get_by_text("Waiting for Dora to agree at Plex")).to_be_visible()
        expect(page.get_by_role("link", name="Look again")).to_be_hidden()

        pins.agree(pin.code, DORA)

        expect(page.get_by_role("heading", level=1)).to_have_text("Dora has signed in", timeout=AGREED)
        ann.sync()
        page.get_by_role("link", name="What Dora wants").click()
        expect(page.locator("#titles .name")).to_have_text(["Dora's film"])
        assert page.url == f"{home}?user=2"


def test_the_same_without_scripts(browser: Browser, home: str, pins: Pins) -> None:
    with visit(browser, java_script_enabled=False) as page:
        sign_in(page, home)
        page.get_by_label("Name", exact=True).fill("ann")
        page.get_by_role("button", name="Create a sign-in link").click()
        expect(page.get_by_role("alert")).to_contain_text("Another person has this name")
        page.get_by_label("Name", exact=True).fill("Dora")
        page.get_by_role("button", name="Create a sign-in link").click()
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        expect(page.locator("svg.qr")).to_be_visible()
        [code] = pins.made
        page.get_by_role("link", name="Look again").click()
        assert heading(page) == "A sign-in link for Dora"

        pins.agree(code, DORA)

        expect(page.get_by_role("heading", level=1)).to_have_text("A sign-in link for Dora")
        while heading(page) == "A sign-in link for Dora":
            page.get_by_role("link", name="Look again").click()
        assert heading(page) == "Dora has signed in"


def test_link_that_leads_to_nothing_is_seen_to(browser: Browser, home: str, ann: Household, pins: Pins) -> None:
    ann.plex.people["other-token-of-ann-012345"] = ann.plex.people["token-of-ann-0123456789"]
    with visit(browser) as page:
        sign_in(page, home)
        page.get_by_label("Name", exact=True).fill("Dora")
        page.get_by_role("button", name="Create a sign-in link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("A sign-in link for Dora")
        pins.agree(next(iter(pins.made)), "other-token-of-ann-012345")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign-in failed", timeout=AGREED)
        expect(page.get_by_text("already belongs to Ann")).to_be_visible()

        page.get_by_role("button", name="Create another link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("A sign-in link for Dora")
        pins.expire(list(pins.made)[1])

        expect(page.get_by_role("heading", level=1)).to_have_text("The sign-in link has expired", timeout=AGREED)


@pytest.mark.parametrize("scripts", [True, False])
def test_person_is_renewed_renamed_paused_and_erased(
    browser: Browser, ann: Household, pins: Pins, scripts: bool
) -> None:
    ann.plex.people["new-token-of-ann-01234567"] = ann.plex.people.pop("token-of-ann-0123456789")
    ann.sync()
    with (
        gunicorn(settings_for(ann)) as (_, address),
        visit(browser, java_script_enabled=scripts, timezone_id="Asia/Tokyo") as page,
    ):
        sign_in(page, f"{address}/")
        expect(page.locator(".state")).to_contain_text("Must sign in again.")
        expect(page.locator("time")).to_have_text("just now")
        expect(page.locator("time")).to_have_attribute("title", re.compile("GMT" if scripts else "UTC"))
        page.get_by_role("button", name="Send a new sign-in link to Ann").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("A sign-in link for Ann")
        pins.agree(next(iter(pins.made)), "new-token-of-ann-01234567")
        if scripts:
            expect(page.get_by_role("heading", level=1)).to_have_text("Ann has signed in", timeout=AGREED)
        while heading(page) == "A sign-in link for Ann":
            page.get_by_role("link", name="Look again").click()
        page.get_by_role("link", name="All people").click()
        expect(page.locator(".state")).to_contain_text("Waiting for the first read.")

        open_changes(page, "Ann")
        page.get_by_label("Name of Ann").fill("Anna")
        page.get_by_role("button", name="Rename Ann").click()
        expect(page.get_by_role("heading", level=2, name="Anna")).to_be_visible()

        open_changes(page, "Anna")
        page.get_by_role("button", name="Pause Anna").click()
        expect(page.locator(".state")).to_contain_text("Paused.")
        open_changes(page, "Anna")
        page.get_by_role("button", name="Resume Anna").click()
        expect(page.locator(".facts")).to_contain_text("2 titles of Anna")

        open_changes(page, "Anna")
        page.get_by_role("link", name="Erase Anna").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Erase Anna?")
        page.get_by_role("link", name="Keep Anna").click()
        open_changes(page, "Anna")
        page.get_by_role("link", name="Erase Anna").click()
        page.get_by_role("button", name="Erase Anna").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("No one has been added yet")


def test_everything_is_reached_by_keyboard(browser: Browser, ann: Household, pins: Pins) -> None:
    with gunicorn(settings_for(ann)) as (_, address), visit(browser) as page:
        sign_in(page, f"{address}/")
        page.get_by_role("link", name="2 titles of Ann").focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Add people from Ann’s Plex")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        for _ in range(2):
            page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Rename Ann")).to_be_focused()
        for name in ("Send a new sign-in link to Ann", "Pause Ann", "Make an admin Ann"):
            page.keyboard.press("Tab")
            expect(page.get_by_role("button", name=name)).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Erase Ann")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, ann: Household, scheme: str) -> None:
    add_pending_and_failed(ann)
    states = ["token_rejected", "held", "other_account", "never"]
    for number, state in enumerate(states):
        ann.add(f"Person {number} of a long and unbreakable{'x' * 60}", [])
        ann.conn.execute(
            "UPDATE plex_users SET sync_state = %s, sync_detail = 'So.' WHERE id = %s", [state, number + 2]
        )
    ann.conn.execute("UPDATE plex_users SET active = false WHERE id = 5")
    with gunicorn(settings_for(ann)) as (_, address), visit(browser, color_scheme=scheme) as page:

        def look() -> None:
            for width in (1440, 320):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") == width, page.url
                assert faults_of_access(page) == [], page.url

        page.goto(f"{address}/people")
        look()
        sign_in(page, f"{address}/")
        for summary in page.locator("summary").all():
            summary.click()
        look()
        page.get_by_label("Name of Ann").fill("Person 0 of a long and unbreakable" + "x" * 60)
        page.get_by_role("button", name="Rename Ann").click()
        expect(page.get_by_role("alert")).to_be_visible()
        look()
        for path in ("/people/1/erase", "/people/link/1", "/people/link/2"):
            page.goto(address + path)
            look()
