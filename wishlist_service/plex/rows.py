"""Parses what Plex sends about a title, in a watchlist or alone. Pure functions.

Plex's Discover API gives every row a guid, a ratingKey (the last 24 hex digits of the guid), a type and a title.
Everything else may be missing.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from wishlist_service.models import TitleDetails, WatchlistEntry

_MEDIA_TYPES: Final = ("movie", "show")
_RATING_KEY: Final = re.compile(r"[0-9a-f]{24}")
_GUID: Final = re.compile(r"plex://([a-z]+)/([0-9a-f]{24})")
_EXTERNAL_ID: Final = re.compile(r"imdb://tt\d{1,12}|(tmdb|tvdb)://(\d{1,10})", re.ASCII)
_LARGEST_ID: Final = 2**31 - 1
_LAST_SECOND: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()

LONGEST_TITLE: Final = 500
LONGEST_URL: Final = 2000
LONGEST_SUMMARY: Final = 5000
LONGEST_TAGLINE: Final = 500
LONGEST_MINUTES: Final = 6000
MOST_SEASONS: Final = 1000
LONGEST_GENRE: Final = 60
LONGEST_RATING: Final = 40
MOST_GENRES: Final = 20


def parse_entry(raw: Mapping[str, Any]) -> WatchlistEntry | None:
    """Return the entry of a row; None if it has no usable title or is no movie or show.

    Invalid facts become None. Texts that are too long are cut.
    """
    uid = _uid(raw)
    title = clean_text(raw.get("title"), longest=LONGEST_TITLE)
    if uid is None or title is None:
        return None

    return WatchlistEntry(
        uid=uid,
        media_type=uid.split("/")[2],
        title=title,
        year=_year(raw.get("year")),
        released_on=_date(raw.get("originallyAvailableAt")),
        external_ids=_external_ids(raw.get("Guid")),
        poster_url=_url(raw.get("thumb")),
        plex_url=_url(raw.get("publicPagesURL")),
        content_rating=clean_text(raw.get("contentRating"), longest=LONGEST_RATING),
        duration_minutes=_minutes(raw.get("duration")),
        audience_rating=_rating(raw.get("audienceRating")),
        seasons=_count(raw.get("childCount")) if uid.startswith("plex://show") else None,
        tagline=clean_text(raw.get("tagline"), longest=LONGEST_TAGLINE),
        backdrop_url=_https(raw.get("art")),
    )


def parse_details(raw: Mapping[str, Any]) -> TitleDetails:
    """Return the details of a title. Invalid ones are left out."""
    return TitleDetails(
        uid=_uid(raw),
        summary=clean_text(raw.get("summary"), longest=LONGEST_SUMMARY),
        genres=_genres(raw.get("Genre")),
        year=_year(raw.get("year")),
        released_on=_date(raw.get("originallyAvailableAt")),
        poster_url=_url(raw.get("thumb")),
        plex_url=_url(raw.get("publicPagesURL")),
        content_rating=clean_text(raw.get("contentRating"), longest=LONGEST_RATING),
        external_ids=_external_ids(raw.get("Guid")),
    )


def parse_watchlisted_at(state: object) -> datetime | None:
    """Return when the person put the title on their watchlist, from UserState: an object, or a list with one."""
    if isinstance(state, list):
        state = state[0] if state else None
    value = state.get("watchlistedAt") if isinstance(state, Mapping) else None
    text = str(value)
    plausible = text.isascii() and text.isdigit() and 0 < int(text[:12]) < _LAST_SECOND and len(text) < 12
    return datetime.fromtimestamp(int(text), UTC) if plausible else None


def rating_key(raw: Mapping[str, Any]) -> str | None:
    """Return the 24 hex digits that identify the title of a row, from the first field that has them."""
    guid = _GUID.fullmatch(str(raw.get("guid")))
    if guid:
        return guid[2]
    key = str(raw.get("ratingKey"))
    if _RATING_KEY.fullmatch(key):
        return key
    in_path = re.match(r"/library/metadata/([0-9a-f]{24})(?:/|$)", str(raw.get("key")))
    return in_path[1] if in_path else None


def clean_text(value: object, *, longest: int) -> str | None:
    """Return text in Unicode's composed form, without control characters and surrogates; None if none is visible."""
    if not isinstance(value, str):
        return None
    plain = value.isascii() and value.isprintable()
    if not plain:
        kept = "".join(" " if unicodedata.category(character) in ("Cc", "Cs") else character for character in value)
        value = unicodedata.normalize("NFC", kept)
    text = " ".join(value.split())[:longest].strip()
    return text if any(unicodedata.category(character) != "Cf" for character in text) else None


def _year(value: object) -> int | None:
    # XML replies have numbers as text
    text = str(value)
    year = int(text) if text.isascii() and text.isdigit() and len(text) == 4 else None
    return year if year and 1870 <= year <= 2100 else None


def _date(value: object) -> date | None:
    try:
        found = date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found and 1870 <= found.year <= 2100 else None


def _url(value: object) -> str | None:
    text = clean_text(value, longest=LONGEST_URL) if isinstance(value, str) and len(value) <= LONGEST_URL else None
    return text if text and " " not in text and text.startswith(("https://", "http://")) else None


def _https(value: object) -> str | None:
    url = _url(value)
    return url if url and url.startswith("https://") else None


def _minutes(value: object) -> int | None:
    """Return milliseconds in minutes."""
    milliseconds = _count(value, largest=LONGEST_MINUTES * 60_000)
    return max(1, round(milliseconds / 60_000)) if milliseconds else None


def _rating(value: object) -> float | None:
    text = str(value)
    rating = float(text) if re.fullmatch(r"\d{1,2}(\.\d{1,20})?", text, re.ASCII) else None
    return round(rating, 1) if rating is not None and rating <= 10 else None


def _count(value: object, *, largest: int = MOST_SEASONS) -> int | None:
    text = str(value)
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None
    return count if count and count <= largest else None


def _genres(values: object) -> list[str]:
    """Return each genre once, ignoring case."""
    found: dict[str, str] = {}
    for value in values if isinstance(values, list) else ():
        genre = clean_text(value.get("tag"), longest=LONGEST_GENRE) if isinstance(value, Mapping) else None
        if genre:
            found.setdefault(genre.lower(), genre)
    return list(found.values())[:MOST_GENRES]


def _uid(raw: Mapping[str, Any]) -> str | None:
    """Return the uid that a row names; None if it is not that of a movie or show."""
    key = rating_key(raw)
    guid = _GUID.fullmatch(str(raw.get("guid")))
    # where the guid contradicts the type, the guid is right
    media_type = guid[1] if guid and raw.get("type") in _MEDIA_TYPES else raw.get("type")
    return f"plex://{media_type}/{key}" if key and media_type in _MEDIA_TYPES else None


def _external_ids(guids: object) -> frozenset[str]:
    """Return the valid ids at IMDb, TMDB and TVDB, each in one spelling: tmdb://007 is tmdb://7."""
    found: set[str] = set()
    for guid in guids if isinstance(guids, list) else ():
        match = _EXTERNAL_ID.fullmatch(str(guid.get("id"))) if isinstance(guid, Mapping) else None
        if match and match[1] is None:
            found.add(match[0])
        elif match and 0 < int(match[2]) <= _LARGEST_ID:
            found.add(f"{match[1]}://{int(match[2])}")
    return frozenset(found)
