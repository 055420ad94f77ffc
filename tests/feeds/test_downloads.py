"""Downloads: what other sites read in them, and how little memory one of any length takes."""

import csv
import io
import json
import re
import tracemalloc

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.readers import PrepareOnce
from tests.support.titles import entry, fill, ids
from wishlist_service.feeds.tables import TABLES, csv_chunks, json_chunks

FORMULA = ["=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
NAMES = ("letterboxd.csv", "trakt.csv", "imdb.csv", "wishlist.csv", "wishlist.json")


def add_wanted(household: Household) -> None:
    """Ann wants two movies and two shows, with all and with no ids."""
    household.add(
        "Ann",
        [
            row("4", "No id", media_type="show", Guid=[]),
            row("3", '=1+1, "quoted"', Guid=[], year=None),
            row(
                "2", "Breaking Bad", media_type="show", year=2008, Guid=ids(imdb="tt0903747", tmdb="1396", tvdb="81189")
            ),
            row("1", "The Matrix", year=1999, Guid=ids(imdb="tt0133093", tmdb="603")),
        ],
    )
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET added_at = timestamptz '2026-01-01 10:00Z' + id * interval '1 s'")
    household.conn.execute("UPDATE wishlist_items SET genres = '{Action,Science Fiction}' WHERE title = 'The Matrix'")


@pytest.fixture(scope="module")
def wanted_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_wanted)


@pytest.fixture
def wanted(household: Household, wanted_template: str) -> Household:
    return household


def table(client: FlaskClient, path: str) -> list[dict[str, str]]:
    """The rows by column, as a strict reader of RFC 4180 sees them."""
    reply = client.get(path)
    assert reply.content_type == "text/csv; charset=utf-8"
    # Excel needs a byte order mark, and no other program wants one
    assert reply.data.startswith(b"\xef\xbb\xbf") is (path == "/export/wishlist.csv")
    assert all(line.endswith("\r\n") for line in reply.text.splitlines(keepends=True))
    return [*csv.DictReader(io.StringIO(reply.data.decode("utf-8-sig"), newline=""), strict=True)]


def test_letterboxd_can_find_each_movie(client: FlaskClient, wanted: Household) -> None:
    rows = table(client, "/export/letterboxd.csv")

    assert [row.keys() for row in rows] == [{"tmdbID": "", "imdbID": "", "Title": "", "Year": ""}.keys()] * 2
    assert {"tmdbID": "603", "imdbID": "tt0133093", "Title": "The Matrix", "Year": "1999"} in rows
    assert {"tmdbID": "", "imdbID": "", "Title": '\'=1+1, "quoted"', "Year": ""} in rows


def test_trakt_takes_each_title_with_an_id_for_its_watchlist(client: FlaskClient, wanted: Household) -> None:
    rows = table(client, "/export/trakt.csv")

    assert rows[0].keys().isdisjoint({"watched_at", "rating"})
    assert {row["action"] for row in rows} == {"watchlist"}
    assert {row["title"]: (row["type"], row["imdb_id"], row["tmdb_id"], row["tvdb_id"]) for row in rows} == {
        "The Matrix": ("movie", "tt0133093", "603", ""),
        "Breaking Bad": ("show", "tt0903747", "1396", "81189"),
    }
    assert all(re.fullmatch(r"2026-01-01T10:00:0\dZ", row["watchlisted_at"]) for row in rows)
    assert client.get("/export/trakt.csv").headers["X-Wishlist-Skipped"] == "2"


