"""The database goes away in the middle of a download: the part sent never passes for the whole."""

import socket
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from psycopg import connect

from tests.support.household import Household
from tests.support.own_server import Look, OwnServer, own_server
from tests.support.processes import gunicorn, settings_for
from tests.support.titles import fill
from wishlist_service.errors import BrokenTransfer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture
def database_url(server: OwnServer) -> str:
    return server.new_database()


@pytest.fixture
def conn(database_url: str) -> Look:
    return Look(database_url)


# to a client of HTTP/1.0, as many proxies are, an ordinary end of the connection is the end of the reply
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("name", ["wishlist.csv", "wishlist.json"])
def test_download_breaks_visibly(household: Household, server: OwnServer, version: str, name: str) -> None:
    with connect(household.config.database_url, autocommit=True) as filling:
        fill(filling, 40_000)
    env = settings_for(household, WEB_WORKERS="1")

    with gunicorn(env) as (api, _), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)  # so that most is yet to be made
        client.connect(("127.0.0.1", int(env["PORT"])))
        client.sendall(f"GET /export/{name} HTTP/{version}\r\nHost: nas\r\n\r\n".encode())
        begun = client.recv(1000)
        server.kill()
        with pytest.raises(ConnectionResetError):
            while client.recv(1_000_000):
                pass
        api.wait_for(f"download broke off, the database is away file={name}")
        server.start()

    assert b" 200 OK" in begun
    assert "Traceback" not in api.output


def test_any_other_error_breaks_it_too(client: FlaskClient, household: Household) -> None:
    fill(household.conn, 2000)
    chunks = client.get("/export/wishlist.json", buffered=False).iter_encoded()
    begun = next(chunks)
    household.conn.execute("ALTER TABLE wishlist_items RENAME TO wishlist_items_elsewhere")

    with pytest.raises(BrokenTransfer):
        for _ in chunks:
            pass

    assert begun.startswith(b'{"items":[')
