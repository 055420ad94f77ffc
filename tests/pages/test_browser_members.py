"""Invited people and members: they join, want what others want, and look after their list. In a real browser."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, resize, visit
from tests.support.fake_actions import Actions
from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household, token_of
from tests.support.nginx import BASE, under_a_path
from tests.support.processes import gunicorn, settings_for, wait_until

pytestmark = pytest.mark.browser

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


@pytest.fixture
def pins(filled: Household) -> Pins:
    """The PINs of the simulated Plex, where Dora has an account."""
    filled.plex.add(token_of("Dora"), username="dora", rows=[row("d", "Dora's film")])
    return Pins(filled.plex)


@pytest.fixture(params=["direct", pytest.param(BASE, marks=pytest.mark.slow)])
def home(filled: Household, request: pytest.FixtureRequest) -> Iterator[str]:
    """The wall's address, also under a path behind nginx."""
    at_plex = f"{filled.plex.url}/auth"
    if request.param == BASE:
        with under_a_path(filled, PLEX_AUTH_URL=at_plex) as address:
            yield address
        return
    with gunicorn(settings_for(filled, PLEX_AUTH_URL=at_plex)) as (_, address):
        yield f"{address}/"


def agree(page: Page, pins: Pins, username: str) -> None:
    """Press the button, agree at Plex, and be led back. The page of the simulated Plex needs scripts; this does not."""
    page.get_by_role("main").get_by_role("button", name="Sign in with Plex").click()
    page.wait_for_url("**/auth#?*")
    asked = parse_qs(urlsplit(page.url).fragment.removeprefix("?"))
    pins.agree_as(asked["code"][0], username)
    page.goto(asked["forwardUrl"][0])


def sign_in(page: Page, home: str, pins: Pins, username: str) -> None:
    page.goto(f"{home}sign-in")
    agree(page, pins, username)


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_invitation_is_opened_a_day_later(
    browser: Browser, home: str, filled: Household, pins: Pins, scripts: bool
) -> None:
    with visit(browser, java_script_enabled=scripts) as keeper:
        keeper.goto(f"{home}people")
        keeper.get_by_role("link", name="Sign in to add and change people").click()
        keeper.get_by_label("Key").fill(API_KEY)
        keeper.get_by_role("button", name="Sign in", exact=True).click()
        keeper.get_by_label("Name", exact=True).fill("Dora")
        keeper.get_by_role("button", name="Invite", exact=True).click()
        expect(keeper.get_by_role("heading", level=1)).to_have_text("An invitation for Dora")
        address = keeper.locator(".address code").inner_text()
    assert address.startswith(f"{home}join/")
    filled.conn.execute(
        """
        UPDATE invitations SET created_at = created_at - interval '1 day', expires_at = expires_at - interval '1 day'
        """
    )

    with visit(browser, java_script_enabled=scripts, viewport=PHONE) as page:
        page.goto(address)
        expect(page.get_by_role("heading", level=1)).to_have_text("You are invited")
        agree(page, pins, "dora")
        expect(page).to_have_url(f"{home}?user={filled.user('Dora')['id']}")
        wait_until(lambda: filled.user("Dora")["sync_state"] == "ok")
        page.goto(home)
        expect(page.get_by_role("link", name="Dora's film")).to_be_visible()
        page.goto(address)
        expect(page.get_by_text("This invitation is used up.")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [DESK, pytest.param(PHONE, marks=pytest.mark.slow)], ids=["desk", "phone"])
