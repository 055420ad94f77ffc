"""What a complete read means for a person's wishes: above all, when removals wait."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wishlist_service.models import Change, Watchlist, WatchlistEntry
from wishlist_service.sync.decide import decide


def read(numbers: Iterable[int], *, unreadable: Iterable[int] = (), unidentified: int = 0) -> Watchlist:
    """A complete read of these titles."""
    return Watchlist(
        entries=[
            WatchlistEntry(uid=f"plex://movie/{number:024x}", media_type="movie", title="Film")
            for number in sorted(numbers)
        ],
        unreadable_keys=frozenset(f"{number:024x}" for number in unreadable),
        unidentified=unidentified,
    )


def change(
    present: Iterable[int],
    wanted: Iterable[int],
    *,
    held_removals: str | None = None,
    unreadable: Iterable[int] = (),
    unidentified: int = 0,
) -> Change:
    watchlist = read(wanted, unreadable=unreadable, unidentified=unidentified)
    return decide(set(present), set(wanted), watchlist, unreadable=set(unreadable), held_removals=held_removals)


def test_differences_are_added_and_removed() -> None:
    assert change({1, 2, 3}, {2, 3, 4, 5}) == Change(add=frozenset({4, 5}), remove=frozenset({1}))


def test_same_list_changes_nothing() -> None:
    assert change({1, 2}, {1, 2}) == Change(add=frozenset(), remove=frozenset())


def test_first_read_of_anything_is_added() -> None:
    assert change((), range(30)) == Change(add=frozenset(range(30)), remove=frozenset())


@pytest.mark.parametrize(("length", "held"), [(0, False), (1, False), (5, False), (6, True), (9, True), (10, True)])
def test_emptied_list_of_more_than_five_is_held(length: int, held: bool) -> None:
    found = change(range(length), ())

    assert found.remove == (frozenset() if held else frozenset(range(length)))
    assert (found.held is not None, found.held_removals is not None) == (held, held)


@pytest.mark.parametrize(
    ("length", "left", "held"),
    [
        (6, 1, False),
        (9, 1, False),
        (9, 4, False),
        (10, 6, False),
        (10, 5, False),
        (10, 4, True),
        (10, 1, True),
        (11, 6, False),
        (11, 5, True),
        (100, 50, False),
        (100, 49, True),
    ],
)
def test_list_of_ten_or_more_that_loses_more_than_half_is_held(length: int, left: int, held: bool) -> None:
    found = change(range(length), range(left))

    assert found.remove == (frozenset() if held else frozenset(range(left, length)))
    assert (found.held is not None, found.held_removals is not None) == (held, held)


def test_list_swapped_for_as_many_other_titles_is_held_too() -> None:
    found = change(range(10), range(100, 110))

    assert (found.add, found.remove) == (frozenset(range(100, 110)), frozenset())
    assert found.held is not None


def test_sentence_of_a_held_list_says_how_much_vanished_and_what_happens_next() -> None:
    held = change(range(12), range(5)).held

    assert held is not None
    assert "7 of 12 titles" in held
    assert "if the next full read shows the same, they are removed" in held


@pytest.mark.parametrize(("length", "left"), [(6, 0), (10, 0), (10, 4), (40, 3)])
def test_removals_seen_twice_are_applied(length: int, left: int) -> None:
    first = change(range(length), range(left))

    second = change(range(length), range(left), held_removals=first.held_removals)

    assert second == Change(add=frozenset(), remove=frozenset(range(left, length)))


def test_additions_are_applied_at_once_while_removals_wait() -> None:
    first = change(range(12), {0, 50})

    second = change({*range(12), 50}, {0, 50, 51}, held_removals=first.held_removals)

    assert (first.add, first.remove) == (frozenset({50}), frozenset())
    assert second == Change(add=frozenset({51}), remove=frozenset(range(1, 12)))


def test_removals_stay_held_until_the_very_same_are_seen_again() -> None:
    first = change(range(12), range(3))
    more = change(range(12), range(2), held_removals=first.held_removals)
    fewer = change(range(12), range(4), held_removals=first.held_removals)
    as_many_others = change(range(12), range(9, 12), held_removals=first.held_removals)

    for other in (more, fewer, as_many_others):
        assert other.remove == frozenset()
        assert other.held is not None
        assert other.held_removals not in (None, first.held_removals)


def test_recovery_in_between_starts_over() -> None:
    first = change(range(12), ())
    recovered = change(range(12), range(12), held_removals=first.held_removals)

    again = change(range(12), (), held_removals=recovered.held_removals)

    assert recovered == Change(add=frozenset(), remove=frozenset())
    assert again == first
    assert again.remove == frozenset()


def test_part_recovery_removes_the_few_that_are_still_missing() -> None:
    first = change(range(12), ())

    second = change(range(12), range(10), held_removals=first.held_removals)

    assert second == Change(add=frozenset(), remove=frozenset({10, 11}))


def test_unreadable_row_never_removes_the_title_it_stands_for() -> None:
    found = change({1, 2, 3}, {3}, unreadable={1})

    assert found == Change(add=frozenset(), remove=frozenset({2}))


def test_list_that_became_unreadable_as_a_whole_removes_nothing_however_often() -> None:
    first = change(range(12), (), unreadable=range(12))
    second = change(range(12), (), unreadable=range(12), held_removals=first.held_removals)

    assert first == second == Change(add=frozenset(), remove=frozenset())


def test_unidentified_row_keeps_every_missing_title() -> None:
    found = change({1, 2, 3}, {3, 4}, unidentified=1)

    assert (found.add, found.remove) == (frozenset({4}), frozenset())
    assert found.held is not None
    assert "1 row of the watchlist could not be read" in found.held
    assert "2 missing titles are kept" in found.held


def test_unidentified_row_holds_nothing_while_no_title_is_missing() -> None:
    assert change({1, 2}, {1, 2, 3}, unidentified=2) == Change(add=frozenset({3}), remove=frozenset())


@pytest.mark.parametrize("left", [0, 3, 11])
def test_removals_beside_an_unidentified_row_are_never_confirmed(left: int) -> None:
    first = change(range(12), range(left), unidentified=1)
    second = change(range(12), range(left), unidentified=1, held_removals=first.held_removals)
    held_before = change(range(12), range(left)).held_removals
    after_a_clean_read = change(range(12), range(left), unidentified=1, held_removals=held_before)

    for found in (first, second, after_a_clean_read):
        assert found.remove == frozenset()
        assert (found.held is not None, found.held_removals) == (True, None)


NUMBERS = st.sets(st.integers(0, 25))


@settings(deadline=None)
@given(present=NUMBERS, wanted=NUMBERS, unreadable=NUMBERS, unidentified=st.integers(0, 2), confirmed=st.booleans())
def test_for_any_read_nothing_it_shows_is_removed_and_all_it_shows_is_present_after(
    present: set[int], wanted: set[int], unreadable: set[int], unidentified: int, confirmed: bool
) -> None:
    held = change(present, wanted, unreadable=unreadable, unidentified=unidentified).held_removals

    found = change(
        present,
        wanted,
        unreadable=unreadable,
        unidentified=unidentified,
        held_removals=held if confirmed else None,
    )

    assert found.add == frozenset(wanted - present)
    assert found.remove <= frozenset(present - wanted - unreadable)
    assert found.remove.isdisjoint(found.add)
    assert not (found.held and found.remove)
    assert bool(found.held) == (found.remove != frozenset(present - wanted - unreadable))


@settings(deadline=None)
@given(present=NUMBERS, wanted=NUMBERS, held_removals=st.none() | st.text())
def test_for_any_read_without_trouble_the_list_becomes_what_was_read(
    present: set[int], wanted: set[int], held_removals: str | None
) -> None:
    first = change(present, wanted, held_removals=held_removals)
    second = change(present | wanted, wanted, held_removals=first.held_removals)

    final = first if not first.held else second
    assert final.held is None
    assert frozenset(present | wanted) - final.remove == frozenset(wanted)


@settings(deadline=None)
@given(present=NUMBERS, wanted=NUMBERS, held_removals=st.none() | st.text())
def test_for_any_read_too_large_a_removal_waits_the_first_time(
    present: set[int], wanted: set[int], held_removals: str | None
) -> None:
    found = change(present, wanted, held_removals=held_removals)

    emptied = len(present) > 5 and not wanted
    lost = len(present - wanted)
    too_much = emptied or (len(present) >= 10 and lost > len(present) / 2)
    assert (found.remove == frozenset()) == (too_much or lost == 0)