def test_readers_of_imdb_lists_find_the_columns_they_know(client: FlaskClient, wanted: Household) -> None:
    rows = table(client, "/export/imdb.csv")

    assert [row["Position"] for row in rows] == ["1", "2"]
    by_id = {row["Const"]: row for row in rows}
    assert by_id.keys() == {"tt0133093", "tt0903747"}
    matrix = by_id["tt0133093"]
    assert ",".join(matrix) == (
        "Position,Const,Created,Modified,Description,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),"
        "Year,Genres,Num Votes,Release Date,Directors"
    )
    assert (matrix["Title"], matrix["Title Type"], matrix["Year"]) == ("The Matrix", "Movie", "1999")
    assert (matrix["Genres"], matrix["Release Date"]) == ("Action, Science Fiction", "1999-03-31")
    assert (matrix["Created"], by_id["tt0903747"]["Title Type"]) == ("2026-01-01", "TV Series")
    assert client.get("/export/imdb.csv").headers["X-Wishlist-Skipped"] == "2"


def test_whole_wishlist_is_the_one_the_api_shows(client: FlaskClient, wanted: Household) -> None:
    items = client.get("/api/wishlist?order=asc").json["items"]

    assert client.get("/export/wishlist.json").json == {"items": items, "total": 4}
    for found, item in zip(table(client, "/export/wishlist.csv"), items, strict=True):
        assert (found["uid"], found["year"]) == (item["uid"], str(item["year"] or ""))
        assert (found["wanted_by"], found["wanted_count"]) == ("Ann", "1")


@pytest.mark.parametrize("name", NAMES)
def test_downloads_have_names_and_take_filters(client: FlaskClient, wanted: Household, name: str) -> None:
    reply = client.get(f"/export/{name}?year=1999&user=1")

    file_name = name if name.startswith("wishlist") else f"wishlist-{name}"
    assert reply.headers["Content-Disposition"] == f'attachment; filename="{file_name}"'
    assert "The Matrix" in reply.text
    assert "Breaking Bad" not in reply.text
    assert client.head(f"/export/{name}").status_code == 200


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("first", FORMULA)
def test_no_cell_of_any_table_is_a_formula(name: str, first: str) -> None:
    evil = f'{first}cmd|"/c calc"!A1'
    titles = [entry(title=evil, wanted_by=[{"name": evil}], genres=[evil, evil], imdb_id=evil, released_on=evil)]
    titles[0] |= {"available": None, "wanted_count": 1, "content_rating": evil, "plex_url": evil, "poster_url": evil}

    text = "".join(csv_chunks(TABLES[name], titles))

    [_, cells] = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert not [cell for cell in cells if cell.startswith(tuple(FORMULA))]
    assert f"'{evil}" in cells


def test_every_text_of_a_table_is_quoted(client: FlaskClient, wanted: Household) -> None:
    lines = client.get("/export/trakt.csv").text.splitlines()

    assert lines[0].startswith('"type","action","imdb_id","tmdb_id"')
    assert '"show","watchlist","tt0903747",1396,81189,"Breaking Bad",2008,"2026-01-01T10:00:0' in str(lines)


@given(st.text(), st.text())
def test_any_text_survives_in_a_table_and_is_no_formula(title: str, name: str) -> None:
    titles = [entry(title=title, wanted_by=[{"name": name}], released_on=None, content_rating=None)]
    titles[0] |= {"available": None, "wanted_count": 1}

    text = "".join(csv_chunks(TABLES["wishlist"], titles))

    [found] = csv.DictReader(io.StringIO(text, newline=""))
    assert found["title"] == (f"'{title}" if title[:1] in FORMULA else title)
    assert found["wanted_by"].removeprefix("'") == name.removeprefix("'") or name.startswith("'")
    assert json.loads("".join(json_chunks(titles)))["items"] == titles


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_download_takes_the_same_memory_whatever_its_length(client: FlaskClient, conn: Connection, name: str) -> None:
    fill(conn, 12_000)

    def most_memory(query: str) -> tuple[int, int]:
        tracemalloc.start()
        sent = 0
        for chunk in client.get(f"/export/{name}?{query}", buffered=False).iter_encoded():
            assert len(chunk) < 200_000
            sent += len(chunk)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return sent, most

    most_memory("search=title+119")  # what is made once, at the first request
    short, little = most_memory("search=title+11")
    long, much = most_memory("")

    assert long > 8 * short
    assert much < 1.5 * little
