"""How requests travel: proxies, certificates, redirects, and what is kept between two of them."""

import base64
import gzip
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from pytest import LogCaptureFixture, MonkeyPatch

from tests.support.fake_plex import FakePlex, Handler
from tests.support.household import make_config
from tests.support.plex_faults import dripping, status
from wishlist_service.errors import PlexChanged, Unreachable
from wishlist_service.plex.http import PlexHttp

TOKEN = "token-of-the-test-0123456789"

PING = "/api/v2/ping"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def http() -> PlexHttp:
    return PlexHttp(make_config(), client_identifier="test-client", stop=threading.Event(), retry_seconds=0.01)


class Host:
    """A host that gives every request the answer 204, and notes what it is asked and who is connected."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.callers: list[tuple[str | None, int]] = []
        """The token and the connection of each request."""
        self.open: set[int] = set()
        self.changed = threading.Condition()
        host = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                host.connections(lambda: host.open.add(self.client_address[1]))

            def finish(self) -> None:
                super().finish()
                host.connections(lambda: host.open.discard(self.client_address[1]))

            def answer(self) -> None:
                host.asked.append((self.command, self.path, dict(self.headers)))
                host.callers.append((self.headers["X-Plex-Token"], self.client_address[1]))
                self.send_response(403 if self.command == "CONNECT" else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_CONNECT = answer  # noqa: N815

            def log_message(self, *_args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"

    def connections(self, change: Callable[[], None]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()

    def comes_to(self, number: int) -> bool:
        """Whether this many connections are open, or will be soon."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.open) == number, timeout=20)


@contextmanager
def running() -> Iterator[Host]:
    host = Host()
    threading.Thread(target=host.server.serve_forever, args=(0.02,), daemon=True).start()
    yield host
    host.server.shutdown()
    host.server.server_close()


@pytest.fixture
def proxy() -> Iterator[Host]:
    with running() as host:
        yield host


@pytest.fixture
def host() -> Iterator[Host]:
    with running() as host:
        yield host


@pytest.mark.parametrize(
    ("environment", "name", "proxied"),
    [
        ({}, "127.0.0.1", False),
        ({"HTTP_PROXY": "http://{proxy}"}, "127.0.0.1", True),
        ({"http_proxy": "http://{proxy}"}, "127.0.0.1", True),
        ({"HTTPS_PROXY": "http://{proxy}"}, "127.0.0.1", False),
        ({"ALL_PROXY": "{proxy}"}, "127.0.0.1", True),
        ({"ALL_PROXY": "", "NO_PROXY": ""}, "127.0.0.1", False),
        ({"ALL_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://{proxy}"}, "127.0.0.1", True),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "*"}, "127.0.0.1", False),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "127.0.0.1"}, "127.0.0.1", False),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "10.0.0.0/8, 127.0.0.0/8"}, "127.0.0.1", False),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "nonsense/8,127.0.0.0/99,10.0.0.0/8"}, "127.0.0.1", True),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "example.org, localhost"}, "localhost", False),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": ".localhost"}, "localhost", False),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "localhost:{port}"}, "localhost", False),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "localhost:9"}, "localhost", True),
        ({"ALL_PROXY": "{proxy}", "NO_PROXY": "lhost"}, "localhost", True),
    ],
)
def test_proxy_of_the_environment(
    monkeypatch: MonkeyPatch,
    http: PlexHttp,
    host: Host,
    proxy: Host,
    environment: dict[str, str],
    name: str,
    proxied: bool,
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value.format(proxy=proxy.address, port=host.server.server_port))

    http.get(f"http://{name}:{host.server.server_port}/a", TOKEN)

    assert (len(host.asked), len(proxy.asked)) == ((0, 1) if proxied else (1, 0))


def test_proxy_gets_its_own_account_and_the_whole_address(
    monkeypatch: MonkeyPatch, http: PlexHttp, proxy: Host
) -> None:
    monkeypatch.setenv("http_proxy", f"http://ann%40home:p%3Aw@{proxy.address}")

    http.get("http://plex.invalid/a", TOKEN, query={"b": "c d"})

    [(_method, path, headers)] = proxy.asked
    assert path == "http://plex.invalid/a?b=c+d"
    assert headers["Proxy-Authorization"] == f"Basic {base64.b64encode(b'ann@home:p:w').decode()}"


