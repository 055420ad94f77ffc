"""Names and addresses: hosts of every kind, both kinds of IP, foreign headers, and requests that are too large."""

import json
import re
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.household import API_KEY, Household
from tests.support.processes import Program, gunicorn, program, settings_for, wait_until

READ_KEY = "test-read-key-0123456789"
HOSTS = {
    "plex_wishlist:8000": "plex_wishlist:8000",
    "my_nas": "my_nas",
    "my_nas:80": "my_nas",
    "xn--mnchen-3ya.lan:8000": "xn--mnchen-3ya.lan:8000",
    "münchen.lan": "xn--mnchen-3ya.lan",
    "[::1]:8000": "[::1]:8000",
    "192.168.1.20:8000": "192.168.1.20:8000",
}


@pytest.fixture(scope="module")
def no_ipv6(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PYTHONPATH. With it, Python finds a system without IPv6."""
    directory = tmp_path_factory.mktemp("no-ipv6")
    (directory / "sitecustomize.py").write_text(
        """
import socket
class NoIPv6(socket.socket):
    def __init__(self, family=-1, *args, **kwargs):
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        super().__init__(family, *args, **kwargs)
socket.socket = NoIPv6
"""
    )
    return directory


@pytest.fixture
def service(household: Household) -> Iterator[tuple[Program, int]]:
    """The API under gunicorn with a READ_API_KEY, and its port."""
    env = settings_for(household, READ_API_KEY=READ_KEY, CORS_ORIGINS="*")
    household.sync()
    with gunicorn(env) as (running, _):
        yield running, int(env["PORT"])


def send(port: int, path: str, method: str = "GET", *, to: str = "127.0.0.1", body: str = "", **headers: str) -> Any:
    """Status, headers and text of the reply. Names of headers have _ in place of -."""
    connection = HTTPConnection(to, port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": "nas", "Content-Length": str(len(body))} | headers).items():
        connection.putheader(name.replace("_", "-"), value.encode())
    connection.endheaders(body.encode())
    reply: HTTPResponse = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, reply.headers, text


@pytest.mark.parametrize("host", HOSTS)
def test_links_feeds_and_signing_in_work_under_every_kind_of_name(make_client: MakeClient, host: str) -> None:
    client = make_client(allowed_hosts=("*",))
    named = HOSTS[host]
    sent = {"HTTP_HOST": host.encode().decode("latin-1")}

    feed = client.get("/feeds", environ_overrides=sent)
    form = client.post(
        "/sign-in",
        data=urlencode({"key": API_KEY, "next": "/"}),
        content_type="application/x-www-form-urlencoded",
        headers={"Origin": f"http://{named}"},
        environ_overrides=sent,
    )

    assert f"http://{named}/" in feed.text
    assert (form.status_code, form.location) == (303, "/")


@pytest.mark.slow
@pytest.mark.parametrize("host", HOSTS)
def test_feed_names_itself_as_it_was_asked_for(service: tuple[Program, int], household: Household, host: str) -> None:
    household.conn.execute("UPDATE plex_users SET last_success_at = now()")
    household.add("Ann")
    household.sync()

    status, _, text = send(service[1], "/feeds/new.json", Host=host, X_API_Key=READ_KEY)

    assert status == 200, text
    assert json.loads(text)["home_page_url"] == f"http://{HOSTS[host]}/"
    assert json.loads(text)["feed_url"] == f"http://{HOSTS[host]}/feeds/new.json"


def test_form_behind_a_proxy_that_rewrites_the_host_says_what_to_set(client: FlaskClient) -> None:
    reply = client.post(
        "/sign-in",
        data={"key": API_KEY},
        headers={"Origin": "http://wishes.example.org", "Host": "127.0.0.1:8000"},
    )

    assert reply.status_code == 403
    for part in ("http://wishes.example.org", "127.0.0.1:8000", "PUBLIC_URL", "Host header"):
        assert part in reply.text


def test_public_url_makes_forms_and_links_work_behind_such_a_proxy(make_client: MakeClient) -> None:
    client = make_client(public_url="https://wishes.example.org/w", url_base="/w")

    form = client.post(
        "/w/sign-in",
        data={"key": API_KEY, "next": "/"},
        headers={"Origin": "https://wishes.example.org", "Host": "127.0.0.1:8000"},
    )
    feeds = client.get("/w/feeds", headers={"Host": "127.0.0.1:8000"})

    assert form.status_code == 303
    assert "https://wishes.example.org/w/" in feeds.text
    assert "127.0.0.1" not in feeds.text


@pytest.mark.parametrize("path", ["/people", "/activity", "/feeds", "/sign-in", "/title/" + "0" * 24])
def test_page_with_a_slash_at_its_end_is_the_same(client: FlaskClient, path: str) -> None:
    without, with_slash = client.get(path), client.get(f"{path}/")

    assert with_slash.status_code == without.status_code
    assert with_slash.text == without.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "authorization", ["Basic YW5uOnNlY3JldA==", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.x", "Digest username=ann", "Bearer"]
)
@pytest.mark.parametrize("how", ["address", "header"])
def test_authorization_of_a_proxy_does_not_shadow_a_right_key_nor_count(
    service: tuple[Program, int], authorization: str, how: str
) -> None:
    path = f"/api/users?apikey={READ_KEY}" if how == "address" else "/api/users"
    key = {"X_API_Key": READ_KEY} if how == "header" else {}

    # more often than wrong keys are allowed, and different each time
    statuses = {send(service[1], path, Authorization=f"{authorization}{n}", **key)[0] for n in range(15)}

    assert statuses == {200}
    assert "wrong key" not in service[0].output
    assert send(service[1], "/api/users", Authorization=f"Bearer {API_KEY}")[0] == 200
    assert send(service[1], "/api/users", Authorization=f"Bearer {API_KEY}x")[0] == 401


@pytest.mark.slow
def test_one_socket_takes_both_kinds_of_address_and_names_clients_plainly(service: tuple[Program, int]) -> None:
    running, port = service
    for to in ("127.0.0.1", "::1"):
        assert send(port, "/health", to=to)[0] == 200
        assert send(port, "/api/users", to=to, X_API_Key="a-wrong-key-0123456789")[0] == 401
        assert send(port, "/", to=to, Transfer_Encoding="nonsense")[0] in (400, 501)

    running.wait_for("wrong key", count=2)
    running.wait_for("request refused", count=2)
    assert {*re.findall(r"address=(\S+)", running.output)} == {"127.0.0.1", "::1"}


@pytest.mark.slow
def test_mapped_address_that_a_proxy_names_is_shown_plainly(household: Household) -> None:
    with gunicorn(settings_for(household, TRUSTED_PROXIES="1")) as (running, address):
        port = int(address.rpartition(":")[2])
        send(port, "/api/users", "POST", X_API_Key="a-wrong-key-0123456789", X_Forwarded_For="::ffff:203.0.113.9")
        running.wait_for("wrong key")

    assert "address=203.0.113.9 " in running.output


@pytest.mark.slow
def test_without_ipv6_it_listens_on_ipv4_alone(household: Household, no_ipv6: Path) -> None:
    env = settings_for(household)
    env["PYTHONPATH"] += f":{no_ipv6}"
    with gunicorn(env) as (running, _), pytest.raises(OSError):
        socket.create_connection(("::1", int(env["PORT"])), 5)

    assert "ERROR" not in running.output


@pytest.mark.slow
def test_port_that_only_ipv4_uses_is_taken(household: Household, tmp_path: Path) -> None:
    env = settings_for(household)
    with (
        program("-m", "http.server", env["PORT"], "--bind", "0.0.0.0", env=env) as other,
        program("-m", "wishlist_service", env=env, cwd=tmp_path) as run,
    ):
        wait_until(lambda: _listens(int(env["PORT"])) or other.process.poll() is not None)
        status = run.exit_status()

    assert status == 1
    assert f"Port {env['PORT']} cannot be used" in run.output


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "headers", "status", "says"),
    [
        ("/health", {"Cookie": "a=" + "x" * 9000}, 431, "headers of the request are too large"),
        ("/health", {f"X_Header_{n}": "x" for n in range(120)}, 431, "headers of the request are too large"),
        ("/health?" + "x" * 9000, {}, 414, "address of the request is too long"),
    ],
)
def test_request_that_is_too_large_is_told_so(
    service: tuple[Program, int], path: str, headers: dict[str, str], status: int, says: str
) -> None:
    found, _, text = send(service[1], path, **headers)

    assert found == status
    assert says in json.loads(text)["detail"]
