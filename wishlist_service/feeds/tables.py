"""Titles, as GET /api/wishlist shows them, as files that other sites import. Pure functions, one title at a time."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Title = Mapping[str, Any]

# what begins a formula, also in full width
_FORMULA: Final = tuple(
    "=+-@\t\r\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
)
_CHUNK_CHARACTERS: Final = 16 * 1024


@dataclass(frozen=True)
class Table:
    """A CSV file. `row` returns the values of a title by column; columns without a value stay empty.

    ids: titles without any of these are left out. media_types: those in the file.
    """

    columns: tuple[str, ...]
    row: Callable[[Title], Mapping[str, Any]]
    ids: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ("movie", "show")
    bom: str = ""
    """What the file begins with."""


def csv_chunks(table: Table, titles: Iterable[Title]) -> Iterator[str]:
    """Yield the file in parts. Every text is quoted, and none is a formula for a spreadsheet."""
    lines = io.StringIO()
    lines.write(table.bom)
    writer = csv.DictWriter(lines, table.columns, extrasaction="ignore", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    position = 0
    for title in titles:
        if table.ids and not any(title[f"{name}_id"] for name in table.ids):
            continue
        position += 1
        row = {"Position": position, **table.row(title)}
        writer.writerow({name: _plain(value) if isinstance(value, str) else value for name, value in row.items()})
        if lines.tell() > _CHUNK_CHARACTERS:
            yield lines.getvalue()
            lines.seek(0)
            lines.truncate()
    yield lines.getvalue()


def json_chunks(titles: Iterable[Title]) -> Iterator[str]:
    """Yield {"items": [...], "total": n} in parts."""
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
    """Return the text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _letterboxd(title: Title) -> Mapping[str, Any]:
    name = title["title"]
    return {"tmdbID": title["tmdb_id"], "imdbID": title["imdb_id"], "Title": name, "Year": title["year"]}


def _trakt(title: Title) -> Mapping[str, Any]:
    named = {"type": title["media_type"], "action": "watchlist", "watchlisted_at": title["added_at"]}
    return {**title, **named}


def _imdb(title: Title) -> Mapping[str, Any]:
    name, day = title["title"], title["added_at"][:10]
    return {
        "Const": title["imdb_id"],
        "Created": day,
        "Modified": day,
        "Title": name,
        "Original Title": name,
        "URL": f"https://www.imdb.com/title/{title['imdb_id']}/",
        "Title Type": "Movie" if title["media_type"] == "movie" else "TV Series",
        "Year": title["year"],
        "Genres": ", ".join(title["genres"]),
        "Release Date": title["released_on"],
    }


def _wishlist(title: Title) -> Mapping[str, Any]:
    return {
        **title,
        "genres": "; ".join(title["genres"]),
        "available": {True: "true", False: "false"}.get(title["available"]),
        "wanted_by": "; ".join(person["name"] for person in title["wanted_by"]),
    }


def _columns(names: str) -> tuple[str, ...]:
    return tuple(names.split(","))


TABLES: Final = {
    "letterboxd": Table(_columns("tmdbID,imdbID,Title,Year"), _letterboxd, media_types=("movie",)),
    "trakt": Table(
        _columns("type,action,imdb_id,tmdb_id,tvdb_id,title,year,watchlisted_at"), _trakt, ids=("imdb", "tmdb", "tvdb")
    ),
    "imdb": Table(
        _columns(
            "Position,Const,Created,Modified,Description,Title,Original Title,URL,Title Type,IMDb Rating,"
            "Runtime (mins),Year,Genres,Num Votes,Release Date,Directors"
        ),
        _imdb,
        ids=("imdb",),
    ),
    "wishlist": Table(
        _columns(
            "uid,media_type,title,year,released_on,imdb_id,tmdb_id,tvdb_id,genres,content_rating,available,added_at,"
            "wanted_count,wanted_by,plex_url,poster_url"
        ),
        _wishlist,
        bom="\ufeff",  # without it, Excel takes the file for another encoding than UTF-8
    ),
}
