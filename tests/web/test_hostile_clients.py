"""What a hostile or broken client may send, and what every reply tells a browser."""

import json
import socket
from dataclasses import replace
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.support.household import API_KEY, Household
from tests.support.processes import environment, free_port, gunicorn
from wishlist_service.app import close_app, create_app, open_app

EVERY = [
    "/api/wishlist",
    "/api/users",
    "/health",
    "/docs",
    "/docs/swagger-ui.css",
    "/openapi.json",
    "/nothing",
    "/metrics",
    "/",
    "/sign-in",
    "/static/style.css",
]


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "Ann", "name": "Ben", "token": "x"}',
        '{"name": NaN}',
        '{"name": Infinity}',
        '{"name": -Infinity}',
        '{"name": ' + "9" * 5000 + "}",
        '{"name": ' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"name": "Ann"} {"name": "Ben"}',
        "\x00",
        '{"name": "\x00"}',
        "{'name': 'Ann'}",
    ],
)
def test_body_that_is_not_quite_json_is_refused(api: FlaskClient, body: str) -> None:
    reply = api.post("/api/users", data=body.encode(), content_type="application/json")

    assert reply.status_code == 400
    assert reply.json["detail"] == "The body is not valid JSON."


@pytest.mark.parametrize("name", ["9" * 400, 1e308, [], {}, None, True, "\ud800", "a\x00b", "\x1b[31m"])
def test_name_that_is_none_is_refused_with_its_field(api: FlaskClient, name: object) -> None:
    body = json.dumps({"name": name, "token": "token-0123456789abcdef"})

    reply = api.post("/api/users", data=body, content_type="application/json")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == ["name"]


def test_body_that_is_not_utf8_is_refused(api: FlaskClient) -> None:
    assert api.post("/api/users", data=b'{"name": "\xff"}', content_type="application/json").status_code == 400


@pytest.mark.parametrize("text", ["\x00", "\ud800", "\u202e\u200b", "%", "_", "\\", "'; DROP TABLE plex_users; --"])
@pytest.mark.parametrize(
    "where", ["/api/wishlist?search={}", "/api/wishlist?sort={}", "/api/users/{}", "/{}", "/docs/{}"]
)
def test_odd_text_in_an_address_never_breaks_anything(client: FlaskClient, where: str, text: str) -> None:
    reply = client.get(where.format(quote(text, safe="", errors="surrogatepass")))

    assert reply.status_code in (200, 404, 422)
    assert client.get("/api/users").status_code == 200


@pytest.mark.parametrize("name", ["..%2f..%2f__init__.py", "%2e%2e/__init__.py", "../../openapi.json", "%00", "."])
def test_docs_serve_nothing_but_their_own_files(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404


@pytest.mark.parametrize("path", EVERY)
def test_every_reply_says_how_a_browser_shall_treat_it(client: FlaskClient, path: str) -> None:
    with client.get(path) as reply:
        headers = reply.headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == ("same-origin" if path in ("/", "/sign-in") else "no-referrer")
    assert "no-cache" in headers["Cache-Control"]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_pages_load_images_from_hosts_of_plex_and_from_here_alone(household: Household) -> None:
    app = create_app(replace(household.config, plex_images_url="http://127.0.0.1:6789/x"))
    open_app(app)

    policy = app.test_client().get("/sign-in").headers["Content-Security-Policy"]
    close_app(app)

    [images] = [part.split() for part in policy.split("; ") if part.startswith("img-src ")]
    hosts = (
        "image.tmdb.org",
        "metadata-static.plex.tv",
        "assets.fanart.tv",
        "artworks.thetvdb.com",
        "vod-static.plex.tv",
    )
    assert images == ["img-src", "'self'", "data:", *(f"https://{host}" for host in hosts), "http://127.0.0.1:6789"]


def strict_transport(client: FlaskClient, host: str, *, scheme: str = "https") -> str | None:
    reply = client.get("/health", base_url=f"{scheme}://nas", headers={"Host": host})
    return reply.headers.get("Strict-Transport-Security")


def test_host_name_of_its_own_is_bound_to_tls(client: FlaskClient) -> None:
    assert strict_transport(client, "wishes.example.org") == "max-age=2592000"


@pytest.mark.parametrize("host", ["nas.example.org:8443", "192.168.1.10", "[::1]", "[2001:db8::1]:443", ""])
def test_host_that_other_programs_share_is_not_bound_to_tls(client: FlaskClient, host: str) -> None:
    assert strict_transport(client, host) is None


def test_plain_http_and_a_path_on_a_shared_host_are_not_bound_to_tls(household: Household) -> None:
    app = create_app(replace(household.config, url_base="/wishes"))
    open_app(app)

    assert strict_transport(app.test_client(), "wishes.example.org") is None
    assert strict_transport(app.test_client(), "wishes.example.org", scheme="http") is None
    close_app(app)


def test_empty_host_is_no_origin(client: FlaskClient) -> None:
    form = {"data": {"key": API_KEY}, "environ_overrides": {"HTTP_HOST": ""}}

    assert client.post("/sign-in", **form).status_code == 403
    assert client.post("/sign-in", **form, headers={"Origin": ""}).status_code == 403
    assert client.post("/sign-in", **form, headers={"Origin": "null"}).status_code == 403


def test_page_of_the_docs_runs_no_script_but_its_own_files(client: FlaskClient) -> None:
    page = client.get("/docs")

    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    assert "<script>" not in page.text
    assert "script-src" not in client.get("/api/users").headers["Content-Security-Policy"]


@pytest.mark.slow
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
