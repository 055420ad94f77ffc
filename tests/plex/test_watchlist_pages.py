"""Pages added up into a whole list, or refused: a part of a list must never pass for all of it."""

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from wishlist_service.errors import PlexChanged
from wishlist_service.models import Watchlist
from wishlist_service.plex.watchlist_pages import MOST_TITLES, ListChanged, Page, PageReader


def film(number: int, **fields: Any) -> dict[str, Any]:
    return row(f"{number:x}", f"Film {number}") | fields


def uid(number: int) -> str:
    return f"plex://movie/{number:024x}"


def reply(rows: list[Any], *, total: int, **container: Any) -> dict[str, Any]:
    """A decoded reply with these rows; `container` adds to what it says about itself."""
    return {"MediaContainer": {"totalSize": total, "Metadata": rows} | container}


def replies(pages: list[list[Any]], *, telling: bool = True) -> list[dict[str, Any]]:
    """The replies a list cut into these pages gives; untelling ones leave out size and offset."""
    total = sum(len(rows) for rows in pages)
    starts = [sum(len(rows) for rows in pages[:number]) for number in range(len(pages))]
    return [
        reply(rows, total=total, **({"size": len(rows), "offset": start} if telling else {}))
        for start, rows in zip(starts, pages, strict=True)
    ]


def read(bodies: list[dict[str, Any]], known_twice: frozenset[str] = frozenset()) -> Watchlist | None:
    """The list in these replies, asked for as the client does: until it is complete; None if it never is."""
    reader = PageReader()
    for number, body in enumerate(bodies, start=1):
        reader.add(Page.from_reply(body), etag=f'"page-{number}"')
        if reader.complete:
            return reader.watchlist(known_twice=known_twice)
    return None


def whole(pages: list[list[Any]], **known: frozenset[str]) -> Watchlist:
    """The list cut into these pages."""
    watchlist = read(replies(pages), **known)
    assert watchlist
    return watchlist


def test_page_says_its_rows_and_what_they_are_part_of() -> None:
    page = Page.from_reply(reply([film(1), film(2)], total=7, size=2, offset=5))

    assert page == Page(rows=[film(1), film(2)], total=7, size=2, offset=5)


def test_page_may_leave_out_size_offset_and_rows() -> None:
    assert Page.from_reply(reply([film(1)], total=1)) == Page(rows=[film(1)], total=1, size=1, offset=None)
    assert Page.from_reply({"MediaContainer": {"totalSize": 0}}) == Page(rows=[], total=0, size=0, offset=None)


def test_xml_style_page_holds_movies_and_shows_apart_and_numbers_as_text() -> None:
    container = {"totalSize": "3", "size": "3", "offset": "0", "Video": [film(1), film(2)], "Directory": [film(3)]}

    page = Page.from_reply({"MediaContainer": container})

    assert page == Page(rows=[film(1), film(2), film(3)], total=3, size=3, offset=0)


@pytest.mark.parametrize("body", [None, [], "text", 5, {}, *({"MediaContainer": part} for part in (None, [], "text"))])
def test_reply_without_a_container_is_refused(body: Any) -> None:
    with pytest.raises(PlexChanged, match="no MediaContainer"):
        Page.from_reply(body)


@pytest.mark.parametrize("name", ["Metadata", "Video", "Directory"])
@pytest.mark.parametrize("rows", [{}, {"title": "Alpha"}, "rows", 0])
def test_rows_that_are_no_list_are_refused(name: str, rows: Any) -> None:
    with pytest.raises(PlexChanged, match=f"{name} is not a list"):
        Page.from_reply({"MediaContainer": {"totalSize": 0, name: rows}})


@pytest.mark.parametrize(
    "total", [None, -1, "-1", 1.0, True, [], {}, "", "many", "١", "²", "1_0", MOST_TITLES + 1, 10**30, "9" * 5000]
)
def test_missing_or_absurd_total_is_refused_with_a_short_sentence(total: Any) -> None:
    with pytest.raises(PlexChanged, match="totalSize is") as caught:
        Page.from_reply(reply([], total=total))

    assert "Nothing was changed" in str(caught.value)
    assert len(str(caught.value)) < 250
    assert Page.from_reply(reply([], total=MOST_TITLES)).total == MOST_TITLES


@pytest.mark.parametrize("total", [0, 1, 1000])
@pytest.mark.parametrize("size", [0, 1, 3])
def test_page_that_miscounts_its_own_rows_is_refused(total: int, size: int) -> None:
    with pytest.raises(ListChanged, match=f"a page of {size} rows held 2"):
        read([reply([film(1), film(2)], total=total, size=size)])


@pytest.mark.parametrize("offset", [0, 1, 3, 100])
def test_page_of_another_place_in_the_list_is_refused(offset: int) -> None:
    first, second = reply([film(1), film(2)], total=4, offset=0), reply([film(3), film(4)], total=4, offset=offset)

    with pytest.raises(ListChanged, match=f"asked for row 2, got row {offset}"):
        read([first, second])
    with pytest.raises(ListChanged, match="asked for row 0, got row 2"):
        read([reply([film(3), film(4)], total=4, offset=2)])


@pytest.mark.parametrize("total", [3, 5])
def test_total_that_changes_between_pages_is_refused(total: int) -> None:
    with pytest.raises(ListChanged, match=f"from 4 to {total}"):
        read([reply([film(1), film(2)], total=4), reply([film(3)], total=total)])


@pytest.mark.parametrize("before", [[], [film(1)], [film(1), film(2)]])
def test_empty_page_before_the_end_is_refused(before: list[Any]) -> None:
    first = [reply(before, total=3)] if before else []

    with pytest.raises(ListChanged, match=f"ended after {len(before)} of 3"):
        read([*first, {"MediaContainer": {"totalSize": 3, "size": 0}}])


