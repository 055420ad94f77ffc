"""ETags and kept replies: cheap while nothing changes, and never older than the database."""

import gc
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.plex_faults import status
from tests.support.processes import call, descendants, gunicorn, request, settings_for
from tests.support.slow import slow
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.models import Feed
from wishlist_service.web.response_cache import MAXIMUM_BYTES, CachedResponse, ResponseCache

LIST = "/api/wishlist?sort=title"

ITEM = f"/api/wishlist/{1:024x}"

STATS = "/api/wishlist/stats/summary"


@pytest.mark.parametrize("path", [LIST, ITEM, STATS])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_caller_has_is_confirmed(reader: FlaskClient, path: str, method: str) -> None:
    first = reader.get(path)

    again = reader.open(path, method=method, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})

    assert first.status_code == 200
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("path", [LIST, ITEM])
def test_confirming_and_sending_again_look_at_no_title(client: FlaskClient, filled: Household, path: str) -> None:
    first = client.get(path)

    with filled.conn.transaction():
        filled.conn.execute("LOCK TABLE wishlist_items, wishlist_item_sources IN ACCESS EXCLUSIVE MODE")
        assert client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
        assert client.get(path).data == first.data


def rename(household: Household, api: FlaskClient) -> None:
    assert api.patch("/api/users/1", json={"name": "Anna"}).status_code == 200


def pause(household: Household, api: FlaskClient) -> None:
    assert api.delete("/api/users/1").status_code == 204


def erase(household: Household, api: FlaskClient) -> None:
    assert api.delete("/api/users/1?purge=true").status_code == 204


def add_title(household: Household, api: FlaskClient) -> None:
    household.plex.people["token-of-ben-0123456789"].rows.append(row("77", "Another"))
    household.sync()


def lose_title(household: Household, api: FlaskClient) -> None:
    household.plex.people["token-of-ben-0123456789"].rows.pop()
    household.sync()


def change_facts(household: Household, api: FlaskClient) -> None:
    ben = household.plex.people["token-of-ben-0123456789"]
    ben.rows = [row("4", "Été à Delta\\", year=1998), row("1", "Alpha", year=1998)]
    household.sync()


def see_the_same_again(household: Household, api: FlaskClient) -> None:
    household.conn.execute("UPDATE plex_users SET last_success_at = last_success_at + interval '1 hour'")


CHANGES = [rename, pause, erase, add_title, lose_title, change_facts, see_the_same_again]


@pytest.mark.parametrize("path", [LIST, *slow(ITEM, STATS)])
@pytest.mark.parametrize("change", CHANGES)
def test_no_change_is_missed(
    api: FlaskClient, filled: Household, path: str, change: Callable[[Household, FlaskClient], None]
) -> None:
    before = api.get(path)

    change(filled, api)
    after = api.get(path, headers={"If-None-Match": before.headers["ETag"]})

    fresh = create_app(filled.config)
    open_app(fresh)
    told = fresh.test_client().get(path)
    close_app(fresh)
    if told.data == before.data:
        assert (path, change) in [(ITEM, add_title), (STATS, change_facts)], "this change must show"
    else:
        assert (after.status_code, after.data) == (200, told.data)
        assert after.headers["ETag"] == told.headers["ETag"] != before.headers["ETag"]


def test_another_process_that_changes_something_is_noticed_at_once(client: FlaskClient, filled: Household) -> None:
    for number in range(50):
        filled.conn.execute("UPDATE plex_users SET name = %s WHERE id = 1", [f"Ann {number}"])
        assert f'"Ann {number}"' in client.get(LIST).text


