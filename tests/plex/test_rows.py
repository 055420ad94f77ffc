"""One row of a watchlist as Plex writes it: what is kept, what is left out, and that nothing raises."""

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from wishlist_service.models import WatchlistEntry
from wishlist_service.plex.rows import LONGEST_TITLE, LONGEST_URL, clean_text, parse_entry, rating_key

KEY = "0a0000000000000000000001"


def parse(**fields: Any) -> WatchlistEntry:
    """The entry of an ordinary row with these fields changed; None takes a field away."""
    raw = row(KEY, "Alpha") | fields
    entry = parse_entry({name: value for name, value in raw.items() if value is not None})
    assert entry is not None
    return entry


def test_every_field_of_a_row_is_kept() -> None:
    raw = {
        "ratingKey": KEY,
        "guid": f"plex://show/{KEY}",
        "key": f"/library/metadata/{KEY}/children",
        "type": "show",
        "title": "Harbour Lights",
        "year": 2021,
        "originallyAvailableAt": "2021-05-17",
        "thumb": "https://image.example.test/harbour.jpg",
        "publicPagesURL": "https://watch.plex.tv/show/harbour-lights",
        "contentRating": "TV-MA",
        "duration": 2_700_000,
        "audienceRating": 8.25,
        "leafCount": 24,
        "childCount": 3,
        "tagline": "Someone keeps them lit.",
        "art": "https://image.example.test/harbour-wide.jpg",
        "Guid": [{"id": "imdb://tt0000042"}, {"id": "tmdb://218"}, {"id": "tvdb://2147483647"}],
    }

    entry = parse_entry(raw)

    assert entry == WatchlistEntry(
        uid=f"plex://show/{KEY}",
        media_type="show",
        title="Harbour Lights",
        year=2021,
        released_on=date(2021, 5, 17),
        external_ids=frozenset({"imdb://tt0000042", "tmdb://218", "tvdb://2147483647"}),
        poster_url="https://image.example.test/harbour.jpg",
        plex_url="https://watch.plex.tv/show/harbour-lights",
        content_rating="TV-MA",
        duration_minutes=45,
        audience_rating=8.2,
        seasons=3,
        tagline="Someone keeps them lit.",
        backdrop_url="https://image.example.test/harbour-wide.jpg",
    )


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("duration", 6_480_000, {"duration_minutes": 108}),
        ("duration", "6480000", {"duration_minutes": 108}),
        ("duration", 1, {"duration_minutes": 1}),
        ("audienceRating", 7, {"audience_rating": 7.0}),
        ("audienceRating", "7.46", {"audience_rating": 7.5}),
        ("audienceRating", 0, {"audience_rating": 0.0}),
        ("audienceRating", 10, {"audience_rating": 10.0}),
        ("tagline", " Two  words\n", {"tagline": "Two words"}),
        ("art", "https://image.example.test/wide.jpg", {"backdrop_url": "https://image.example.test/wide.jpg"}),
    ],
)
def test_what_helps_to_decide_is_kept(field: str, value: Any, kept: dict[str, Any]) -> None:
    entry = parse(**{field: value})

    assert {name: getattr(entry, name) for name in kept} == kept


NONSENSE = [None, "", "x", "nan", -1, 10**30, True, [7], {"a": 1}, "７", float("nan"), float("inf"), "1e1", "\0"]


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
def test_nonsense_is_left_out(value: Any) -> None:
    fields = dict.fromkeys(("duration", "audienceRating", "childCount", "tagline", "art"), value)
    entry = parse_entry(row(KEY, "Alpha", media_type="show", **fields))

    assert entry is not None
    known = (entry.duration_minutes, entry.audience_rating, entry.seasons, entry.backdrop_url)
    assert known == (None, None, None, None)
    assert entry.tagline == (value if isinstance(value, str) and value.strip("\0") else None)


def test_other_nonsense_is_left_out() -> None:
    assert parse(audienceRating=10.1).audience_rating is None
    assert parse(duration=0).duration_minutes is None
    assert parse(duration=999_999_999_999).duration_minutes is None
    assert parse(art="http://image.example.test/wide.jpg").backdrop_url is None
    assert parse(art="/library/metadata/1/art/2").backdrop_url is None
    assert parse(childCount=3).seasons is None, "a movie has none"
    show = parse_entry(row(KEY, "Beta", media_type="show", childCount=0))
    assert show is not None
    assert show.seasons is None


