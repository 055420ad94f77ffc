"""One sign-in brings the household: in a real browser, with and without scripts."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, visit
from tests.support.household import API_KEY
from tests.support.neighbours import Neighbours
from tests.support.processes import gunicorn, settings_for

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def open_contacts(page: Page, address: str) -> None:
    """Sign in with the API_KEY and come to whom Plex shows Ann."""
    page.goto(f"{address}/people")
    page.get_by_role("link", name="Sign in to add and change people").click()
    page.get_by_label("Key").fill(API_KEY)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Add people from Ann’s Plex").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who else?")


@pytest.mark.parametrize("scripts", [True, False])
def test_three_ticked_people_fill_the_wall(browser: Browser, neighbours: Neighbours, scripts: bool) -> None:
    with (
        gunicorn(settings_for(neighbours.household)) as (_, address),
        visit(browser, java_script_enabled=scripts) as page,
    ):
        open_contacts(page, address)
        expect(page.get_by_label("Ben", exact=True)).to_be_checked()
        expect(page.get_by_label("Kim (managed profile)")).to_be_checked()
        expect(page.get_by_label("Fay", exact=True)).not_to_be_checked()
        expect(page.get_by_label("Oz", exact=True)).to_be_disabled()
        if scripts:
            assert faults_of_access(page) == []

        page.get_by_label("PIN of Ben").fill("7391")
        page.get_by_label("Fay", exact=True).check()
        page.get_by_role("button", name="Add the ticked people").click()

        expect(page.locator(".results li")).to_have_text(
            [f"{name} was added. Their list is read within a minute." for name in ("Ben", "Kim", "Fay")]
        )
        if scripts:
            assert faults_of_access(page) == []
        neighbours.household.sync()
        page.goto(f"{address}/?sort=title")
        expect(page.locator("#titles .name")).to_have_text(["Alpha", "Beta", "Delta", "Gamma"])
        page.goto(f"{address}/people")
        expect(page.get_by_text("Read through Ann’s Plex Home.")).to_have_count(2)
        expect(page.get_by_text("Read as Ann’s friend.")).to_have_count(1)
        if scripts:
            assert faults_of_access(page) == []