@pytest.mark.slow
def test_whoever_changes_something_sees_it_in_their_next_request(household: Household) -> None:
    with gunicorn(settings_for(household)) as (_, address), ThreadPoolExecutor(4) as others:
        household.add("Ann", [row("1", "Alpha")])
        assert call("POST", f"{address}/api/sync?wait=50")[0] == 200
        stop = threading.Event()

        def read_on() -> None:
            while not stop.is_set():
                request("GET", f"{address}/api/wishlist")

        reading = [others.submit(read_on) for _ in range(4)]
        try:
            for number in range(40):
                key, name = {"X-API-Key": API_KEY}, f"Ann {number}"
                assert request("PATCH", f"{address}/api/users/1", headers=key, body={"name": name}).status == 200
                assert f'"{name}"' in request("GET", f"{address}/api/wishlist").text
        finally:
            stop.set()
        for future in reading:
            future.result(10)


def test_failed_read_changes_no_etag(client: FlaskClient, filled: Household) -> None:
    before = client.get(LIST).headers["ETag"]
    filled.conn.execute("UPDATE plex_users SET active = false WHERE id <> 1")
    paused = client.get(LIST).headers["ETag"]
    filled.plex.people["token-of-ann-0123456789"].list_faults.append(status(404))

    filled.sync()

    assert filled.user("Ann")["sync_state"] == "plex_changed"
    assert before != paused == client.get(LIST).headers["ETag"]


def test_etag_is_of_one_question_only(client: FlaskClient, filled: Household) -> None:
    etags = {client.get(path).headers["ETag"] for path in (LIST, ITEM, f"{LIST}&limit=2", "/api/wishlist")}

    assert len(etags) == 4
    for etag in etags:
        assert client.get("/api/wishlist?limit=0", headers={"If-None-Match": etag}).status_code == 422
        assert client.get(f"/api/wishlist/{99:024x}", headers={"If-None-Match": etag}).status_code == 404
    assert client.get(f"/api/wishlist/{99:024x}", headers={"If-None-Match": "*"}).status_code == 404


def test_key_in_the_address_is_no_part_of_the_etag(filled: Household) -> None:
    app = create_app(replace(filled.config, read_api_key="read-key-0123456789"))
    open_app(app)
    client = app.test_client()

    by_address = client.get(f"{LIST}&apikey=read-key-0123456789")
    by_header = client.get(LIST, headers={"X-API-Key": "read-key-0123456789"})

    assert by_address.status_code == by_header.status_code == 200
    assert by_address.headers["ETag"] == by_header.headers["ETag"]
    close_app(app)


def test_names_are_never_sent_to_who_may_not_see_them(filled: Household) -> None:
    app = create_app(replace(filled.config, names="hidden"))
    open_app(app)
    client, key = app.test_client(), {"X-API-Key": API_KEY}

    for path in (LIST, ITEM):
        shown, hidden = client.get(path, headers=key), client.get(path)
        again = client.get(path, headers={"If-None-Match": shown.headers["ETag"]})

        assert "Ann" in shown.text
        assert "Ann" not in hidden.text + again.text
        assert (again.status_code, again.data) == (200, hidden.data)
        assert client.get(path, headers=key).data == shown.data
    close_app(app)


@pytest.mark.slow
def test_change_of_another_process_is_noticed_by_the_very_next_request(filled: Household) -> None:
    with gunicorn(settings_for(filled, WEB_WORKERS="2")) as (_, address):
        for number in range(40):
            filled.conn.execute("UPDATE plex_users SET name = %s WHERE id = 1", [f"Ann {number}"])
            assert f'"Ann {number}"' in request("GET", f"{address}{LIST}").text


def test_request_that_cannot_be_answered_gets_neither_304_nor_a_kept_body(
    client: FlaskClient, filled: Household
) -> None:
    etag = client.get(LIST).headers["ETag"]

    for query in ("limit=x", "unknown=1", "user=99", "sort=title&sort=year"):
        for path in ("/api/wishlist", "/", "/feeds/radarr.json", "/api/history"):
            reply = client.get(f"{path}?{query}", headers={"If-None-Match": etag})
            assert (reply.status_code, "ETag" in reply.headers) == (422, False), (path, query)