def test_repeated_page_is_refused() -> None:
    with pytest.raises(ListChanged, match="nothing new"):
        read([reply([film(1), film(2)], total=9), reply([film(1), film(2)], total=9)])


@pytest.mark.parametrize("extra", [1, 50])
def test_more_rows_than_the_list_has_are_refused(extra: int) -> None:
    rows = [film(number) for number in range(3 + extra)]

    with pytest.raises(ListChanged, match="more than its 3 rows"):
        read([reply(rows[:2], total=3), reply(rows[2:], total=3)])


def test_list_of_nothing_is_a_whole_list() -> None:
    watchlist = whole([[]])

    assert (watchlist.entries, watchlist.size, watchlist.etag) == ([], 0, '"page-1"')


def test_pages_shorter_than_asked_for_add_up() -> None:
    watchlist = whole([[film(1)], [film(2), film(3), film(4)], [film(5), film(6)]])

    assert [entry.uid for entry in watchlist.entries] == [uid(number) for number in range(1, 7)]
    assert watchlist.etag == '"page-1"'


def test_entries_keep_their_place_on_the_list_though_sorted_by_uid() -> None:
    watchlist = whole([[film(9), film(3)], [film(5), film(1)]])

    assert [(entry.uid, entry.position) for entry in watchlist.entries] == [
        (uid(1), 3),
        (uid(3), 1),
        (uid(5), 2),
        (uid(9), 0),
    ]


def test_row_that_comes_twice_is_refused_unless_it_always_does_and_then_counts_once() -> None:
    pages = [[film(1), film(2)], [film(2), film(3)]]
    with pytest.raises(ListChanged, match="twice") as first:
        whole(pages)
    assert first.value.twice == {uid(2)}

    again = whole(pages, known_twice=first.value.twice)

    assert ([entry.uid for entry in again.entries], again.etag) == ([uid(1), uid(2), uid(3)], None)


def test_list_is_not_complete_before_its_last_row() -> None:
    reader = PageReader()
    reader.add(Page.from_reply(reply([film(1), film(2)], total=3)), etag="e")
    assert (reader.complete, reader.received, reader.total) == (False, 2, 3)
    reader.add(Page.from_reply(reply([film(3)], total=3)), etag=None)

    assert (reader.complete, reader.received, reader.watchlist().etag) == (True, 3, "e")


def test_unreadable_rows_are_remembered_by_the_title_they_stand_for() -> None:
    watchlist = whole([[film(1), film(2, title=""), film(3, type="clip"), film(4, title=None, guid="?")]])

    assert [entry.uid for entry in watchlist.entries] == [uid(1)]
    assert watchlist.unreadable_keys == {f"{number:024x}" for number in (2, 3, 4)}
    assert (watchlist.unidentified, watchlist.size) == (0, 4)


def test_title_read_from_another_row_is_not_unreadable() -> None:
    twice = frozenset({uid(1)[-24:], uid(2)[-24:]})
    watchlist = whole([[film(1, title=""), film(1)], [film(2), film(2, title="")]], known_twice=twice)

    assert [entry.uid for entry in watchlist.entries] == [uid(1), uid(2)]
    assert (watchlist.unreadable_keys, watchlist.size) == (frozenset(), 2)


def test_rows_that_do_not_say_what_they_are_are_counted() -> None:
    watchlist = whole([[{}, {"title": "Alpha", "type": "movie"}, None, "row", 5, [film(1)]], [film(2)]])

    assert [entry.uid for entry in watchlist.entries] == [uid(2)]
    assert (watchlist.unidentified, watchlist.unreadable_keys, watchlist.size) == (6, frozenset(), 7)


LISTS = st.lists(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), min_size=1, max_size=6).filter(
    lambda pages: len({number for page in pages for number in page}) == sum(map(len, pages))
)


@settings(deadline=None)
@given(pages=LISTS, telling=st.booleans())
def test_any_list_cut_into_any_pages_reads_back_whole(pages: list[list[int]], telling: bool) -> None:
    watchlist = read(replies([[film(number) for number in page] for page in pages], telling=telling))

    assert watchlist is not None
    assert [entry.uid for entry in watchlist.entries] == sorted(uid(number) for page in pages for number in page)
    assert (watchlist.etag, watchlist.unreadable_keys, watchlist.unidentified) == ('"page-1"', frozenset(), 0)


@settings(deadline=None)
@given(pages=LISTS, telling=st.booleans(), data=st.data())
def test_no_list_comes_of_pages_of_which_one_is_dropped_repeated_or_cut(
    pages: list[list[int]], telling: bool, data: st.DataObject
) -> None:
    bodies = replies([[film(number) for number in page] for page in pages], telling=telling)
    hurt = data.draw(st.integers(0, len(bodies) - 1))
    harm = data.draw(st.sampled_from(["drop", "cut", "repeat", "replace the next", "replace another"]))
    if harm == "drop":
        del bodies[hurt]
    elif harm == "cut":
        bodies[hurt]["MediaContainer"]["Metadata"].pop()
    elif harm == "replace another":
        other = data.draw(st.integers(0, len(bodies) - 1))
        assume(other != hurt)
        bodies[other] = bodies[hurt]
    else:
        assume(hurt + 1 < len(bodies))
        bodies[hurt + 1 : hurt + 1 + (harm == "replace the next")] = [bodies[hurt]]

    try:
        watchlist = read(bodies)
    except (ListChanged, PlexChanged):
        watchlist = None

    assert watchlist is None
