"""Which way requests to other hosts take: proxies, and the ways around them."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest import MonkeyPatch

from wishlist_service.plex_http import open_session

PROXY = "http://proxy.example:3128"
PLEX = "https://plex.tv/api/v2/user"
SERVER = "http://192.168.1.20:32400/library/sections"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "for_plex", "for_server"),
    [
        ({}, None, None),
        ({"HTTPS_PROXY": PROXY}, PROXY, None),
        ({"http_proxy": PROXY}, None, PROXY),
        ({"ALL_PROXY": "proxy.example:3128"}, PROXY, PROXY),
        ({"ALL_PROXY": PROXY, "HTTPS_PROXY": "http://other.example"}, "http://other.example", PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "*"}, None, None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": ".plex.tv"}, None, PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "example.org, plex.tv"}, None, PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "tv"}, None, PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "lex.tv"}, PROXY, PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "192.168.1.20"}, PROXY, None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "192.168.1.20:32400"}, PROXY, None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "192.168.1.20:80"}, PROXY, PROXY),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8, 192.168.0.0/16"}, PROXY, None),
        ({"ALL_PROXY": PROXY, "NO_PROXY": "nonsense/8,192.168.1.0/99,192.168.2.0/24"}, PROXY, PROXY),
        ({"ALL_PROXY": "", "NO_PROXY": ""}, None, None),
    ],
)
def test_proxy_of_the_environment(
    monkeypatch: MonkeyPatch, environment: dict[str, str], for_plex: str | None, for_server: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert find_proxy(PLEX) == for_plex
    assert find_proxy(SERVER) == for_server


def test_proxy_gets_its_own_account_and_the_whole_address(monkeypatch: MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Proxy-Authorization"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, args=(0.05,)).start()
    monkeypatch.setenv("http_proxy", f"http://ann%40home:p%3Aw@127.0.0.1:{server.server_port}")
    try:
        with Connections().request("GET", "http://plex.invalid/a?b=c", headers={}, timeout_seconds=5) as response:
            assert response.status == 204
    finally:
        server.shutdown()
        server.server_close()

    account = base64.b64encode(b"ann@home:p:w").decode()
    assert asked == [("http://plex.invalid/a?b=c", f"Basic {account}")]
