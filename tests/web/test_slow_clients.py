"""Clients that send nothing, send byte by byte or read nothing: they delay no one, and are let go in time."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.processes import CHECKOUT, Program, call, gunicorn, request, settings_for, wait_until
from tests.support.titles import fill

pytestmark = pytest.mark.slow

HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half: "
BODY = (
    b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 60000\r\n\r\nkey="
)
WHOLE = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
DOWNLOAD = b"GET /export/wishlist.json HTTP/1.1\r\nHost: x\r\n\r\n"


class Clients:
    """Connections to the service. Those that drip send one byte now and then."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.all: list[socket.socket] = []
        self._dripping: list[socket.socket] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drip)

    def __enter__(self) -> "Clients":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for client in self.all:
            client.close()

    def connect(self, sent: bytes = b"", *, drips: bool = False, buffer: int = 0) -> socket.socket:
        """A connection on which this was sent."""
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.connect(("127.0.0.1", self.port))
        client.sendall(sent)
        self.all.append(client)
        if drips:
            self._dripping.append(client)
        return client

    def _drip(self) -> None:
        while not self._stop.wait(0.3):
            for client in self._dripping.copy():
                with suppress(OSError):
                    client.sendall(b"x")


def is_cut(client: socket.socket) -> bool:
    """Whether the service has ended this connection."""
    try:
        return client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def has_bytes(client: socket.socket) -> bool:
    """Whether something was received that was not read yet."""
    with suppress(OSError):
        return bool(client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
    return False


@contextmanager
def impatient(household: Household, tmp_path: Path, **seconds: float) -> Iterator[tuple[Program, str, Clients]]:
    """The API with shorter deadlines, and clients of it."""
    sooner = "".join(f"worker.{name} = {value}\n" for name, value in seconds.items())
    configuration = (CHECKOUT / "gunicorn.conf.py").read_text()
    (tmp_path / "gunicorn.conf.py").write_text(f"{configuration}\nfrom wishlist_service.web import worker\n{sooner}")
    env = settings_for(household, WEB_THREADS="1")
    running = gunicorn(env, configuration=tmp_path / "gunicorn.conf.py")
    with running as (api, address), Clients(int(env["PORT"])) as clients:
        yield api, address, clients


def test_hundreds_of_slow_clients_delay_no_one(household: Household) -> None:
    fill(household.conn, 5000)
    household.add("Ben", [row("ffff", "Alpha")])
    household.sync()
    env = settings_for(household)

    with gunicorn(env) as (api, address), Clients(int(env["PORT"])) as clients:
        slow = [clients.connect() for _ in range(500)]
        slow += [clients.connect(HEAD if number % 2 else BODY, drips=True) for number in range(100)]
        unread = [clients.connect(DOWNLOAD * 3, buffer=4096) for _ in range(100)]

        statuses = [
            request("GET", f"{address}{path}").status
            for path in ("/health", "/api/wishlist", "/", "/export/wishlist.csv", "/health")
        ]
        synced = call("POST", f"{address}/api/sync?wait=50")

        # so all of these were answered before any of the others was let go, which takes 10 s
        cut = [client for client in (*slow, *unread) if is_cut(client)]
        assert api.end() == 0

    assert statuses == [200] * 5
    assert synced[0] == 200
    assert cut == []
    assert "Traceback" not in api.output


def test_each_deadline_is_kept(household: Household, tmp_path: Path) -> None:
    with impatient(household, tmp_path, FIRST_BYTE_SECONDS=1, HEAD_SECONDS=4, BODY_SECONDS=8) as (api, _, clients):
        idle = clients.connect()
        stopped, dripped = clients.connect(HEAD), clients.connect(HEAD, drips=True)
        half, dripped_body = clients.connect(BODY), clients.connect(BODY, drips=True)
        again, kept = clients.connect(WHOLE), clients.connect(WHOLE)
        wait_until(lambda: has_bytes(again))
        again.recv(4096)
        again.sendall(HEAD)

        order: list[list[bool]] = []
        for group in ([idle], [stopped, dripped, again], [half, dripped_body]):
            wait_until(lambda group=group: all(map(is_cut, group)))
            order.append([is_cut(client) for client in (idle, dripped, dripped_body)])
        reply = kept.recv(4096)
        kept.sendall(WHOLE)

        assert order == [[True, False, False], [True, True, False], [True, True, True]]
        assert reply.startswith(b"HTTP/1.1 200 OK")
        assert kept.recv(4096).startswith(b"HTTP/1.1 200 OK")  # it stays open after a reply
        assert api.end() == 0
        assert "Traceback" not in api.output


def test_client_that_reads_nothing_is_let_go_and_a_slow_reader_is_not(household: Household, tmp_path: Path) -> None:
    fill(household.conn, 5000)
    read = 0

    with impatient(household, tmp_path, REPLY_SECONDS=7) as (api, _, clients):
        slow, silent = clients.connect(DOWNLOAD, buffer=4096), clients.connect(DOWNLOAD)
        files = clients.connect(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n", buffer=4096)
        for _ in range(24):  # three times as long, at 1 kB/s
            read += len(slow.recv(1000))
            time.sleep(1)
        api.wait_for("client took nothing of its reply for 7 s", count=2)
        slow.settimeout(60)
        while part := slow.recv(100_000):
            read += len(part)
            if part.endswith(b"0\r\n\r\n"):
                break
        for client in (silent, files):
            with suppress(OSError):
                while client.recv(1_000_000):
                    pass
        status, _ = call("GET", f"http://127.0.0.1:{clients.port}/health")
        api.end()

    assert status == 200
    assert read > 1_000_000
    assert api.output.count("client took nothing") == 2
    assert "Traceback" not in api.output


def test_no_line_holds_what_a_broken_request_sent(household: Household) -> None:
    env = settings_for(household, LOG_LEVEL="DEBUG")
    with gunicorn(env) as (api, address), Clients(int(env["PORT"])) as clients:
        clients.connect(f"GET /api/users HTTP/1.1\r\nX-API-Key: {API_KEY}\r\nX-Half: ".encode()).close()
        body = f"POST /sign-in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{len(API_KEY):x}\r\n{API_KEY}"
        clients.connect(body.encode()).close()
        assert request("GET", f"{address}/health").status == 200
        api.end()

    assert API_KEY not in api.output
