"""Clients that stop sending in the middle of a request do not keep the service from others."""

import socket

from conftest import API_KEY, Household
from processes import call, environment, free_port, gunicorn

HEADERS = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Half: "
BODY = (
    b"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
    + f"X-API-Key: {API_KEY}\r\n\r\n{{".encode()
)


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
