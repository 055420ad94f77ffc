"""Clients that stop sending in the middle, drip, or speak no HTTP: the service stays there for others."""

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.household import API_KEY, Household
from tests.support.processes import CHECKOUT, call, environment, free_port, gunicorn

HEADERS = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half: "
BODY = (
    b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
    + f"X-API-Key: {API_KEY}\r\n\r\n{{".encode()
)


@pytest.mark.slow
def test_clients_that_stop_in_the_middle_are_let_go(household: Household) -> None:
    env = environment(household.config.database_url, PORT=str(free_port()), WEB_WORKERS="1", WEB_THREADS="1")
    with gunicorn(env) as (api, address):
        slow = [socket.create_connection(("127.0.0.1", int(env["PORT"]))) for _ in range(4)]
        for number, client in enumerate(slow):
            client.sendall(HEADERS if number % 2 else BODY)

        status, _ = call("GET", f"{address}/api/users")  # behind more of them than there are threads

        for client in slow:
            client.close()
        api.end()

    assert status == 200
    assert "client sent nothing for 10 s in the middle of a request" in api.output
    assert "Traceback" not in api.output


@pytest.mark.slow
def test_clients_that_never_come_to_an_end_are_let_go(household: Household, tmp_path: Path) -> None:
    sooner = "from wishlist_service.web import worker\nworker.REQUEST_SECONDS = 2\n"
    configuration = (CHECKOUT / "gunicorn.conf.py").read_text() + sooner
    (tmp_path / "gunicorn.conf.py").write_text(configuration)
    env = environment(household.config.database_url, PORT=str(free_port()), WEB_WORKERS="1", WEB_THREADS="1")
    stop = threading.Event()

    def drip(client: socket.socket) -> None:
        client.sendall(HEADERS)
        with suppress(OSError):
            while not stop.wait(0.2):
                client.sendall(b"x")

    with gunicorn(env, configuration=tmp_path / "gunicorn.conf.py") as (api, address):
        clients = [socket.create_connection(("127.0.0.1", int(env["PORT"]))) for _ in range(4)]
        threads = [threading.Thread(target=drip, args=[client]) for client in clients]
        for thread in threads:
            thread.start()

        status, _ = call("GET", f"{address}/api/users")

        stop.set()
        for thread, client in zip(threads, clients, strict=True):
            thread.join()
            client.close()
        assert api.end() == 0

    assert status == 200
    assert "Traceback" not in api.output


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"GET /api/wishlist?apikey={API_KEY}&search=Amélie HTTP/1.1", 400),
        (f"GET api/wishlist?apikey={API_KEY} HTTP/1.1", 400),
        (f"GET http://[bad/?apikey={API_KEY} HTTP/1.1", 400),
        (f"GET / HTTP/1.1\r\nX-API-Key {API_KEY}", 400),
        (f"GET /?apikey={API_KEY}{'x' * 9000} HTTP/1.1", 414),
        (f"GET / HTTP/1.1\r\nX-API-Key: {API_KEY}{'x' * 9000}", 431),
    ],
)
def test_what_is_no_http_is_refused_without_quoting_it(household: Household, line: str, expected: int) -> None:
    env = environment(household.config.database_url, PORT=str(free_port()), LOG_LEVEL="DEBUG")
    with gunicorn(env) as (api, _address):
        with socket.create_connection(("127.0.0.1", int(env["PORT"]))) as client:
            client.sendall(f"{line}\r\nHost: x\r\n\r\n".encode())
            reply = b"".join(iter(lambda: client.recv(4096), b"")).decode()
        api.end()

    head, _, body = reply.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {expected} ")
    assert "Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == expected
    assert "request refused address=127.0.0.1" in api.output
    assert API_KEY not in reply + api.output
