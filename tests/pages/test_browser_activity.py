"""A person at Activity, Feeds and a title: syncs and watches, copies an address, dismisses. In a real browser."""

import re
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, resize, visit
from tests.support.fake_actions import Actions
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.nginx import under_a_path
from tests.support.plex_faults import status
from tests.support.processes import gunicorn, settings_for
from tests.support.visitors import READ_KEY

pytestmark = pytest.mark.browser

LANTERN = row("a11e", "The Lantern Keeper", year=2024)
HARBOUR = row("4a2b", "Harbour Lights", media_type="show", year=2021)
TITLE = f"/title/movie/{'a11e':0>24}"


def fill(household: Household) -> Household:
    """Let both want the Lantern, and Ann add Harbour Lights."""
    Actions(household.plex)
    ann = household.add("Ann", [LANTERN])
    household.add("Ben", [LANTERN])
    household.sync()
    ann.rows = [HARBOUR, LANTERN]
    household.sync()
    return household


@pytest.fixture
def home(household: Household) -> Iterator[str]:
    """Where the service is: under a path behind nginx."""
    with under_a_path(fill(household)) as address:
        yield address.removesuffix("/")


def sign_in(page: Page, address: str) -> None:
    """Sign in on the way to an address."""
    home = address.removesuffix("/syncs")
    page.goto(f"{home}/sign-in?next=/syncs")
    page.get_by_label("Key").fill(API_KEY)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Syncs")


@pytest.fixture
def held(household: Household, home: str) -> Iterator[threading.Event]:
    """Ann adds a title, and Plex shows it once this is set."""
    go_on = threading.Event()
    ann = household.plex.people["token-of-ann-0123456789"]
    ann.rows = [row("77", "Untitled Space Opera"), *ann.rows]
    ann.before_page = lambda _start: go_on.wait(60) and None
    yield go_on
    go_on.set()


def test_person_syncs_and_watches_it_finish(browser: Browser, home: str, held: threading.Event) -> None:
    with visit(browser) as page:
        sign_in(page, f"{home}/syncs")
        page.get_by_role("button", name="Sync now").click()
        expect(page.locator("#sync")).to_contain_text("Running")
        expect(page.locator("#sync")).to_contain_text("1 list read so far.")  # Ben's; nobody has loaded the page anew
        expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
        expect(page.get_by_role("link", name="Look again")).to_be_hidden()
        page.evaluate("window.stayed = true")
        held.set()

        expect(page.get_by_role("button", name="Sync now")).to_be_visible()
        expect(page.locator("#sync")).to_contain_text("2 lists read. Ann added 1.")
        expect(page.get_by_role("status")).to_have_text("The last sync: Succeeded. 2 lists read. Ann added 1.")
        assert page.evaluate("window.stayed")


def test_person_without_scripts_syncs_and_looks_again(browser: Browser, home: str, held: threading.Event) -> None:
    with visit(browser, java_script_enabled=False) as page:
        sign_in(page, f"{home}/syncs")
        page.get_by_role("button", name="Sync now").click()
        expect(page.locator("#sync")).to_contain_text("Running")
        page.wait_for_load_state()
        held.set()

        while page.get_by_role("link", name="Look again").count():
            page.get_by_role("link", name="Look again").click()
            page.wait_for_load_state()
        expect(page.locator("#sync")).to_contain_text("2 lists read. Ann added 1.")


def test_second_sync_is_refused_in_a_sentence_and_the_first_goes_on(
    browser: Browser, home: str, held: threading.Event
) -> None:
    with visit(browser) as page:
        sign_in(page, f"{home}/syncs")
        other = page.context.new_page()
        other.goto(f"{home}/syncs")
        page.get_by_role("button", name="Sync now").click()
        expect(page.locator("#sync")).to_contain_text("Running")

        other.get_by_role("button", name="Sync now").click()
        expect(other.get_by_role("alert")).to_contain_text("is still running. Wait for it to end")
        held.set()
        expect(other.locator("#sync")).to_contain_text("2 lists read. Ann added 1.")


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_person_dismisses_a_title_and_it_leaves_the_wall(browser: Browser, home: str, scripts: bool) -> None:
    with visit(browser, java_script_enabled=scripts) as page:
        sign_in(page, f"{home}/syncs")
        page.goto(home)
        page.get_by_role("link", name="The Lantern Keeper").click()
        page.get_by_role("button", name="Dismiss it").click()
        expect(page.get_by_text("Dismissed since")).to_be_visible()

        page.get_by_role("link", name="All titles").click()
        expect(page.locator("#count")).to_have_text("1 title")
        expect(page.get_by_role("link", name="The Lantern Keeper")).to_have_count(0)
        page.goto(home + TITLE)
        page.get_by_role("button", name="Put it back on the wall").click()
        page.goto(home)
        expect(page.locator("#count")).to_have_text("2 titles")