@pytest.mark.parametrize("media_type", ["movie", "show"])
def test_entry_of_the_bare_necessities_has_the_guid_for_uid_whatever_the_type(media_type: str) -> None:
    entry = parse_entry({"guid": f"plex://movie/{KEY}", "type": media_type, "title": "Alpha"})

    assert entry == WatchlistEntry(uid=f"plex://movie/{KEY}", media_type="movie", title="Alpha")


@pytest.mark.parametrize(
    ("guids", "known"),
    [
        (None, ()),
        ([], ()),
        ("imdb://tt0000001", ()),
        ([{"id": "tvdb://8"}, {"id": "imdb://tt0000009"}], ("imdb://tt0000009", "tvdb://8")),
        ([{"id": "tmdb://7"}, {"id": "tmdb://8"}], ("tmdb://7", "tmdb://8")),
        ([{"id": "tmdb://7"}, {"id": "tmdb://07"}], ("tmdb://7",)),
        ([None, 5, "tmdb://3", [], {}, {"id": None}, {"id": 4}, {"id": "tmdb://7"}], ("tmdb://7",)),
        ([{"id": "imdb://01"}, {"id": "imdb://tt"}, {"id": "imdb://tt1x"}], ()),
        ([{"id": "tmdb://seven"}, {"id": "tvdb://-7"}, {"id": "tvdb://7.0"}], ()),
        ([{"id": "tmdb://٧"}, {"id": "imdb://tt٧"}], ()),
        ([{"id": "tmdb://0"}, {"id": "tvdb://0"}, {"id": "tmdb://5"}], ("tmdb://5",)),
        ([{"id": "tmdb://2147483648"}, {"id": "tvdb://99999999999999999999"}], ()),
        ([{"id": "anidb://7"}, {"id": "local://7"}, {"id": "tmdb://7/extra"}], ()),
    ],
)
def test_external_ids_are_kept_as_far_as_they_make_sense(guids: Any, known: tuple[str, ...]) -> None:
    assert parse(Guid=guids).external_ids == set(known)


@pytest.mark.parametrize("year", [1870, 1999, 2100])
def test_year_is_read_from_a_number_and_from_xml_text(year: int) -> None:
    assert parse(year=year).year == year
    assert parse(year=str(year)).year == year


@pytest.mark.parametrize(
    "year",
    [0, 1869, 2101, 20240, -2024, 2024.5, 10**400, True, [2024], "", "next", "02024", "9" * 5000, "２０２４", "²⁰²⁴"],
)
def test_absurd_year_is_left_out_and_the_row_kept(year: Any) -> None:
    assert parse(year=year).year is None


@pytest.mark.parametrize(
    ("text", "released_on"),
    [
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-03-08T00:00:00Z", date(2024, 3, 8)),
        ("2023-02-29", None),
        ("0001-01-01", None),
        ("9999-12-31", None),
        ("soon", None),
        (1709856000, None),
        (["2024-03-08"], None),
    ],
)
def test_release_date_is_a_real_day_or_unknown(text: Any, released_on: date | None) -> None:
    assert parse(originallyAvailableAt=text).released_on == released_on


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("Al\x00pha", "Al pha"),
        ("\x00\x01Alpha\x7f\x85", "Alpha"),
        (" Two\r\n\tlines  ", "Two lines"),
        ("Half \ud83d a pair \udca9", "Half a pair"),
        ("Cafe\u0301 🎬 夏", "Café 🎬 夏"),
        ("x" * LONGEST_TITLE, "x" * LONGEST_TITLE),
        ("x" * (LONGEST_TITLE + 1), "x" * LONGEST_TITLE),
        ("x" * (LONGEST_TITLE - 1) + " tail", "x" * (LONGEST_TITLE - 1)),
    ],
)
def test_title_is_cleaned_and_cut(title: str, kept: str) -> None:
    assert parse(title=title).title == kept


@pytest.mark.parametrize(
    "title", [None, "", "   ", "\x00", "\x00\n\x1f \ud800", "\u200b", 7, ["Alpha"], {"x": "Alpha"}]
)
def test_row_without_a_usable_title_is_no_entry(title: Any) -> None:
    raw = row(KEY, "Alpha") | {"title": title}

    assert parse_entry(raw) is None