def test_body_is_made_once_for_a_generation() -> None:
    cache, made = ResponseCache(), []

    def make() -> str:
        made.append(len(made))
        return f"body {len(made)}"

    bodies = [cache.get(generation, b"key", make).body for generation in (1, 1, 2, 2, 1)]

    assert bodies == [b"body 1", b"body 1", b"body 2", b"body 2", b"body 3"]


def test_body_made_before_a_change_is_not_kept_after_it() -> None:
    cache = ResponseCache()

    def make_while_it_changes() -> str:
        cache.get(6, b"key", lambda: "new")
        return "old"

    assert cache.get(5, b"key", make_while_it_changes).body == b"old"
    assert cache.get(6, b"key", lambda: "made again").body == b"new"


def test_many_threads_get_whole_bodies_of_their_generation() -> None:
    cache = ResponseCache()

    def look(number: int) -> bool:
        generation, key = number % 3, str(number % 7)
        wanted = f"{generation} {key} " * 4000
        return cache.get(generation, key.encode(), lambda: wanted).body == wanted.encode()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(look, range(2000)))


def test_feed_is_kept_with_how_many_titles_it_leaves_out() -> None:
    cache = ResponseCache()

    for _ in range(2):
        assert cache.get(1, b"key", lambda: Feed("[]", 3)) == CachedResponse(b"[]", 3)


def test_kept_bodies_take_a_bounded_amount_of_memory() -> None:
    cache = ResponseCache()
    body, new = "x" * (MAXIMUM_BYTES // 10), "new"

    for number in range(100):
        cache.get(1, b"%d" % number, lambda: body)
    huge = cache.get(1, b"huge", lambda: body * 20)

    assert len(huge.body) == 2 * MAXIMUM_BYTES
    assert cache.get(1, b"huge", lambda: new).body == b"new"
    kept = [body for number in range(100) if (body := cache.get(1, b"%d" % number, lambda: new).body) != b"new"]
    assert sum(map(len, kept)) <= MAXIMUM_BYTES


def bytes_taken(ask: Callable[[int], object], times: int) -> int:
    """How much more memory Python's objects take after so many calls."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(times):
        ask(number)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return after - before


@pytest.mark.slow
def test_everything_that_is_kept_counts_also_of_empty_bodies() -> None:
    cache = ResponseCache()

    taken = bytes_taken(lambda number: cache.get(1, number.to_bytes(32, "big"), lambda: ""), 20_000)

    assert taken <= MAXIMUM_BYTES


@pytest.mark.parametrize(
    ("query", "host", "kept"),
    [
        ("", "nas", 1),
        ("x" * 1000, "nas", 1),
        ("x" * 1100, "nas", 0),
        ("", f"{'name.' * 50}x.lan", 1),
        ("", f"{'name.' * 50}xy.lan", 0),
    ],
)
def test_request_that_nobody_sends_again_is_not_kept(
    client: FlaskClient, filled: Household, query: str, host: str, kept: int
) -> None:
    replies = [client.get(f"/api/wishlist?apikey={query}", headers={"Host": host}) for _ in range(2)]

    cache = client.application.extensions["wishlist"].cache
    assert len(cache._responses) == kept
    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[0].headers["ETag"] == replies[1].headers["ETag"]


@pytest.mark.slow
def test_thousands_of_requests_without_a_key_take_no_memory(filled: Household) -> None:
    env = settings_for(filled) | {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
    with gunicorn(env) as (api, address):
        [worker] = descendants(api.process.pid)
        connection = HTTPConnection(address.removeprefix("http://"))

        def ask(number: int) -> None:
            search = quote("".join(map(chr, range(0x1F300 + number, 0x1F300 + number + 200))))
            connection.request("GET", f"/api/wishlist?search={search}", headers={"Host": f"{number:h<250}"})
            assert connection.getresponse().read()

        for number in range(500):
            ask(number)
        before = anonymous_kilobytes(worker)
        for number in range(1000, 6000):
            ask(number)
        more = anonymous_kilobytes(worker) - before
        connection.close()

    assert more < 5_000


def anonymous_kilobytes(pid: int) -> int:
    """The memory of a process that is no file's."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
