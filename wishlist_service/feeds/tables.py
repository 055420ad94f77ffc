"""Titles, as GET /api/wishlist shows them, as files that other sites import. Pure functions, a title at a time."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Title = Mapping[str, Any]

_CHUNK_CHARACTERS: Final = 64 * 1024


@dataclass(frozen=True)
class Table:
    """A CSV file: its columns, and the row of a title, whose place in the file is told from 1 on.

    ids: a title that has none of these is no use there. media_types: what goes into it.
    """

    columns: tuple[str, ...]
    row: Callable[[int, Title], tuple[Any, ...]]
    ids: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ("movie", "show")


def csv_chunks(table: Table, titles: Iterable[Title]) -> Iterator[str]:
    """The file in parts, quoted as RFC 4180 says."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(table.columns)
    position = 0
    for title in titles:
        if table.ids and not any(title[f"{name}_id"] for name in table.ids):
            continue
        position += 1
        writer.writerow(table.row(position, title))
        if lines.tell() > _CHUNK_CHARACTERS:
            yield lines.getvalue()
            lines.seek(0)
            lines.truncate()
    yield lines.getvalue()


def json_chunks(titles: Iterable[Title]) -> Iterator[str]:
    """{"items": [...], "total": n} in parts. The end tells how many there were."""
    part, size, total = '{"items":[', 0, 0
    parts = [part]
    for title in titles:
        part = json.dumps(title, ensure_ascii=False)
        parts.append(f",\n{part}" if total else part)
        total += 1
        size += len(part)
        if size > _CHUNK_CHARACTERS:
            yield "".join(parts)
            parts, size = [], 0
    yield f'{"".join(parts)}],"total":{total}}}\n'


def _plain(text: str) -> str:
    """Free text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _letterboxd(_position: int, title: Title) -> tuple[Any, ...]:
    return title["tmdb_id"], title["imdb_id"], _plain(title["title"]), title["year"]


def _trakt(_position: int, title: Title) -> tuple[Any, ...]:
    return (
        title["media_type"],
        "watchlist",
        title["imdb_id"],
        title["tmdb_id"],
        title["tvdb_id"],
        _plain(title["title"]),
        title["year"],
        title["added_at"],
    )


def _imdb(position: int, title: Title) -> tuple[Any, ...]:
    name, day = _plain(title["title"]), title["added_at"][:10]
    kind = "Movie" if title["media_type"] == "movie" else "TV Series"
    url = f"https://www.imdb.com/title/{title['imdb_id']}/"
    genres = _plain(", ".join(title["genres"]))
    released_on = title["released_on"]
    return (
        position,
        title["imdb_id"],
        day,
        day,
        "",
        name,
        name,
        url,
        kind,
        "",
        "",
        title["year"],
        genres,
        "",
        released_on,
        "",
    )


def _wishlist(_position: int, title: Title) -> tuple[Any, ...]:
    return (
        title["uid"],
        title["media_type"],
        _plain(title["title"]),
        title["year"],
        title["released_on"],
        title["imdb_id"],
        title["tmdb_id"],
        title["tvdb_id"],
        _plain("; ".join(title["genres"])),
        _plain(title["content_rating"] or ""),
        title["available"] if title["available"] is None else str(title["available"]).lower(),
        title["added_at"],
        title["wanted_count"],
        _plain("; ".join(person["name"] for person in title["wanted_by"])),
        title["plex_url"],
        title["poster_url"],
    )


TABLES: Final = {
    "letterboxd": Table(("tmdbID", "imdbID", "Title", "Year"), _letterboxd, media_types=("movie",)),
    "trakt": Table(
        ("type", "action", "imdb_id", "tmdb_id", "tvdb_id", "title", "year", "watchlisted_at"),
        _trakt,
        ids=("imdb", "tmdb", "tvdb"),
    ),
    "imdb": Table(
        (
            "Position",
            "Const",
            "Created",
            "Modified",
            "Description",
            "Title",
            "Original Title",
            "URL",
            "Title Type",
            "IMDb Rating",
            "Runtime (mins)",
            "Year",
            "Genres",
            "Num Votes",
            "Release Date",
            "Directors",
        ),
        _imdb,
        ids=("imdb",),
    ),
    "wishlist": Table(
        (
            "uid",
            "media_type",
            "title",
            "year",
            "released_on",
            "imdb_id",
            "tmdb_id",
            "tvdb_id",
            "genres",
            "content_rating",
            "available",
            "added_at",
            "wanted_count",
            "wanted_by",
            "plex_url",
            "poster_url",
        ),
        _wishlist,
    ),
}
