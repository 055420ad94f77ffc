"""The measurements measure what they claim: their simulated Plex is one, their requests are what is meant."""

import random

import pytest

from bench import figures, paths, plex, titles
from wishlist_service.plex.watchlist_pages import Page, PageReader


def test_simulated_list_is_read_whole() -> None:
    reader = PageReader()
    while not reader.complete:
        body, etag = plex.page(3, 250, reader.received, 100)
        reader.add(Page.from_reply(plex.json.loads(body)), etag=etag)

    watchlist = reader.watchlist()
    assert len({entry.uid for entry in watchlist.entries}) == 250
    assert not watchlist.unreadable_keys
    assert {entry.media_type for entry in watchlist.entries} == {"movie", "show"}
    assert any(entry.year is None for entry in watchlist.entries)


def test_simulated_lists_have_half_of_their_titles_from_one_pool() -> None:
    shared = set(plex.numbers(1, 1000)) & set(range(1000))
    both = set(plex.numbers(1, 1000)) & set(plex.numbers(2, 1000))

    assert len(shared) == 500
    assert both
    assert both < shared


def test_simulated_rows_are_as_large_as_those_of_plex() -> None:
    sizes = [len(plex.row(number)) for number in range(500)]

    assert 1500 < sum(sizes) / len(sizes) < 1900


def test_page_that_is_known_is_not_sent_again() -> None:
    server = plex.SimulatedPlex()
    asked = {"x-plex-token": plex.token(1, 20)}
    status, body, etag = server.answer(plex.LIST_PATH, {}, asked)

    again = server.answer(plex.LIST_PATH, {}, asked | {"if-none-match": etag})

    assert (status, again) == (200, (304, b"", etag))
    assert body
    assert server.reads == {plex.token(1, 20): 2}


def test_requests_differ_and_search_for_three_letters_or_more() -> None:
    items = [(f"plex://movie/{titles.rating_key(n)}", titles.title(n), titles.year(n)) for n in range(2000)]
    sample = paths.Sample(items, people=[1, 2, 3])
    chance = random.Random(1)

    for asked in (paths.searches(sample), paths.filters(sample), paths.items(sample), paths.front_pages(900)):
        assert len(set(asked)) == len(asked)
    terms = [paths.term(title, chance) for _, title, _ in items]
    assert min(sum(map(str.isalpha, term)) for term in terms) >= 3


@pytest.mark.parametrize(("ours", "met"), [([1.0, 2.0, 1.1], True), ([3.0, 1.0, 3.0], False)])
def test_goal_is_met_or_missed_by_medians(ours: list[float], met: bool) -> None:
    figure = figures.faster("sync", 40, reference=[50.0, 80.0, 60.0], ours=ours)

    assert figure.met is met
    assert ("MISSED" in figures.goals_table([figure])) is not met
