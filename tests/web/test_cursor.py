"""Paging by cursor: the whole list once, also while it changes; nonsense is refused."""

import base64
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.readers import PrepareOnce, Share, Shared
from tests.support.slow import slow

SORTS = [
    (sort, order)
    for sort in ("added_at", "last_wish_at", "title", "year", "wanted_count", "released_on")
    for order in ("asc", "desc")
]


def page(client: FlaskClient, query: str) -> dict[str, Any]:
    reply = client.get(f"/api/wishlist?{query}")
    assert reply.status_code == 200, reply.text
    return reply.json


def follow(client: FlaskClient, query: str, *, limit: int) -> list[dict[str, Any]]:
    """The items of all pages from the first one on."""
    shown = page(client, f"{query}&limit={limit}")
    items = shown["items"]
    while shown["next"]:
        shown = page(client, f"{query}&limit={limit}&after={shown['next']}")
        assert shown["items"], "a page that had been announced is empty"
        items += shown["items"]
    return items


def cursor(*values: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def add_library(household: Household) -> None:
    """23 titles of Ann, many of them alike in what a sort compares; Ben wants every third."""
    rows = [
        row(
            f"{n:x}",
            f"Été {n % 4} 'x\"\\",
            year=None if n % 5 == 0 else 2000 + n % 3,
            media_type=("movie", "show")[n % 2],
        )
        for n in range(1, 24)
    ]
    household.add("Ann", rows)
    household.add("Ben", rows[::3])
    household.sync()


@pytest.fixture(scope="module")
def library_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_library)


@pytest.fixture
def library(household: Household, library_template: str) -> Household:
    return household


@pytest.fixture(scope="module")
def prepared(share: Share) -> Shared:
    return share(add_library)


@pytest.mark.parametrize(("sort", "order"), SORTS)
@pytest.mark.parametrize("limit", [5, 23, *slow(1, 24)])
def test_pages_by_cursor_are_the_whole_list(reader: FlaskClient, sort: str, order: str, limit: int) -> None:
    query = f"sort={sort}&order={order}"

    assert follow(reader, query, limit=limit) == page(reader, f"{query}&limit=500")["items"]


@pytest.mark.parametrize(
    "filters",
    ["search=t%C3%A9%201", "year=2001", "media_type=show", "user=2", "user=1&user=2&match=all", "min_wanted=2"],
)
def test_filters_hold_on_every_page(reader: FlaskClient, filters: str) -> None:
    whole = page(reader, f"{filters}&sort=title&limit=500")

    assert follow(reader, f"{filters}&sort=title", limit=2) == whole["items"]
    assert whole["total"] == len(whole["items"]) > 2


@pytest.mark.slow
def test_searches_of_common_words_keep_the_order_of_the_list(client: FlaskClient, household: Household) -> None:
    rows = [row(f"{n:x}", f"Lantern {'of ' * (n <= 1000)}{n * 7 % 1300}", year=2000 + n % 3) for n in range(1, 1301)]
    household.add("Ann", rows)
    household.add("Ben", rows[::3])
    household.sync()

    for sort, order in SORTS:
        query = f"sort={sort}&order={order}"
        everything = follow(client, query, limit=500)
        beyond, within = (page(client, f"{query}&search={word}&limit=1") for word in ("lantern", "tern+of"))

        assert (beyond["total"], beyond["total_is_exact"]) == (1000, False)
        assert (within["total"], within["total_is_exact"]) == (1000, True)
        assert follow(client, f"{query}&search=lantern", limit=490) == everything
        assert page(client, f"{query}&search=lantern&offset=1150&limit=500")["items"] == everything[1150:]
        assert follow(client, f"{query}&search=tern+of", limit=490) == [
            item for item in everything if " of " in item["title"]
        ]


def test_total_is_of_the_whole_list_on_every_page(reader: FlaskClient) -> None:
    first = page(reader, "limit=20")

    assert page(reader, f"limit=20&after={first['next']}") | {"items": []} == {
        "items": [],
        "total": 23,
        "total_is_exact": True,
        "limit": 20,
        "offset": 0,
        "next": None,
    }


def test_what_comes_in_front_meanwhile_repeats_nothing(client: FlaskClient, library: Household) -> None:
    first = page(client, "limit=10")
    ann = library.plex.people["token-of-ann-0123456789"]
    ann.rows = [row("ff", "New"), *ann.rows]
    library.sync()

    second = page(client, f"limit=10&after={first['next']}")

    assert second["total"] == 24
    assert not {item["id"] for item in first["items"]} & {item["id"] for item in second["items"]}
    assert page(client, "limit=11")["items"][1:] == page(client, "limit=10&offset=1")["items"]


def test_cursor_of_a_title_that_is_gone_still_holds_its_place(client: FlaskClient, library: Household) -> None:
    whole = page(client, "sort=title&limit=500")["items"]
    first = page(client, "sort=title&limit=10")
    library.conn.execute("DELETE FROM wishlist_item_sources WHERE item_id = %s", [first["items"][-1]["id"]])
    library.conn.execute("DELETE FROM wishlist_items WHERE id = %s", [first["items"][-1]["id"]])

    rest = page(client, f"sort=title&limit=500&after={first['next']}")["items"]

    assert [item["id"] for item in rest] == [item["id"] for item in whole[10:]]


@pytest.mark.parametrize("query", ["sort=title", "order=asc", "sort=year", "sort=title&order=desc"])
def test_cursor_of_another_sort_is_refused(reader: FlaskClient, query: str) -> None:
    reply = reader.get(f"/api/wishlist?{query}&after={page(reader, 'limit=5')['next']}")

    assert reply.status_code == 422
    assert reply.json["errors"] == [{"field": "after", "detail": "comes from a list with another sort or order."}]


def test_offset_beside_a_cursor_is_refused(reader: FlaskClient) -> None:
    reply = reader.get(f"/api/wishlist?offset=1&after={page(reader, 'limit=5')['next']}")

    assert [fault["field"] for fault in reply.json["errors"]] == ["offset"]


MOMENT = "2026-11-24T19:26:09+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "????",
        "bnVsbA",
        "%C3%A9",
        base64.urlsafe_b64encode(b"[" * 2000).decode(),
        cursor("added_at", "desc", MOMENT, MOMENT),
        cursor("added_at", "desc", MOMENT, MOMENT, "1"),
        cursor("added_at", "desc", MOMENT, MOMENT, 2**63),
        cursor("added_at", "desc", MOMENT, MOMENT, -1),
        cursor("added_at", "desc", "yesterday", MOMENT, 1),
        cursor("added_at", "desc", MOMENT, None, 1),
        cursor("added_at", "desc", 5, MOMENT, 1),
        cursor("added_at", "desc", MOMENT, "0001-01-01T00:00:00+14:00", True),
        "A" * 3001,
    ],
)
def test_nonsense_is_refused(reader: FlaskClient, text: str) -> None:
    reply = reader.get(f"/api/wishlist?after={text}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == ["after"]


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.sampled_from(SORTS),
    key=JSON | st.dates().map(str) | st.datetimes().map(str),
    added_at=JSON | st.datetimes().map(str),
    number=JSON,
)
def test_no_made_up_cursor_breaks_anything(
    client: FlaskClient, chosen: tuple[str, str], key: object, added_at: object, number: object
) -> None:
    sort, order = chosen
    reply = client.get(f"/api/wishlist?sort={sort}&order={order}&after={cursor(sort, order, key, added_at, number)}")

    assert reply.status_code in (200, 422)