def test_member_adds_a_title_from_the_wall_and_plex_has_it(
    browser: Browser, home: str, filled: Household, pins: Pins, actions: Actions, scripts: bool, size: dict[str, int]
) -> None:
    with visit(browser, java_script_enabled=scripts, viewport=size) as page:
        sign_in(page, home, pins, "cleo")
        page.goto(f"{home}?sort=title")
        card = page.locator("#titles > li").filter(has_text="Alpha")
        button = card.get_by_role("button", name="I want this too")
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44

        button.click()

        expect(card.get_by_text("Wanted by Ann, Ben and Cleo")).to_be_attached()
        expect(card.get_by_role("button", name="I want this too")).to_have_count(0)
        assert "sort=title" in page.url
        assert [each["title"] for each in filled.plex.people[token_of("Cleo")].rows] == ["Alpha"]
        if scripts:
            expect(card.get_by_role("link")).to_be_focused()
            expect(page.locator("#want [role=status]")).to_have_text("Alpha is on your watchlist.")

        page.goto(f"{home}me")
        expect(page.get_by_text("Ann and Ben want it too")).to_be_visible()
        page.get_by_role("button", name="Take it off my watchlist: Alpha").click()
        expect(page.get_by_text("Nothing yet.")).to_be_visible()
        assert filled.plex.people[token_of("Cleo")].rows == []


def test_plex_that_does_not_take_it_is_told_beside_the_button(
    browser: Browser, home: str, filled: Household, pins: Pins, actions: Actions
) -> None:
    actions.forgetful = True
    with visit(browser) as page:
        sign_in(page, home, pins, "cleo")
        page.goto(home)
        page.get_by_role("button", name="I want this too Alpha").click()

        expect(page.get_by_role("alert")).to_contain_text("does not show the title on the watchlist")
        expect(page.get_by_role("button", name="I want this too Alpha")).to_be_enabled()


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_member_pauses_resumes_and_leaves(
    browser: Browser, home: str, filled: Household, pins: Pins, scripts: bool
) -> None:
    with visit(browser, java_script_enabled=scripts, viewport=PHONE) as page:
        sign_in(page, home, pins, "ann")
        page.get_by_role("link", name="Your page").last.click()
        page.get_by_role("button", name="Pause my list").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Your list is paused")
        assert filled.user("Ann")["active"] is False

        agree(page, pins, "ann")
        expect(page.get_by_role("heading", level=1)).to_have_text("Ann")
        assert filled.user("Ann")["active"] is True

        page.get_by_role("link", name="Leave").last.click()
        page.get_by_role("link", name="Stay").click()
        page.get_by_role("link", name="Leave").last.click()
        page.get_by_role("button", name="Leave and erase everything").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You have left")
        assert filled.conn.execute("SELECT FROM plex_users WHERE name = 'Ann'").rowcount == 0


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing(browser: Browser, filled: Household, pins: Pins, actions: Actions, scheme: str) -> None:
    filled.conn.execute("UPDATE wishlist_items SET available = title = 'Alpha'")
    with (
        gunicorn(settings_for(filled, PLEX_AUTH_URL=f"{filled.plex.url}/auth")) as (_, address),
        visit(browser, color_scheme=scheme) as page,
    ):

        def look() -> None:
            for width in (1440, 390, 320):
                resize(page, width, 900)
                assert page.evaluate("document.documentElement.scrollWidth") == width, page.url
                assert faults_of_access(page) == [], page.url

        sign_in(page, f"{address}/", pins, "ann")
        filled.conn.execute("UPDATE plex_users SET admin = true WHERE name = 'Ann'")
        for path in ("/", "/me", "/me/leave", f"/title/movie/{4:024x}"):
            page.goto(address + path)
            look()
        page.goto(f"{address}/people")
        page.get_by_label("Name", exact=True).fill("Dora with a long and unbreakable name" + "x" * 60)
        page.get_by_role("button", name="Invite", exact=True).click()
        look()
        invitation = page.locator(".address code").inner_text()
        page.goto(f"{address}/people")
        look()
        page.goto(invitation)
        look()
        page.goto(f"{address}/join/unknown")
        look()
        filled.conn.execute("UPDATE plex_users SET sync_state = 'token_rejected'")
        page.goto(f"{address}/me")
        look()
        page.get_by_role("button", name="Pause my list").click()
        look()
