"""Friends' watchlists: GraphQL pages joined to a whole list, or an error; never an empty list."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_friends import FORBIDDEN, Friends, answer, node
from tests.support.fake_plex import FakePlex, Person, row
from tests.support.plex_faults import cut_off, reset, status
from wishlist_service.errors import ListHidden, PlexChanged, PlexError, RateLimited, Refused, TokenRejected
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.community import parse_node, parse_page

ANN = "token-of-ann-0123456789"
ROWS = [row(f"{number:x}", f"Title {number}") for number in range(1, 251)]

NAMES = ["data", "user", "watchlist", "nodes", "pageInfo", "hasNextPage", "endCursor", "errors", "message"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
)


@pytest.fixture
def friends(plex: FakePlex) -> Friends:
    plex.add(ANN, username="ann")
    return Friends(plex)


@pytest.fixture
def ben(plex: FakePlex, friends: Friends) -> Person:
    ben = plex.add("token-of-ben", username="ben")
    friends.befriend(plex.people[ANN], ben)
    return ben


def page(nodes: list[Any], *, cursor: str | None = None, more: bool = False) -> dict[str, Any]:
    return {"data": {"user": {"watchlist": {"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": cursor}}}}}


def test_list_of_a_friend_is_read_to_its_end(plex_client: PlexClient, friends: Friends, ben: Person) -> None:
    ben.rows = ROWS

    read = plex_client.friends_watchlist(ANN, ben.uuid)

    assert read is not None
    assert {entry.title for entry in read.entries} == {str(each["title"]) for each in ROWS}
    assert {variables["first"] for variables in friends.asked(ANN)} == {100}
    assert len(friends.asked(ANN)) == 3


def test_row_has_title_type_year_and_place_and_nothing_else(plex_client: PlexClient, ben: Person) -> None:
    ben.rows = [row("2", "Beta", media_type="show", year=1999), row("1", "Alpha", year=None)]

    read = plex_client.friends_watchlist(ANN, ben.uuid)

    assert read is not None
    alpha, beta = sorted(read.entries, key=lambda entry: entry.title)
    assert (beta.uid, beta.media_type, beta.year, beta.position) == (f"plex://show/{'2':0>24}", "show", 1999, 0)
    assert (alpha.media_type, alpha.year, alpha.position) == ("movie", None, 1)
    assert (alpha.external_ids, alpha.poster_url, alpha.released_on) == (frozenset(), None, None)


def test_token_travels_in_a_header_and_the_question_in_the_body(
    plex: FakePlex, plex_client: PlexClient, ben: Person
) -> None:
    ben.rows = ROWS[:1]

    plex_client.friends_watchlist(ANN, ben.uuid)

    [asked] = [asked for asked in plex.asked if asked.path == "/api"]
    assert asked.query == {}
    assert asked.headers["X-Plex-Token"] == ANN
    assert json.loads(asked.body)["variables"] == {"uuid": ben.uuid, "first": 100, "after": None}


def test_hidden_forbidden_unknown_and_empty_lists_are_hidden_and_not_empty(
    plex_client: PlexClient, friends: Friends, ben: Person
) -> None:
    ben.rows = ROWS[:3]
    for uuids in (friends.hidden, friends.forbidden):
        uuids.add(ben.uuid)
        with pytest.raises(ListHidden):
            plex_client.friends_watchlist(ANN, ben.uuid)
        uuids.clear()
    with pytest.raises(ListHidden):
        plex_client.friends_watchlist(ANN, "0000000000000000")
    ben.rows = []
    with pytest.raises(ListHidden):
        plex_client.friends_watchlist(ANN, ben.uuid)


@pytest.mark.parametrize(
    "body",
    [
        {"data": None, "errors": [{"message": "Internal server error"}]},
        {"data": None, "errors": [{"message": FORBIDDEN}, {"message": "Internal server error"}]},
        page([node(ROWS[0])]) | {"errors": [{"message": "Internal server error"}]},
        page([]) | {"errors": [{"message": FORBIDDEN}]},
        page([node(ROWS[0])]) | {"errors": [{"message": FORBIDDEN}]},
        {"data": None, "errors": "?"},
        {"data": None, "errors": [None]},
        {"data": {"user": None}},
        {"data": {"user": {"watchlist": None}}},
        {"data": {"user": {"watchlist": {"nodes": None, "pageInfo": {"hasNextPage": False}}}}},
        {"data": {"user": {"watchlist": {"nodes": []}}}},
        page([node(ROWS[0])], more=True),
        page([node(ROWS[0])], more=True, cursor=""),
        {},
        [],
        None,
    ],
)
def test_anything_else_is_a_failed_read_and_not_a_hidden_list(body: Any) -> None:
    with pytest.raises(PlexError) as caught:
        parse_page(body)
    assert not isinstance(caught.value, ListHidden)


@given(ANYTHING)
def test_no_reply_breaks_the_parser(body: Any) -> None:
    try:
        nodes, _cursor = parse_page(body)
    except PlexError:
        return
    for each in nodes:
        parse_node(each)


def test_cursor_that_repeats_ends_the_read_as_failed(plex_client: PlexClient, friends: Friends, ben: Person) -> None:
    ben.rows = ROWS
    friends.repeats_cursors = True
    friends.endless = True

    with pytest.raises(PlexChanged, match="same page"):
        plex_client.friends_watchlist(ANN, ben.uuid)

    assert len(friends.asked(ANN)) == 2


@pytest.mark.slow
def test_list_without_an_end_is_given_up_after_200_pages(
    plex_client: PlexClient, friends: Friends, ben: Person
) -> None:
    ben.rows = ROWS[:1]
    friends.endless = True

    with pytest.raises(PlexChanged, match="more than 200 pages"):
        plex_client.friends_watchlist(ANN, ben.uuid)

    assert len(friends.asked(ANN)) == 200


@pytest.mark.parametrize("fault", [status(400), status(404), status(503), cut_off, reset, status(200, body=b"<p>")])
def test_failed_page_fails_the_read(plex_client: PlexClient, friends: Friends, ben: Person, fault: Any) -> None:
    ben.rows = ROWS
    friends.faults.extend([fault] * 3)

    with pytest.raises(PlexError) as caught:
        plex_client.friends_watchlist(ANN, ben.uuid)

    assert not isinstance(caught.value, ListHidden)


def test_limit_of_this_host_is_obeyed_and_holds_up_nobody_else(
    plex_client: PlexClient, friends: Friends, ben: Person
) -> None:
    ben.rows = ROWS[:1]
    friends.faults.append(status(429, body=b"Rate limit exceeded!", kind="text/plain"))

    for _ in range(2):
        with pytest.raises(RateLimited):
            plex_client.friends_watchlist(ANN, ben.uuid)

    assert len(friends.asked(ANN)) == 1
    assert plex_client.watchlist(ANN) is not None


def test_refused_token_is_told_apart_from_a_refused_question(
    plex: FakePlex, plex_client: PlexClient, friends: Friends, ben: Person
) -> None:
    friends.faults.append(status(403))
    with pytest.raises(Refused):
        plex_client.friends_watchlist(ANN, ben.uuid)

    del plex.people[ANN]
    with pytest.raises(TokenRejected):
        plex_client.friends_watchlist(ANN, ben.uuid)


def test_same_etags_on_all_pages_say_that_nothing_changed(plex_client: PlexClient, ben: Person) -> None:
    ben.rows = ROWS[:]
    read = plex_client.friends_watchlist(ANN, ben.uuid)
    assert read is not None

    unchanged = plex_client.friends_watchlist(ANN, ben.uuid, etag=read.etag)
    del ben.rows[-1]
    changed = plex_client.friends_watchlist(ANN, ben.uuid, etag=read.etag)

    assert unchanged is None
    assert changed is not None
    assert changed.size == 249


def test_rows_that_cannot_be_read_are_counted(plex_client: PlexClient, friends: Friends, ben: Person) -> None:
    episode = node(row("3", "Pilot")) | {"type": "EPISODE", "guid": None}
    friends.faults.append(answer(**page([node(ROWS[0]), episode, {"id": "?"}, None, node(ROWS[0])])))

    read = plex_client.friends_watchlist(ANN, ben.uuid)

    assert read is not None
    assert [entry.title for entry in read.entries] == ["Title 1"]
    assert (read.unreadable_keys, read.unidentified) == ({f"{'3':0>24}"}, 2)
