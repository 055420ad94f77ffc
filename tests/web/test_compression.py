"""Text replies are compressed for clients that accept it, each encoding with an ETag of its own."""

import gzip

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.nginx import under_a_path
from tests.support.processes import request
from tests.support.readers import Share, Shared

GZIP = {"Accept-Encoding": "gzip, deflate, br"}
TEXTS = [
    "/",
    "/activity",
    "/feeds",
    "/api/wishlist",
    f"/api/wishlist/{1:024x}",
    "/api/history",
    "/api/changes",
    "/feeds/radarr.json",
    "/feeds/watchlist.xml",
    "/feeds/new.rss",
    "/feeds/new.json",
    "/feeds/calendar.ics",
    "/export/wishlist.csv",
    "/export/wishlist.json",
    "/static/style.css",
    "/static/script.js",
    "/docs/swagger-ui.css",
    "/openapi.json",
]


def add_many(household: Household) -> None:
    """Ann wants 150 titles."""
    household.add("Ann", [row(f"{n:x}", f"Title {n}") for n in range(1, 151)])
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET summary = repeat('Letters arrive. ', 120)")


@pytest.fixture(scope="module")
def prepared(share: Share) -> Shared:
    return share(add_many)


@pytest.mark.parametrize("path", TEXTS)
def test_text_is_compressed_for_who_accepts_it(reader: FlaskClient, path: str) -> None:
    plain, packed = reader.get(path, buffered=True), reader.get(path, headers=GZIP, buffered=True)

    assert plain.status_code == packed.status_code == 200
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    if path != "/feeds/calendar.ics":  # it tells when it was made
        assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data)
    assert packed.headers.get("Content-Length") in (None, str(len(packed.data)))
    for reply in (plain, packed):
        assert "Accept-Encoding" in reply.headers["Vary"]


@pytest.mark.parametrize("path", TEXTS)
def test_each_encoding_is_confirmed_by_its_own_etag(reader: FlaskClient, path: str) -> None:
    plain, packed = reader.get(path, buffered=True), reader.get(path, headers=GZIP, buffered=True)
    if "ETag" not in plain.headers:
        assert path.startswith(("/export/", "/openapi", "/activity", "/feeds")), "it has no ETag"
        return

    assert plain.headers["ETag"] != packed.headers["ETag"]
    for headers, etag in (({}, plain.headers["ETag"]), (GZIP, packed.headers["ETag"])):
        again = reader.get(path, headers={**headers, "If-None-Match": etag}, buffered=True)
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
        assert "Accept-Encoding" in again.headers["Vary"]
        assert "Content-Encoding" not in again.headers
    other = reader.get(path, headers={"If-None-Match": packed.headers["ETag"]}, buffered=True)
    assert (other.status_code, len(other.data)) == (200, len(plain.data))


@pytest.mark.parametrize("accepts", ["", "identity", "br", "gzip;q=0", "*;q=0"])
def test_who_does_not_accept_gzip_gets_none(reader: FlaskClient, accepts: str) -> None:
    reply = reader.get("/api/wishlist", headers={"Accept-Encoding": accepts}, buffered=True)

    assert "Content-Encoding" not in reply.headers
    assert reply.json["total"] == 150


def test_short_replies_are_left_alone(reader: FlaskClient) -> None:
    for path in ("/health", "/api/wishlist?limit=1", "/nothing-here"):
        reply = reader.get(path, headers=GZIP, buffered=True)
        assert len(reply.data) <= 1500
        assert "Content-Encoding" not in reply.headers


def test_pictures_are_left_alone(reader: FlaskClient) -> None:
    reply = reader.get("/docs/favicon-32x32.png", headers=GZIP, buffered=True)

    assert reply.data.startswith(b"\x89PNG")
    assert "Content-Encoding" not in reply.headers


def test_head_tells_what_get_would_send(reader: FlaskClient) -> None:
    got, head = (
        reader.get("/api/wishlist", headers=GZIP, buffered=True),
        reader.head("/api/wishlist", headers=GZIP, buffered=True),
    )

    for name in ("ETag", "Content-Encoding", "Content-Length", "Vary"):
        assert head.headers[name] == got.headers[name], name


@pytest.mark.slow
def test_compressed_pages_pass_through_a_proxy(household: Household) -> None:
    add_many(household)

    with under_a_path(household) as home:
        packed = request("GET", f"{home}api/wishlist", headers=GZIP)
        plain = request("GET", f"{home}api/wishlist")
        again = request("GET", f"{home}api/wishlist", headers=GZIP | {"If-None-Match": packed.headers["ETag"]})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert again.status == 304


def test_wall_of_fifty_titles_is_sent_in_few_bytes(reader: FlaskClient) -> None:
    plain, packed = reader.get("/?limit=50", buffered=True), reader.get("/?limit=50", headers=GZIP, buffered=True)

    assert len(plain.data) > 20_000
    assert len(packed.data) < 6_000
