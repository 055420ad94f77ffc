"""Somebody who keeps the household: invites, renames, pauses, erases. In a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, resize, visit
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.nginx import BASE, under_a_path
from tests.support.processes import gunicorn, settings_for

pytestmark = pytest.mark.browser


@pytest.fixture
def ann(household: Household) -> Household:
    """Ann wants Alpha and Beta."""
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    household.sync()
    return household


@pytest.fixture(params=["direct", pytest.param(BASE, marks=pytest.mark.slow)])
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
    expect(page.get_by_role("heading", name="Invite people")).to_be_visible()
    expect(page).to_have_url(f"{home}people")
    page.wait_for_load_state()


def open_changes(page: Page, name: str) -> None:
    page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name)).locator(".changes summary").click()


def test_invitation_is_made_copied_and_withdrawn(browser: Browser, home: str) -> None:
    with visit(browser, permissions=["clipboard-read"]) as page:
        sign_in(page, home)
        page.get_by_label("Name", exact=True).fill("Dora")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("An invitation for Dora")
        address = page.locator(".address code").inner_text()
        assert address.startswith(f"{home}join/")
        page.get_by_role("button", name="Copy").click()
        expect(page.locator("#copied")).to_have_text("Copied.")
        assert page.evaluate("navigator.clipboard.readText()") == address

        page.get_by_role("link", name="All people").click()
        page.get_by_role("button", name="Withdraw the invitation for Dora").click()
        expect(page).to_have_url(f"{home}people#invitations")
        page.wait_for_load_state()
        expect(page.get_by_role("heading", name="Open invitations")).to_have_count(0)


def test_the_same_without_scripts(browser: Browser, home: str) -> None:
    with visit(browser, java_script_enabled=False) as page:
        sign_in(page, home)
        page.get_by_label("Name", exact=True).fill("ann")
        page.get_by_role("button", name="Invite", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("Another person has this name")
        page.get_by_label("Name", exact=True).fill("Dora")
        page.get_by_label("For how many people").fill("3")
        page.get_by_role("button", name="Invite", exact=True).click()
        expect(page.get_by_text("3 people can use it.")).to_be_visible()
        expect(page.get_by_role("button", name="Copy")).to_be_hidden()
        expect(page.locator("svg.qr")).to_be_visible()
        page.get_by_role("link", name="All people").click()
        page.get_by_role("button", name="Withdraw the invitation for Dora").click()
        expect(page.get_by_role("heading", name="Open invitations")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_person_is_invited_again_renamed_paused_and_erased(browser: Browser, ann: Household, scripts: bool) -> None:
    ann.plex.people.pop("token-of-ann-0123456789")
    ann.sync()
    with (
        gunicorn(settings_for(ann)) as (_, address),
        visit(browser, java_script_enabled=scripts, timezone_id="Asia/Tokyo") as page,
    ):
        sign_in(page, f"{address}/")
        expect(page.locator(".state")).to_contain_text("Must sign in again.")
        expect(page.locator("time")).to_have_text("just now")
        expect(page.locator("time")).to_have_attribute("title", re.compile("GMT" if scripts else "UTC"))
        page.get_by_role("button", name="Invite Ann to sign in again").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("An invitation for Ann")
        expect(page.get_by_text("Only their Plex account can use it.")).to_be_visible()
        page.get_by_role("link", name="All people").click()
        page.get_by_role("button", name="Withdraw the invitation for Ann").click()

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


def test_everything_is_reached_by_keyboard(browser: Browser, ann: Household) -> None:
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
        for name in ("Invite Ann to sign in again", "Pause Ann", "Make an admin Ann"):
            page.keyboard.press("Tab")
            expect(page.get_by_role("button", name=name)).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Erase Ann")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing(browser: Browser, ann: Household, scheme: str) -> None:
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
                resize(page, width, 900)
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
        page.goto(f"{address}/people/1/erase")
        look()
