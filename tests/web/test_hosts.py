"""Without a key, only hosts are answered that no stranger's web page can own."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.clients import MakeClient
from tests.support.household import API_KEY
from tests.support.settings import faults

EVIL = "evil.example.com"
READS = ["/", "/api/wishlist", "/api/users", "/api/history", "/metrics", "/feeds/new.rss", "/people", "/activity"]
ALWAYS = ["/health", "/sign-in", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/static/style.css"]


def status(client: FlaskClient, host: str, path: str = "/api/wishlist", **more: Any) -> int:
    with client.get(path, headers={"Host": host} | more.pop("headers", {}), **more) as reply:
        return reply.status_code


@pytest.mark.parametrize(
    "host",
    [
        *("192.168.1.10", "192.168.1.10:8000", "127.0.0.1", "[::1]", "[2001:db8::1]:8000", "[::ffff:192.0.2.1]"),
        *("nas", "nas:8000", "NAS", "nas.", "localhost:8000", "my_nas", "disk-station"),
        *("nas.local", "NAS.Local.:8000", "nas.lan", "a.b.lan", "nas.home", "nas.home.arpa", "nas.internal"),
        *("nas.localdomain", "wishes.localhost", "nas.fritz.box", "nas.tail1234.ts.net"),
    ],
)
def test_host_of_a_home_network_is_answered(make_client: MakeClient, host: str) -> None:
    assert status(make_client(), host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *(EVIL, f"{EVIL}:8000", f"{EVIL}.", "192.168.1.10.evil.com", "evil.com", "nas.local.evil.com", "evillocal.com"),
        *("xlocal.xlan", "fritz.box.evil.com", "home.arpa.com", "1.2.3.4.5", "999.1.1.1", "xts.net"),
    ],
)
def test_host_of_a_stranger_is_refused_without_a_key(make_client: MakeClient, host: str) -> None:
    assert status(make_client(), host) == 421


@pytest.mark.parametrize("path", READS)
def test_every_read_of_names_and_titles_is_refused(make_client: MakeClient, path: str) -> None:
    client = make_client()

    assert status(client, EVIL, path) == 421
    assert status(client, EVIL, path, headers={"X-API-Key": "wrong-key-0123456789"}) == 421


@pytest.mark.parametrize("path", ALWAYS)
def test_what_shows_no_names_is_never_refused(make_client: MakeClient, path: str) -> None:
    assert status(make_client(), EVIL, path) == 200


def test_right_key_and_session_are_answered(make_client: MakeClient) -> None:
    client = make_client()
    assert status(client, EVIL, headers={"X-API-Key": API_KEY}) == 200
    assert status(client, EVIL, "/api/users", query_string={"apikey": API_KEY}) == 200

    headers = {"Host": EVIL, "Origin": f"http://{EVIL}"}
    signed_in = client.post("/sign-in", data={"key": API_KEY}, headers=headers, base_url=f"http://{EVIL}")

    assert signed_in.status_code == 303
    assert client.get("/", base_url=f"http://{EVIL}").status_code == 200


def test_request_without_a_host_is_answered(make_client: MakeClient) -> None:
    client = make_client()

    assert client.get("/api/wishlist", environ_overrides={"HTTP_HOST": ""}).status_code == 200


def test_host_of_the_public_address_is_answered(make_client: MakeClient) -> None:
    client = make_client(public_url="https://Wishes.Example.org:8443/x")

    assert status(client, "wishes.example.org") == 200
    assert status(client, "other.example.org") == 421


def test_allowed_hosts_are_answered(make_client: MakeClient) -> None:
    client = make_client(allowed_hosts=("nas.example.org", "*.example.net"))

    assert [status(client, host) for host in ("NAS.example.org.:80", "a.example.net", "a.b.example.net")] == [200] * 3
    assert [status(client, host) for host in ("example.net", "xexample.net", "b.nas.example.org")] == [421] * 3
    assert status(client, "192.168.1.10") == 200


def test_star_turns_the_rule_off(make_client: MakeClient) -> None:
    assert status(make_client(allowed_hosts=("*",)), EVIL) == 200


def test_behind_a_proxy_only_what_is_set_counts(make_client: MakeClient) -> None:
    assert status(make_client(trusted_proxies=1), EVIL) == 200
    assert status(make_client(trusted_proxies=1, allowed_hosts=("nas.example.org",)), EVIL) == 421


def test_with_a_reading_key_nothing_changes(make_client: MakeClient) -> None:
    client = make_client(read_api_key="test-read-key-0123456789")

    assert status(client, EVIL) == 401


def test_refusal_names_host_and_line_for_programs_and_for_people(make_client: MakeClient) -> None:
    client = make_client()

    program = client.get("/api/wishlist", headers={"Host": "Nas.Example.org:8000"})
    page = client.get("/", headers={"Host": "Nas.Example.org:8000"})

    assert program.mimetype == "application/problem+json"
    assert program.json["detail"].endswith("ALLOWED_HOSTS=nas.example.org")
    assert "the host nas.example.org." in program.json["detail"]
    assert page.mimetype == "text/html"
    assert "ALLOWED_HOSTS=nas.example.org" in page.text
    assert 'href="/sign-in"' in page.text
    assert program.headers["Cache-Control"] == page.headers["Cache-Control"] == "no-store"


def test_hostile_host_stays_text(make_client: MakeClient) -> None:
    page = make_client().get("/", headers={"Host": "<b>x</b>.example.org"})

    assert "<b>x" not in page.text


def test_log_has_one_line_an_hour_for_a_host_and_at_most_twenty(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client()
    for n in range(40):
        for _ in range(3):
            status(client, f"evil-{n}.example.com:{n}")

    lines = [record for record in caplog.records if record.message.startswith("host refused ")]
    assert [line.message.split()[2] for line in lines] == [f"host='evil-{n}.example.com'" for n in range(20)]
    assert {line.levelname for line in lines} == {"WARNING"}


@pytest.mark.parametrize("text", ["https://nas.example.org", "a/b", "*", "a.*.b", "ä.example.org", "nas..x", "[::1]"])
def test_allowed_hosts_are_names(text: str) -> None:
    assert [fault.split()[0] for fault in faults(ALLOWED_HOSTS=text)] == ([] if text == "*" else ["ALLOWED_HOSTS"])
