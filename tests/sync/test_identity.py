"""Which records are one title, from their ids alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wishlist_service.sync.identity import Known, differ, group, same_title


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"imdb://tt1"}, {"imdb://tt1"}, True),
        ({"imdb://tt1"}, {"imdb://tt2"}, False),
        ({"imdb://tt1", "tmdb://1"}, {"imdb://tt1", "tmdb://2"}, False),
        ({"imdb://tt1", "tmdb://1"}, {"tmdb://1", "tvdb://1"}, True),
        ({"tmdb://1", "tmdb://2"}, {"tmdb://2", "tmdb://3"}, True),
        ({"tmdb://1", "tmdb://2"}, {"tmdb://3"}, False),
        ({"imdb://tt1"}, {"tmdb://1"}, False),
        ({"tmdb://1"}, {"tvdb://1"}, False),
        ({"tmdb://1"}, set[str](), False),
        (set[str](), set[str](), False),
    ],
)
def test_titles_are_the_same_if_an_id_agrees_and_none_differs(one: set[str], other: set[str], same: bool) -> None:
    assert same_title(one, other) is same_title(other, one) is same


def known(*ids: str, media_type: str = "movie") -> Known:
    return Known((f"plex://{media_type}/{'-'.join(ids)}",), frozenset(ids))


def test_ids_of_joined_titles_count_together() -> None:
    first, second, third = known("imdb://tt1"), known("tmdb://1"), known("imdb://tt1", "tmdb://1")

    assert group([first, second]) == [[0], [1]]
    assert sorted(group([first, second, third])[0]) == [0, 1, 2]


def test_movie_and_show_are_never_one() -> None:
    assert group([known("tmdb://1"), known("tmdb://1", media_type="show")]) == [[0], [1]]


def test_renewed_record_needs_no_id_but_none_may_differ() -> None:
    old, new, other = known("imdb://tt1"), known("tmdb://1"), known("imdb://tt2")

    assert group([old, new], renewed={old.uids[0]: new.uids[0]}) == [[0, 1]]
    assert group([old, other], renewed={old.uids[0]: other.uids[0]}) == [[0], [1]]


IDS = st.frozensets(st.sampled_from([f"{kind}://{number}" for kind in ("imdb", "tmdb", "tvdb") for number in "123"]))


@given(st.lists(IDS, max_size=8))
def test_every_title_is_in_one_group_and_no_two_groups_are_the_same(ids: list[frozenset[str]]) -> None:
    titles = [Known((f"plex://movie/{place}",), each) for place, each in enumerate(ids)]

    groups = group(titles)

    assert sorted(place for places in groups for place in places) == list(range(len(ids)))
    together = [frozenset[str]().union(*(ids[place] for place in places)) for places in groups]
    assert all(places[0] == min(places) for places in groups)
    assert not any(same_title(one, other) for number, one in enumerate(together) for other in together[number + 1 :])


@given(IDS, IDS)
def test_sets_that_share_nothing_of_a_kind_differ_in_it(one: frozenset[str], other: frozenset[str]) -> None:
    kinds = {each[:4] for each in one} & {each[:4] for each in other}

    assert differ(one, other) == any(
        not {each for each in one if each[:4] == kind} & {each for each in other if each[:4] == kind} for kind in kinds
    )
