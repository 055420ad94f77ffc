"""Messages of one's own, in a real browser: with and without scripts, on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import faults_of_access, visit
from tests.support.household import Household
from tests.support.processes import gunicorn, settings_for
from tests.support.receivers import Receiver, receiver
from wishlist_service.queries.sessions import add_session
from wishlist_service.tokens import hash_of
from wishlist_service.web.sessions import COOKIE

pytestmark = pytest.mark.browser
SESSION = "m" * 43


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def sign_in(page: Page, household: Household, address: str) -> None:
    """Be Ben, who has signed in with Plex."""
    ben = household.user("Ben")["id"]
    add_session(household.conn, id_hash=hash_of(SESSION), role="member", user_id=ben, key_mac=None)
    page.context.add_cookies([{"name": COOKIE, "value": SESSION, "url": address}])


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_member_sets_an_address_and_gets_a_test_message(
    browser: Browser, filled: Household, webhook: Receiver, scripts: bool
) -> None:
    size = {"width": 390, "height": 844}
    with (
        gunicorn(settings_for(filled, NOTIFY_TARGETS="any")) as (_, address),
        visit(browser, java_script_enabled=scripts, viewport=size) as page,
    ):
        sign_in(page, filled, address)
        page.goto(f"{address}/me")
        page.get_by_role("link", name="Messages", exact=True).click()
        if scripts:
            assert faults_of_access(page) == []

        page.get_by_label("Your address").fill("nosuchservice://x")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("alert")).to_contain_text("address 1 cannot be used")
        page.get_by_label("Your address").fill(webhook.address)
        page.get_by_label("what all of us newly want").check()
        page.get_by_label("when my watchlist cannot be read").uncheck()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("json://127.0.0.1")).to_be_checked()
        expect(page.get_by_label("when my watchlist cannot be read")).not_to_be_checked()
        page.get_by_role("button", name="Send a test message").click()
        expect(page.locator("#messages .results li")).to_have_text("json://127.0.0.1: The service took the message.")
        if scripts:
            assert faults_of_access(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

        page.get_by_label("json://127.0.0.1").uncheck()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_label("Your address")).to_be_visible()
        expect(page.get_by_label("json://127.0.0.1")).to_have_count(0)

    assert [message["title"] for message in webhook.messages] == ["Test message"]
