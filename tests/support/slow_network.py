"""What makes a page come slowly: a proxy that drips, a host of posters as large as real ones, and slow 4G."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Page

POSTER_BYTES = 34_000  # of a poster of 342 pixels
SLICE_BYTES = 700
SLICE_SECONDS = 0.02
# what the developer tools of Chromium call slow 4G
_SLOW_4G = {"offline": False, "latency": 562.5, "downloadThroughput": 188_744, "uploadThroughput": 86_400}
_DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" width="342" height="513"><rect width="342" height="513"/></svg>'


def slow_4g(page: Page) -> None:
    """Let the window load as over slow 4G."""
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", _SLOW_4G)


@contextmanager
def dripping(address: str) -> Iterator[str]:
    """The service through a proxy that sends pages in small parts, so that each of them is painted half finished."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = urllib.request.Request(address + handler.path, headers={"Cookie": handler.headers.get("Cookie", "")})
        with urllib.request.urlopen(asked, timeout=60) as reply:
            kind, body = reply.headers["Content-Type"], reply.read()
        _start(handler, kind, len(body))
        size = SLICE_BYTES if kind.startswith("text/html") else len(body)
        for start in range(0, len(body), size):
            handler.wfile.write(body[start : start + size])
            time.sleep(SLICE_SECONDS)

    with _serving(answer) as proxy:
        yield proxy


@contextmanager
def poster_host() -> Iterator[str]:
    """A host that answers each address with a poster of POSTER_BYTES."""
    drawing = _DRAWING.encode().ljust(POSTER_BYTES)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        _start(handler, "image/svg+xml", len(drawing))
        handler.wfile.write(drawing)

    with _serving(answer) as host:
        yield host


def _start(handler: BaseHTTPRequestHandler, kind: str, length: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


@contextmanager
def _serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(BrokenPipeError):  # the window was closed
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
