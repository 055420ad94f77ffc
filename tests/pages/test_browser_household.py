"""A household at its phones and keyboards, in a real browser: layout, keys, places that are kept."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import AXE, PHONE, faults_of_access, visit
from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.processes import gunicorn, settings_for, wait_until

pytestmark = pytest.mark.browser

TARGETS = "button, select, input, summary, .second, .go, :is(nav, footer, ul, .back, .next) a"
SMALL_TARGETS = f"""
() => [...document.querySelectorAll("{TARGETS}")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.outerHTML.slice(0, 90), (each.closest("label") ?? each).getBoundingClientRect()])
  .filter(([, box]) => box.height > 2 && box.height < 43.5)
  .map(([html, box]) => `${{box.height}} ${{html}}`)
"""


def choose_ann(page: Page, home: str) -> None:
    page.goto(home)
    page.locator(".who-are-you").get_by_role("button", name="Ann", exact=True).click()
    page.wait_for_load_state()
    expect(page.locator(".who-are-you")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["scripts", "no scripts"])
def test_filters_are_in_a_sheet_on_a_phone(browser: Browser, shared_home: str, scripts: bool) -> None:
    with visit(browser, **PHONE, java_script_enabled=scripts) as page:
        choose_ann(page, shared_home)
        bar = page.get_by_role("navigation", name="Pages")
        assert bar.get_by_role("link").all_inner_texts() == ["Wall", "New", "Tonight", "People"]
        assert page.locator(".one").first.inner_text().split()[-1] == "Mine"
        expect(page.get_by_label("Sort by")).to_be_hidden()

        page.get_by_role("link", name="Filters").click()
        page.get_by_role("radio", name="Shows").check(force=True)
        page.get_by_text("More filters").click()
        page.get_by_label("Genre").select_option("Drama")
        page.locator("select[name=status]").select_option("all")
        button = page.get_by_role("button", name=re.compile("^Show"))
        if scripts:
            expect(button).to_have_text("Show 0 titles")
        button.click()

        expect(page.get_by_label("Sort by")).to_be_hidden()
        expect(page.get_by_role("link", name="Filters (3)")).to_be_visible()
        expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
        footer = page.get_by_role("contentinfo").bounding_box()
        assert footer
        page.evaluate("scrollTo(0, document.body.scrollHeight)") if scripts else page.keyboard.press("End")
        for name in ("Feeds", "API"):
            expect(page.get_by_role("contentinfo").get_by_role("link", name=name)).to_be_visible()


def test_names_are_shown_by_a_tap_on_the_chips(browser: Browser, shared_home: str) -> None:
    with visit(browser, **PHONE) as page:
        page.goto(f"{shared_home}/?sort=wanted_count")
        chips = page.locator(".who summary").first
        box = chips.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 44
        chips.tap()
        expect(page.locator(".who p").first).to_be_visible()
        expect(page.locator(".who p").first).to_contain_text("Ann, ")
        assert page.url == f"{shared_home}/?sort=wanted_count"


def test_skip_link_and_arrows_lead_from_poster_to_poster(browser: Browser, shared_home: str) -> None:
    with visit(browser, viewport={"width": 1440, "height": 900}) as page:
        page.goto(shared_home)
        page.evaluate("window.stayed = true")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        links = page.locator("#titles > li > a")
        expect(links.first).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(links.nth(1)).to_be_focused()
        page.keyboard.press("ArrowDown")
        columns = page.evaluate(
            "getComputedStyle(document.getElementById('titles')).gridTemplateColumns.split(' ').length"
        )
        expect(links.nth(1 + columns)).to_be_focused()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
        expect(links.first).to_be_focused()

        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("600")
        expect(page.locator("#count")).to_have_text("1 title")
        page.keyboard.press("Escape")
        expect(page.locator("#count")).to_have_text("600 titles")
        page.locator("#titles > li > a").first.focus()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        page.get_by_role("checkbox", name="Use the keys").uncheck()
        page.keyboard.press("Escape")
        page.locator("#titles > li > a").first.focus()
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).not_to_be_focused()
        assert page.evaluate("window.stayed")


@pytest.mark.slow
def test_place_is_kept_after_a_dismissal_that_can_be_undone(browser: Browser, home: str) -> None:
    with visit(browser) as page:
        page.goto(f"{home}/sign-in?next=/?sort=title")
        page.get_by_label("Key").fill(API_KEY)
        page.get_by_role("button", name="Sign in", exact=True).click()
        for count in (50, 100, 150):
            expect(page.locator("#titles li")).to_have_count(count)
            page.locator("#titles li").last.scroll_into_view_if_needed()
        page.get_by_role("link", name="Title 140").scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        page.get_by_role("link", name="Title 140").click()

        page.get_by_role("button", name="Dismiss it").click()
        expect(page.get_by_text("Dismissed since")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("button", name="Dismiss it")).to_be_visible()
        page.get_by_role("button", name="Dismiss it").click()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.get_by_role("link", name="All titles").click()

        expect(page.get_by_role("link", name="Title 141")).to_be_in_viewport()
        expect(page.get_by_role("link", name="Title 140")).to_have_count(0)
        assert abs(page.evaluate("scrollY") - before) < 400
        page.reload()
        expect(page.get_by_role("link", name="Title 141")).to_be_in_viewport()


@pytest.mark.slow
def test_take_off_asks_plex_when_the_time_is_over_or_the_page_is_left(
    browser: Browser, home: str, crowd: Household
) -> None:
    with visit(browser) as page:
        page.goto(f"{home}/sign-in?next=/title/{2:024x}/watchlists?user=1")
        page.get_by_label("Key").fill(API_KEY)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("button", name="Take it off for Ann").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("button", name="Take it off for Ann")).to_be_enabled()
        assert len(crowd.plex.people["token-of-ann-0123456789"].rows) == 600

        page.get_by_role("button", name="Take it off for Ann").click()
        expect(page.get_by_role("button", name="Undo")).to_be_visible()
        page.goto(home)
        wait_until(lambda: "Title 002" not in crowd.titles("Ann"))
        page.goto(f"{home}/title/{2:024x}")
        expect(page.get_by_text("Ann wanted it until")).to_be_visible()
        assert len(crowd.plex.people["token-of-ann-0123456789"].rows) == 599


@pytest.mark.slow
def test_list_that_is_read_turns_into_posters_by_itself(browser: Browser, home: str, crowd: Household) -> None:
    crowd.add("Zoe", [row("fff", "Zoe's Own", thumb="https://image.tmdb.org/t/p/original/0001.jpg")])
    with visit(browser) as page:
        page.goto(f"{home}/?user={crowd.user('Zoe')['id']}")
        expect(page.get_by_role("heading", name="Reading Zoe’s list…")).to_be_visible()
        crowd.sync()
        expect(page.get_by_role("link", name="Zoe's Own")).to_be_visible()


@pytest.mark.slow
def test_forced_colours_show_what_is_chosen(browser: Browser, shared_home: str) -> None:
    with visit(browser, forced_colors="active") as page:
        page.goto(f"{shared_home}/?user=1&media_type=movie")
        colour = "element => getComputedStyle(element).backgroundColor"
        chosen = page.locator(".people input:checked + span").evaluate(colour)
        other = page.locator(".people input:not(:checked) + span").first.evaluate(colour)
        section = page.get_by_role("link", name="Wall", exact=True).evaluate(colour)
        assert chosen == section != other


@pytest.mark.slow
def test_paper_has_no_menu_forms_or_buttons(browser: Browser, shared_home: str) -> None:
    with visit(browser, color_scheme="dark") as page:
        page.goto(shared_home)
        page.emulate_media(media="print")
        for gone in (".top", "footer", ".filters", "button"):
            expect(page.locator(gone).first).to_be_hidden()
        expect(page.locator("#titles .name").first).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_phone(browser: Browser, shared_home: str, scheme: str) -> None:
    with visit(browser, **PHONE, color_scheme=scheme) as page:
        for path in ("/", "/#sheet", "/new", "/tonight", "/people", "/feeds", f"/title/{1:024x}"):
            page.goto(shared_home + path)
            assert faults_of_access(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") == 390, path
            assert page.evaluate(SMALL_TARGETS) == [], path


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_the_api_has_a_way_back_and_fits_a_phone(browser: Browser, household: Household, scheme: str) -> None:
    with gunicorn(settings_for(household)) as (_, address), visit(browser, **PHONE, color_scheme=scheme) as page:
        page.goto(f"{address}/docs")
        expect(page.locator("#swagger-ui .opblock").first).to_be_visible()
        assert page.evaluate("innerWidth") == 390
        page.evaluate(AXE)
        found = page.evaluate("async () => (await axe.run({ exclude: ['#swagger-ui'] })).violations")
        assert [each["id"] for each in found] == []
        page.get_by_role("link", name="Back to the wall").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in with Plex to begin")