@pytest.mark.parametrize("scripts", [True, False])
def test_person_takes_a_title_off_watchlists_after_seeing_whose(
    browser: Browser, home: str, household: Household, scripts: bool
) -> None:
    with visit(browser, java_script_enabled=scripts) as page:
        sign_in(page, f"{home}/syncs")
        page.goto(home + TITLE)
        page.get_by_role("link", name="Take it off watchlists").click()
        expect(page.locator(".outcomes li")).to_have_count(2)
        assert household.titles("Ben") == ["The Lantern Keeper"]

        page.get_by_role("link", name="Only Ben").click()
        page.get_by_role("button", name="Take it off for Ben").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Taken off watchlists")
        assert household.titles("Ben") == []
        assert household.titles("Ann") == ["Harbour Lights", "The Lantern Keeper"]
        assert household.plex.people["token-of-ben-0123456789"].rows == []
        page.get_by_role("link", name="Back to the title").click()
        expect(page.locator(".history li").first).to_contain_text("Ben removed it")


def test_history_has_the_days_of_the_viewer(browser: Browser, home: str, household: Household) -> None:
    household.conn.execute("UPDATE wishlist_events SET happened_at = '2026-03-04T23:30:00Z'")
    household.conn.execute(
        "UPDATE wishlist_events SET happened_at = '2026-03-04T10:00:00Z' WHERE first_import AND user_id = 2"
    )

    with visit(browser, timezone_id="Asia/Tokyo", locale="en-GB") as page:
        page.goto(f"{home}/activity")
        expect(page.locator(".day h2")).to_have_text(["5 Mar 2026", "4 Mar 2026"], use_inner_text=True)
        expect(page.locator("#history li > time")).to_have_text(["08:30", "08:30", "19:00"], use_inner_text=True)
    with visit(browser, java_script_enabled=False) as page:
        page.goto(f"{home}/activity")
        expect(page.locator(".day h2")).to_have_text(["4 Mar 2026"], use_inner_text=True)


@pytest.mark.parametrize("secure", [True, False])
def test_person_copies_an_address(browser: Browser, home: str, secure: bool) -> None:
    with visit(browser) as page:
        if not secure:  # as by plain HTTP from another machine: no clipboard but by the old way
            page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(f"{home}/feeds")
        page.get_by_role("button", name="Copy the address: Days of release").click()
        expect(page.get_by_role("status")).to_have_text("Copied.")

        page.goto(home)
        page.get_by_role("searchbox").press("Control+v")
        expect(page.get_by_role("searchbox")).to_have_value(f"{home}/feeds/calendar.ics")


def test_without_scripts_there_is_no_button_that_does_nothing(browser: Browser, home: str) -> None:
    with visit(browser, java_script_enabled=False) as page:
        page.goto(f"{home}/feeds")

        expect(page.get_by_text("/feeds/calendar.ics")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("^Copy"))).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing(browser: Browser, household: Household, scheme: str) -> None:
    fill(household)
    household.plex.people["token-of-ben-0123456789"].always = status(404)
    household.sync()
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now() WHERE user_id = 1")
    paths = [
        "/activity?user=2",
        "/feeds?test=feeds/new.rss",
        "/new",
        "/tonight",
        "/syncs",
        TITLE,
        f"{TITLE}/watchlists",
        "/activity?user=99",
    ]
    with (
        gunicorn(settings_for(household, READ_API_KEY=READ_KEY)) as (_, address),
        visit(browser, color_scheme=scheme) as page,
    ):
        sign_in(page, f"{address}/syncs")
        for path in paths:
            resize(page, 1440, 900)
            page.goto(address + path)
            for summary in page.locator("summary:not(.who summary)").all():
                summary.click()
            assert faults_of_access(page) == [], path

            resize(page, 320, 600)
            assert page.evaluate("document.documentElement.scrollWidth") == 320, path
        resize(page, 1440, 900)
        page.goto(f"{address}{TITLE}/watchlists?user=1")
        page.get_by_role("button", name="Take it off for Ann").click()
        assert faults_of_access(page) == []
