"""The client against the simulated Plex: paging, consistency, politeness, patience, secrecy."""

import threading
from dataclasses import replace

import pytest

from tests.support.fake_plex import FakePlex, row
from tests.support.household import make_plex_client
from tests.support.plex_faults import status
from wishlist_service.config import Config
from wishlist_service.errors import PlexChanged, TokenRejected, Unreachable
from wishlist_service.models import PlexAccount, Watchlist
from wishlist_service.plex.client import PlexClient

TOKEN = "token-of-the-test-0123456789"


def rows(count: int, *, start: int = 1) -> list[dict[str, object]]:
    return [row(f"{n:x}", f"Film {n}") for n in range(start, start + count)]


def read(client: PlexClient, **options: object) -> Watchlist:
    watchlist = client.watchlist(TOKEN, **options)  # type: ignore[arg-type]
    assert watchlist is not None
    return watchlist


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 250])
def test_list_of_any_length_is_read_whole(plex: FakePlex, plex_client: PlexClient, length: int) -> None:
    plex.add(TOKEN, rows=rows(length))

    watchlist = read(plex_client)

    assert len(watchlist.entries) == length
    assert watchlist.size == length
    assert [asked.query["X-Plex-Container-Start"] for asked in plex.asked] == [
        str(start) for start in range(0, max(length, 1), 100)
    ]


def test_pages_shorter_than_asked_for_are_followed_by_rows_received(plex: FakePlex, plex_client: PlexClient) -> None:
    plex.add(TOKEN, rows=rows(25)).page_cap = 7

    assert len(read(plex_client).entries) == 25


def test_external_ids_are_asked_for(plex: FakePlex, plex_client: PlexClient) -> None:
    plex.add(TOKEN, rows=[row("1", "Alpha", Guid=[{"id": "imdb://tt0000001"}, {"id": "tmdb://1"}, {"id": "tvdb://2"}])])

    entry = read(plex_client).entries[0]

    assert entry.external_ids == {"imdb://tt0000001", "tmdb://1", "tvdb://2"}
    assert plex.asked[0].query["sort"] == "watchlistedAt:desc"


def test_xml_answer_reads_the_same_as_json(plex: FakePlex, plex_client: PlexClient) -> None:
    person = plex.add(TOKEN, rows=[row("1", "A & Ümläut"), row("2", "B", media_type="show"), row("3", "C")])
    as_json = read(plex_client)

    person.xml = True
    as_xml = read(plex_client)

    assert as_xml.entries == as_json.entries


def test_unmodified_list_is_none(plex: FakePlex, plex_client: PlexClient) -> None:
    plex.add(TOKEN, rows=rows(150))
    etag = read(plex_client).etag
    plex.asked.clear()

    assert plex_client.watchlist(TOKEN, etag=etag) is None
    assert len(plex.asked) == 1


@pytest.mark.parametrize("change", ["add", "remove", "remove the last"])
def test_any_change_of_membership_changes_the_etag_of_page_one(
    plex: FakePlex, plex_client: PlexClient, change: str
) -> None:
    person = plex.add(TOKEN, rows=rows(150))
    etag = read(plex_client).etag
    if change == "add":
        person.rows.insert(0, row("fff", "Newcomer"))
    else:
        person.rows.pop(0 if change == "remove" else -1)

    assert len(read(plex_client, etag=etag).entries) == len(person.rows)


def test_list_that_changes_while_it_is_read_is_read_again(plex: FakePlex, plex_client: PlexClient) -> None:
    person = plex.add(TOKEN, rows=rows(150))
    changes = iter([lambda: person.rows.insert(0, row("fff", "Newcomer"))])

    def change(start: int) -> None:
        if start and (now := next(changes, None)):
            now()

    person.before_page = change

    assert len(read(plex_client).entries) == 151


def test_list_that_keeps_changing_fails(plex: FakePlex, plex_client: PlexClient) -> None:
    person = plex.add(TOKEN, rows=rows(150))
    person.before_page = lambda start: person.rows.pop() and None if start else None

    with pytest.raises(PlexChanged, match="changed during two reads"):
        plex_client.watchlist(TOKEN)
    assert len(plex.asked) == 4


@pytest.mark.parametrize("claimed", [149, 151, 250])
def test_wrong_total_fails(plex: FakePlex, plex_client: PlexClient, claimed: int) -> None:
    plex.add(TOKEN, rows=rows(150)).total_size = claimed

    with pytest.raises(PlexChanged, match="changed during two reads"):
        plex_client.watchlist(TOKEN)


def test_row_pushed_to_the_next_page_by_one_that_was_not_seen_has_the_list_read_again(
    plex: FakePlex, plex_client: PlexClient
) -> None:
    person = plex.add(TOKEN, rows=rows(150))

    def swap(start: int) -> None:
        if start and person.rows[0]["title"] != "Newcomer":
            person.rows = [row("fff", "Newcomer"), *person.rows[:-1]]

    person.before_page = swap

    watchlist = read(plex_client)

    assert len(watchlist.entries) == 150
    assert "Newcomer" in {entry.title for entry in watchlist.entries}


