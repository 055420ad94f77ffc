"""A real Chromium, without a window: what a person sees and does."""

import os
import re
import shutil
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

UNPACKED = Path(sys.prefix, "chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 30_000  # milliseconds, on a machine that is busy with other tests
POSTERS = re.compile(r"https://(image\.example\.test|image\.tmdb\.org|images\.plex\.tv)/")
# grey; many drawings would keep the browser busy for seconds
POSTER = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAAAAACcgYFdAAAADUlEQVR4nGNISGAAIwAKKQJB0NthUAAAAABJRU5ErkJggg==")
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, with a profile of its own that goes with it."""
    with (
        tempfile.TemporaryDirectory(prefix="wishlist-chromium-", ignore_cleanup_errors=True) as left,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            args=FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],  # people have it
            env=environment() | {"TMPDIR": left},  # it leaves files there
        )
        try:
            yield browser
        finally:
            browser.close()


def find_chromium() -> str:
    """The system's Chromium, or the one `make test` unpacks into the virtual environment."""
    found = shutil.which("chromium", path=os.pathsep.join([os.environ["PATH"], f"{UNPACKED}/usr/lib/chromium"]))
    if found is None:
        pytest.fail("There is no Chromium. `make test` fetches it; or, on Debian and Ubuntu: apt install chromium")
    return found


def environment() -> dict[str, str | float | bool]:
    """Lets the unpacked Chromium find the libraries and fonts unpacked with it."""
    libraries = {str(library.parent) for library in UNPACKED.rglob("lib*.so*")}
    ours: dict[str, str | float | bool] = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(sorted(libraries))}
    if (UNPACKED / "etc/fonts/fonts.conf").exists():  # it was missing, then
        ours["FONTCONFIG_SYSROOT"] = str(UNPACKED)
    return ours


@contextmanager
def visit(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of somebody who was never here. Posters are one colour; any other host, or fault of a script, fails."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
    context.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    faults = watch(context)
    context.route(POSTERS, paint_poster)
    try:
        yield context.new_page()
        assert faults == [], faults
    finally:
        context.close()


def watch(context: BrowserContext) -> list[str]:
    """What goes wrong in the pages of a context, as it happens."""
    faults: list[str] = []

    def see_request(url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "http://localhost:", "data:")) and not POSTERS.match(url):
            faults.append(f"asked another host: {url}")

    context.on("request", lambda request: see_request(request.url))
    context.on("weberror", lambda error: faults.append(f"script: {error.error}"))
    context.on("console", lambda message: _see_message(message.type, message.text, faults))
    return faults


def _see_message(kind: str, text: str, faults: list[str]) -> None:
    if kind == "error" and "Failed to load resource" not in text:
        faults.append(f"console: {text}")


def paint_poster(route: Route) -> None:
    """Answer for the hosts of posters; one whose name begins with dead has none."""
    if unquote(route.request.url).rpartition("/")[2].startswith("dead"):
        route.fulfill(status=404)
        return
    route.fulfill(body=POSTER, content_type="image/png")


def resize(page: Page, width: int, height: int) -> None:
    """Give the window another size, and wait until the page has it."""
    page.wait_for_load_state()  # a click waits only until the next page begins
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("width => innerWidth === width", arg=width)


def faults_of_access(page: Page) -> list[str]:
    """What axe-core finds on the page: rule and place."""
    page.wait_for_load_state()  # a click waits only until the next page begins
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # the whole report, with all that is right, takes three times as long
    options = {"runOnly": WCAG, "resultTypes": ["violations"]}
    found = page.evaluate("async options => (await axe.run(options)).violations", options)
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]
