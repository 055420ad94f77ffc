"""`make screenshots`: every page of the demo as PNGs, and the one of the wall that the README shows."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.support.browser import chromium, visit

CHECKOUT = Path(__file__).parent.parent.parent
PICTURES = CHECKOUT / "screenshots"
IN_README = CHECKOUT / "docs/wall.png"
WIDTHS = (390, 1440)
SCHEMES = ("dark", "light")
PORT = 8123
START_SECONDS = 120


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with demo() as key, chromium() as browser:
        for scheme in SCHEMES:
            for width in WIDTHS:
                take_all(browser, key, scheme, width)
        with visit(browser, color_scheme="dark", viewport={"width": 1200, "height": 925}) as page:
            go(page, "/")
            page.screenshot(path=IN_README)
    print(f"Pictures of the pages are in {PICTURES.name}/, and {IN_README.relative_to(CHECKOUT)} is new.")


def take_all(browser: Browser, key: str, scheme: str, width: int) -> None:
    """Every page as somebody with the key sees it, whole."""
    with visit(browser, color_scheme=scheme, viewport={"width": width, "height": 900}) as page:
        go(page, "/sign-in")
        take(page, "sign-in", scheme, width)
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Sign in", exact=True).click()
        links = page.get_by_role("navigation", name="Pages").get_by_role("link").all()
        pages = {link.inner_text().lower(): link.get_attribute("href") or "" for link in links}
        title = page.locator("#titles a").last.get_attribute("href") or ""
        for name, path in (pages | {"title": title, "watchlists": f"{title}/watchlists"}).items():
            go(page, path)
            take(page, name, scheme, width)


def go(page: Page, path: str) -> None:
    page.goto(f"http://127.0.0.1:{PORT}{path}", wait_until="networkidle")


def take(page: Page, name: str, scheme: str, width: int) -> None:
    page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)


@contextmanager
def demo() -> Iterator[str]:
    """`make demo`; gives its API_KEY."""
    running = subprocess.Popen(
        [sys.executable, "-m", "wishlist_service", "demo"],
        cwd=CHECKOUT,
        env=os.environ | {"PORT": str(PORT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        told = next((found for line in running.stdout if (found := re.search(r"with the key (\w+)", line))), None)
        if told is None:
            sys.exit("The demo did not start; the lines above say why.")
        wait_for_library()
        yield told[1]
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(30)


def wait_for_library() -> None:
    """Wait until the scheduler has looked through the libraries."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/wishlist?limit=100", timeout=10) as reply:
            items = json.load(reply)["items"]
        if all(item["available"] is not None for item in items):
            return
        time.sleep(0.5)
    sys.exit("The demo did not look through the libraries in time.")


if __name__ == "__main__":
    main()