def test_list_whose_rows_come_twice_in_ever_other_ways_fails(plex: FakePlex, plex_client: PlexClient) -> None:
    person = plex.add(TOKEN, rows=rows(150))

    def rotate(start: int) -> None:
        if start:
            person.rows = [person.rows[-1], *person.rows[:-1]]

    person.before_page = rotate

    with pytest.raises(PlexChanged, match="a row came twice"):
        plex_client.watchlist(TOKEN)


def test_title_that_plex_lists_twice_counts_once_and_the_etag_is_not_trusted(
    plex: FakePlex, plex_client: PlexClient
) -> None:
    plex.add(TOKEN, rows=[*rows(120), row("1", "Film 1")])

    watchlist = read(plex_client)

    assert len(watchlist.entries) == 120
    assert watchlist.etag is None


def test_token_travels_in_the_header_and_never_in_the_url(plex: FakePlex, plex_client: PlexClient) -> None:
    plex.add(TOKEN, rows=rows(3))

    plex_client.watchlist(TOKEN)
    plex_client.account(TOKEN)
    plex_client.ping(TOKEN)

    assert len(plex.asked) == 3
    for asked in plex.asked:
        assert asked.headers["X-Plex-Token"] == TOKEN
        assert TOKEN not in asked.path + str(asked.query)
        assert asked.headers["X-Plex-Client-Identifier"] == "test-client"
        assert "PlexWishlistService" in asked.headers["User-Agent"]


def test_no_redirect_is_followed_with_a_token(plex: FakePlex, plex_client: PlexClient) -> None:
    thief = FakePlex()
    thief.start()
    person = plex.add(TOKEN)
    person.always = lambda handler: handler.send_body(307, b"", "text/plain", {"Location": thief.url})

    with pytest.raises(PlexChanged, match="HTTP 307"):
        plex_client.watchlist(TOKEN)

    assert thief.asked == []
    thief.stop()


def test_cookies_are_not_kept(plex: FakePlex, plex_client: PlexClient) -> None:
    person = plex.add(TOKEN, rows=rows(1))
    person.account_faults.append(
        lambda handler: handler.send_json(200, {"uuid": "abc"}, {"Set-Cookie": "session=secret; Path=/"})
    )
    plex_client.account(TOKEN)

    plex_client.watchlist(TOKEN)

    assert "Cookie" not in plex.asked[-1].headers


def test_account_says_whose_token_it_is(plex: FakePlex, plex_client: PlexClient) -> None:
    person = plex.add(TOKEN, username="ann")

    assert plex_client.account(TOKEN) == PlexAccount(uuid=person.uuid, username="ann")


@pytest.mark.parametrize(("status", "error"), [(401, TokenRejected), (498, TokenRejected), (403, PlexChanged)])
def test_only_plain_answers_condemn_a_token(
    plex: FakePlex, plex_client: PlexClient, status: int, error: type[Exception]
) -> None:
    plex.add(TOKEN).account_status = status

    with pytest.raises(error):
        plex_client.account(TOKEN)


def test_nobody_at_the_address_is_unreachable(config: Config, plex: FakePlex) -> None:
    gone = make_plex_client(replace(config, plex_discover_url="http://127.0.0.1:9", plex_tv_url="http://127.0.0.1:9"))

    with pytest.raises(Unreachable, match="connection failed"):
        gone.watchlist(TOKEN)


class Recorder(threading.Event):
    """An event that notes how long it was waited for and waits not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return self.is_set()


def test_pause_between_pages_is_kept_but_none_after_the_last(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN, rows=[row(f"{n:x}", f"Film {n}") for n in range(1, 251)])
    stop = Recorder()

    make_plex_client(replace(config, page_pause_seconds=1.5), stop=stop).watchlist(TOKEN)

    assert stop.waits == [1.5, 1.5]


def test_waits_between_tries_grow_and_vary(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN).always = status(503)
    first: set[float] = set()
    for _ in range(8):
        stop = Recorder()
        with pytest.raises(Unreachable):
            make_plex_client(config, stop=stop, retry_seconds=1).watchlist(TOKEN)

        assert len(stop.waits) == 2
        assert 0.5 <= stop.waits[0] <= 1.5
        assert 1 <= stop.waits[1] <= 3
        first.add(stop.waits[0])
    assert len(first) > 1


def test_no_further_try_once_told_to_stop(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN).always = status(503)
    stop = Recorder()
    stop.set()

    with pytest.raises(Unreachable):
        make_plex_client(config, stop=stop).watchlist(TOKEN)

    assert len(plex.asked) == 1


def test_being_told_to_come_back_at_once_is_no_leave_to_hammer(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN).list_faults.extend([status(429, Retry_After="0")])
    stop = Recorder()

    make_plex_client(config, stop=stop, retry_seconds=2).watchlist(TOKEN)

    assert len(stop.waits) == 1
    assert 1.5 < stop.waits[0] <= 2


def test_identifier_is_sent_with_every_request(config: Config, plex: FakePlex) -> None:
    plex.add(TOKEN)
    client = make_plex_client(config, client_identifier="the-one")

    client.watchlist(TOKEN)
    client.account(TOKEN)

    assert [asked.headers["X-Plex-Client-Identifier"] for asked in plex.asked] == ["the-one", "the-one"]