@pytest.mark.parametrize("media_type", [None, "", "clip", "episode", "season", "Movie", "movies", 1, True, ["movie"]])
def test_row_of_unknown_type_is_no_entry(media_type: Any) -> None:
    raw = row(KEY, "Alpha") | {"type": media_type}

    assert parse_entry(raw) is None


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"guid": f"plex://movie/{KEY}"}, KEY),
        ({"ratingKey": KEY}, KEY),
        ({"key": f"/library/metadata/{KEY}"}, KEY),
        ({"key": f"/library/metadata/{KEY}/children"}, KEY),
        ({"guid": "imdb://tt0000001", "ratingKey": KEY}, KEY),
        ({"guid": None, "ratingKey": 812, "key": f"/library/metadata/{KEY}"}, KEY),
        ({"guid": f"plex://movie/{KEY}", "ratingKey": "f" * 24}, KEY),
        ({}, None),
        ({"guid": f"plex://movie/{KEY}0"}, None),
        ({"guid": [f"plex://movie/{KEY}"]}, None),
        ({"ratingKey": KEY + "0"}, None),
        ({"key": f"/library/metadata/{KEY}0"}, None),
        ({"key": f"/elsewhere/library/metadata/{KEY}"}, None),
    ],
)
def test_row_is_known_by_whichever_field_still_says_which_title_it_is(fields: dict[str, Any], key: str | None) -> None:
    entry = parse_entry({"type": "movie", "title": "Alpha"} | fields)

    assert rating_key(fields) == key
    assert (entry and entry.uid) == (key and f"plex://movie/{key}")


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("https://image.example.test/a.jpg", True),
        ("http://image.example.test/a.jpg", True),
        ("https://x/".ljust(LONGEST_URL, "a"), True),
        ("https://x/".ljust(LONGEST_URL + 1, "a"), False),
        ("/library/metadata/1/thumb/2", False),
        ("javascript:alert(1)", False),
        ("https://image.example.test/a\x00b.jpg", False),
        ("", False),
        (5, False),
        (["https://image.example.test/a.jpg"], False),
    ],
)
def test_address_is_whole_and_on_the_web_or_dropped(url: Any, usable: bool) -> None:
    assert parse(thumb=url).poster_url == (url if usable else None)
    assert parse(publicPagesURL=url).plex_url == (url if usable else None)


def test_over_long_content_rating_is_cut() -> None:
    assert parse(contentRating="r" * 41).content_rating == "r" * 40


ANY_TEXT = st.text(st.characters(), max_size=40) | st.text("\x00\ud800\n a", max_size=8)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)

GUIDS = st.lists(
    st.builds(lambda kind, rest: {"id": f"{kind}://{rest}"}, st.sampled_from(["imdb", "tmdb", "tvdb"]), st.integers())
    | st.from_regex(r"(imdb://tt|tmdb://|tvdb://)[0-9]{1,14}", fullmatch=True).map(lambda text: {"id": text})
    | JSON,
    max_size=4,
)

FIELDS = dict.fromkeys(row(KEY, "Alpha"), JSON) | {
    "title": ANY_TEXT.map(lambda text: text * 30) | JSON,
    "year": st.integers(1800, 2200) | st.integers(1800, 2200).map(str) | JSON,
    "originallyAvailableAt": st.dates().map(str) | JSON,
    "thumb": ANY_TEXT.map(lambda text: "https://" + text * 90) | JSON,
    "contentRating": ANY_TEXT.map(lambda text: text * 3) | JSON,
    "Guid": GUIDS | JSON,
}


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(changed=st.fixed_dictionaries({}, optional=FIELDS))
@example(changed={"guid": None, "ratingKey": None, "key": None})
def test_whatever_a_row_holds_it_never_raises_and_an_entry_can_be_stored(changed: dict[str, Any]) -> None:
    entry = parse_entry(row(KEY, "Alpha") | changed)

    if entry is None:
        assert changed.keys() & {"guid", "ratingKey", "key", "type", "title"}
        return
    assert re.fullmatch(r"plex://(movie|show)/[0-9a-f]{24}", entry.uid)
    assert entry.uid.startswith(f"plex://{entry.media_type}/")
    assert 1 <= len(entry.title) <= LONGEST_TITLE
    assert entry.year is None or 1870 <= entry.year <= 2100
    assert entry.released_on is None or 1870 <= entry.released_on.year <= 2100
    assert all(re.fullmatch("imdb://tt[0-9]{1,12}|t[mv]db://[1-9][0-9]{0,9}", each) for each in entry.external_ids)
    assert all(url is None or 0 < len(url) <= LONGEST_URL for url in (entry.poster_url, entry.plex_url))
    assert entry.content_rating is None or 1 <= len(entry.content_rating) <= 40
    for text in (entry.title, entry.poster_url or "", entry.plex_url or "", entry.content_rating or ""):
        assert "\x00" not in text.encode().decode()


@settings(deadline=None)
@given(text=ANY_TEXT, longest=st.integers(1, 50))
def test_cleaning_text_again_changes_nothing(text: str, longest: int) -> None:
    once = clean_text(text, longest=longest)

    assert once is None or clean_text(once, longest=longest) == once
