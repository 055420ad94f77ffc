"""CORS_ORIGINS: pages of other sites may read in a browser, with a key, and nothing more."""

import pytest

from tests.support.clients import MakeClient
from tests.support.household import API_KEY
from tests.support.settings import config, faults

DASH = "https://dash.example.org"
READ_KEY = "test-read-key-0123456789"
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-api-key"}


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        (f"{DASH} http://nas:3000", (DASH, "http://nas:3000")),
        (f"{DASH},http://nas:3000, ", (DASH, "http://nas:3000")),
        ("https://Dash.example.org:443/", (DASH,)),
        ("http://nas:80 http://[fd00::1]:3000", ("http://nas", "http://[fd00::1]:3000")),
        ("app://obsidian.md", ("app://obsidian.md",)),
    ],
)
def test_origins_stand_between_spaces_or_commas(text: str, origins: tuple[str, ...]) -> None:
    assert config(CORS_ORIGINS=text).cors_origins == origins


@pytest.mark.parametrize("text", ["dash.example.org", f"{DASH}/path", f"{DASH} nas", "https://*.example.org", "null"])
def test_other_words_are_refused(text: str) -> None:
    [told] = faults(CORS_ORIGINS=text)

    assert told == f"CORS_ORIGINS must hold origins like {DASH}, without a path, or *, not {text!r}"


def test_without_the_setting_no_reply_has_the_headers(make_client: MakeClient) -> None:
    reply = make_client().get("/api/wishlist", headers={"Origin": DASH})

    assert reply.status_code == 200
    assert "Origin" not in reply.headers.get("Vary", "")
    assert not [name for name, _ in reply.headers if name.startswith("Access-Control-")]


@pytest.mark.parametrize("allowed", [DASH, "*"])
@pytest.mark.parametrize("path", ["/api/wishlist", "/health", "/metrics", "/arr/radarr.json", "/api/summary"])
def test_page_of_an_allowed_site_may_read(make_client: MakeClient, path: str, allowed: str) -> None:
    client = make_client(cors_origins=(allowed, "https://other.example.org"))

    for method in ("GET", "HEAD"):
        reply = client.open(path, method=method, headers={"Origin": DASH})

        assert reply.headers["Access-Control-Allow-Origin"] == allowed
        assert "Origin" in reply.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert "ETag" in reply.headers["Access-Control-Expose-Headers"]


def test_reply_that_says_unchanged_may_be_read(make_client: MakeClient) -> None:
    client = make_client(cors_origins=(DASH,))
    etag = client.get("/api/wishlist").headers["ETag"]

    reply = client.get("/api/wishlist", headers={"Origin": DASH, "If-None-Match": etag})

    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (304, DASH)


@pytest.mark.parametrize(
    ("path", "status"), [("/api/nothing", 404), ("/api/wishlist?year=x", 422), ("/api/users", 401), ("/nothing", 404)]
)
def test_errors_may_be_read(make_client: MakeClient, path: str, status: int) -> None:
    client = make_client(cors_origins=(DASH,), read_api_key=READ_KEY)
    key = {} if status == 401 else {"X-API-Key": READ_KEY}

    reply = client.get(path, headers={"Origin": DASH} | key)

    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (status, DASH)


@pytest.mark.parametrize("origin", ["https://evil.test", "http://dash.example.org", f"{DASH}:8443", "null", ""])
def test_other_sites_may_not_read_but_their_replies_vary(make_client: MakeClient, origin: str) -> None:
    reply = make_client(cors_origins=(DASH,)).get("/api/wishlist", headers={"Origin": origin} if origin else {})

    assert "Access-Control-Allow-Origin" not in reply.headers
    assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize("path", ["/api/wishlist", "/api/users/1", "/api/nothing"])
def test_preflight_needs_no_key(make_client: MakeClient, path: str) -> None:
    client = make_client(cors_origins=(DASH,), read_api_key=READ_KEY)

    reply = client.options(path, headers={"Origin": DASH} | PREFLIGHT)

    assert reply.status_code == 204
    assert reply.headers["Access-Control-Allow-Origin"] == DASH
    assert reply.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert "X-API-Key" in reply.headers["Access-Control-Allow-Headers"]
    assert "Origin" in reply.headers["Vary"]


def test_preflight_of_another_site_is_refused(make_client: MakeClient) -> None:
    client = make_client(cors_origins=(DASH,), read_api_key=READ_KEY)

    reply = client.options("/api/wishlist", headers={"Origin": "https://evil.test"} | PREFLIGHT)

    assert reply.status_code == 401
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_changes_cannot_be_read_and_pages_cannot_either(make_client: MakeClient) -> None:
    client = make_client(cors_origins=("*",))

    change = client.post("/api/users", json={}, headers={"Origin": DASH, "X-API-Key": API_KEY})
    page = client.get("/", headers={"Origin": DASH})

    assert (change.status_code, page.status_code) == (422, 200)
    assert "Access-Control-Allow-Origin" not in change.headers
    assert "Access-Control-Allow-Origin" not in page.headers