def test_proxy_of_a_secure_connection_sees_no_token(monkeypatch: MonkeyPatch, http: PlexHttp, proxy: Host) -> None:
    monkeypatch.setenv("https_proxy", f"http://ann:pw@{proxy.address}")

    with pytest.raises(Unreachable, match="connection failed"):
        http.get("https://plex.invalid/a", TOKEN, tries=1)

    [(method, path, headers)] = proxy.asked
    assert (method, path) == ("CONNECT", "plex.invalid:443")
    assert headers["Proxy-Authorization"] == f"Basic {base64.b64encode(b'ann:pw').decode()}"
    assert TOKEN not in str(headers)


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_missing_file_of_certificates_is_told(monkeypatch: MonkeyPatch, http: PlexHttp, variable: str) -> None:
    monkeypatch.setenv(variable, "/nowhere/certificates.pem")

    with pytest.raises(Unreachable, match="no certificates at the path in REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE"):
        http.get("https://127.0.0.1:9/", TOKEN)


def test_netrc_is_not_read(monkeypatch: MonkeyPatch, http: PlexHttp, host: Host, tmp_path: Path) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login ann password marked-password\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))

    http.get(f"http://{host.address}/", TOKEN)
    requests.get(f"http://{host.address}/", timeout=5)

    ours, plain = (headers for _method, _path, headers in host.asked)
    assert "Authorization" not in ours
    assert "Authorization" in plain  # so the file is one that would be read


def test_body_of_a_redirect_is_bounded_too(plex: FakePlex) -> None:
    def redirect(handler: Handler) -> None:
        dripping(handler, 302, f"{plex.url}/elsewhere")

    plex.routes["GET", PING] = redirect
    http = PlexHttp(make_config(plex_timeout_seconds=0.2), client_identifier="test-client", stop=threading.Event())

    with pytest.raises(Unreachable, match="timed out"):
        http.get(f"{plex.url}{PING}", TOKEN, tries=1)

    assert {asked.path for asked in plex.asked} == {PING}


def packed(body: bytes) -> Callable[[Handler], None]:
    """An answer with this body, packed by gzip."""
    return status(200, body=gzip.compress(body), kind="application/json", Content_Encoding="gzip")


def test_packed_body_is_unpacked(plex: FakePlex, http: PlexHttp) -> None:
    plex.routes["GET", PING] = packed(b'{"pong": "' + b"x" * 200_000 + b'"}')

    assert http.get(f"{plex.url}{PING}", TOKEN).decoded() == {"pong": "x" * 200_000}
    assert "gzip" in plex.asked[0].headers["Accept-Encoding"]


def test_packed_body_is_bounded_by_what_it_unpacks_to(plex: FakePlex, http: PlexHttp) -> None:
    plex.routes["GET", PING] = packed(bytes(30_000_000))

    with pytest.raises(PlexChanged, match="more than 2 MB"):
        http.get(f"{plex.url}{PING}", TOKEN, tries=1)


def test_error_tells_neither_address_nor_token(http: PlexHttp, caplog: LogCaptureFixture) -> None:
    address, query = "http://127.0.0.1:9/marked-path", {"marked-name": "marked-value"}

    with caplog.at_level("INFO"), pytest.raises(Unreachable) as caught:
        http.get(address, TOKEN, query=query)

    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "attempt=3" in told
    assert [mark for mark in ("marked", TOKEN) if mark in told] == []


def test_connection_is_kept_for_one_person_and_one_thread(http: PlexHttp, host: Host) -> None:
    def ask_twice_each() -> None:
        for token in ("ann", "ben") * 2:
            http.get(f"http://{host.address}/", token)

    for _ in range(2):
        thread = threading.Thread(target=ask_twice_each)
        thread.start()
        thread.join()

    assert [token for token, _ in host.callers] == ["ann", "ben"] * 4
    assert len(set(host.callers)) == 4  # of 8 requests
    assert len({connection for _, connection in host.callers}) == 4


def test_connections_of_many_people_and_of_ended_threads_are_closed(http: PlexHttp, host: Host) -> None:
    open_at_the_end: list[bool] = []

    def ask() -> None:
        for number in range(20):
            http.get(f"http://{host.address}/", f"person-{number}")
        open_at_the_end.append(host.comes_to(4))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()

    assert open_at_the_end == [True]
    assert len(host.callers) == 20
    assert host.comes_to(0)
