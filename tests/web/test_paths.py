"""A uid in a path: every spelling means the same item, nothing else is taken for one, nothing redirects."""

from urllib.parse import quote, unquote

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.readers import Share, Shared
from wishlist_service.web.paths import uids_meant

KEY = "0a0000000000000000000b1f"
MOVIE = f"plex://movie/{KEY}"
SHOW = f"plex://show/{KEY}"


@pytest.mark.parametrize(
    "text",
    [
        f"plex://movie/{KEY}",
        f"plex:%2F%2Fmovie%2F{KEY}",
        f"plex%3A%2F%2Fmovie%2F{KEY}",
        f"plex%3a%2f%2fmovie%2f{KEY}",
        f"plex%253A%252F%252Fmovie%252F{KEY}",
        f"plex:/movie/{KEY}",
        f"plex%3A/movie%2F{KEY}",
        f"plex:///movie//{KEY}",
        f"movie/{KEY}",
        f"movie%2F{KEY}",
        f"movie%252F{KEY}",
        f"movie//{KEY}",
        f"plex://movie/{KEY.upper()}",
        f"PLEX://Movie/{KEY}",
        f"plex://movie/{KEY}/",
        f"movie/{KEY}%2F",
        f" {MOVIE} ",
    ],
)
def test_spelling_of_a_movie_means_that_movie(text: str) -> None:
    assert uids_meant(text) == [MOVIE]


@pytest.mark.parametrize("text", [SHOW, f"plex:/show/{KEY}", f"show/{KEY}", quote(SHOW, safe=""), f"show/{KEY}/"])
def test_spelling_of_a_show_means_that_show(text: str) -> None:
    assert uids_meant(text) == [SHOW]


@pytest.mark.parametrize("text", [KEY, KEY.upper(), f"{KEY}/", f"{KEY}%2F", f"plex://{KEY}"])
def test_bare_digits_mean_the_movie_or_the_show(text: str) -> None:
    assert uids_meant(text) == [MOVIE, SHOW]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "plex://movie/",
        "movie",
        "stats/summary",
        KEY[1:],
        f"{KEY}0",
        f"plex://movie/{KEY[1:]}",
        f"plex://movie/{KEY}0",
        f"plex://movie/{KEY[:-1]}g",
        f"plex://movie/{KEY[:-1]}\u0661",
        f"plex://artist/{KEY}",
        f"plex://movies/{KEY}",
        f"plex://movie{KEY}",
        f"movie{KEY}",
        f"plex//movie/{KEY}",
        f"imdb://movie/{KEY}",
        f"/movie/{KEY}",
        f"movie/show/{KEY}",
        f"movie/{KEY}/children",
        f"plex://movie/{KEY}?x=1",
        f"plex%25253A%25252F%25252Fmovie%25252F{KEY}",
    ],
)
def test_anything_else_is_no_spelling(text: str) -> None:
    assert uids_meant(text) is None


UIDS = st.builds(
    "plex://{}/{}".format, st.sampled_from(["movie", "show"]), st.text("0123456789abcdef", min_size=24, max_size=24)
)


@settings(deadline=None)
@given(uid=UIDS, slashes=st.integers(0, 3), encoded=st.integers(0, 2), upper=st.booleans(), tail=st.integers(0, 2))
def test_any_uid_however_spelt_means_itself(uid: str, slashes: int, encoded: int, upper: bool, tail: int) -> None:
    media_type, key = uid.removeprefix("plex://").split("/")
    text = f"plex:{'/' * slashes}{media_type}/{key.upper() if upper else key}{'/' * tail}"
    for _ in range(encoded):
        text = quote(text, safe="")

    assert uids_meant(text) == [uid]
    assert uids_meant(key) == [f"plex://movie/{key}", f"plex://show/{key}"]


@settings(deadline=None)
@given(
    text=st.text("plexmovishw:/%23AFaf0 ", max_size=45)
    | st.builds(
        lambda uid, place, more: uid[:place] + more + uid[place:], UIDS, st.integers(0, 40), st.text(max_size=3)
    )
)
def test_whatever_is_taken_for_a_uid_is_one(text: str) -> None:
    uids = uids_meant(text)

    for uid in uids or []:
        media_type, key = uid.removeprefix("plex://").split("/")
        assert uid == f"plex://{media_type}/{key}"
        assert media_type in ("movie", "show")
        assert len(key) == 24
        assert set(key) <= set("0123456789abcdef")
        assert key in unquote(unquote(text)).lower()


def add_alpha(household: Household) -> None:
    household.add("Ann", [row(KEY, "Alpha"), row("2", "Beta")])
    household.sync()


@pytest.fixture(scope="module")
def prepared(share: Share) -> Shared:
    return share(add_alpha)


@pytest.mark.parametrize(
    "spelling",
    [
        MOVIE,
        quote(MOVIE, safe=""),
        quote(MOVIE, safe=":"),
        quote(quote(MOVIE, safe=""), safe=""),
        quote(MOVIE, safe="").replace("%3A", "%3a").replace("%2F", "%2f"),
        f"plex:/movie/{KEY}",
        f"plex%3A/movie/{KEY}",
        f"movie/{KEY}",
        f"movie%2F{KEY}",
        f"movie%252F{KEY}",
        KEY,
        KEY.upper(),
        f"plex://movie/{KEY.upper()}",
        f"{MOVIE}/",
        f"{KEY}/",
        f"movie/{KEY}/",
        f"{quote(MOVIE, safe='')}%2F",
    ],
)
def test_every_spelling_is_answered_with_the_item_itself(reader: FlaskClient, spelling: str) -> None:
    reply = reader.get(f"/api/wishlist/{spelling}")

    assert (reply.status_code, reply.history) == (200, ())
    assert (reply.json["uid"], reply.json["title"]) == (MOVIE, "Alpha")


def test_bare_digits_find_a_show_as_well(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row(KEY, "Alpha", media_type="show")])
    household.sync()

    assert client.get(f"/api/wishlist/{KEY}").json["uid"] == SHOW
    assert client.get(f"/api/wishlist/movie/{KEY}").status_code == 404


def test_movie_and_show_under_one_key_are_two_titles(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row(KEY, "Alpha", media_type="show"), row(KEY, "Alpha")])

    run = household.sync()

    assert (run.status, run.new_items) == ("succeeded", 2)
    for uid in (MOVIE, SHOW):
        assert client.get(f"/api/wishlist/{uid}").json["uid"] == uid
    assert len(client.get("/feeds/calendar.ics").text.split("BEGIN:VEVENT")) == 3


def test_bare_digits_find_the_one_that_is_wanted_of_two_the_movie_of_none_the_one_wanted_last(
    client: FlaskClient, household: Household
) -> None:
    movie, show = row(KEY, "Alpha"), row(KEY, "Alpha", media_type="show")
    ann = household.add("Ann", [])
    found: list[str] = []
    for rows in ([show], [movie, show], [show], [], [movie], [], [show, movie], [movie], []):
        ann.rows = rows
        household.sync()
        found.append(client.get(f"/api/wishlist/{KEY}").json["uid"])

    assert found == [SHOW, MOVIE, SHOW, SHOW, MOVIE, MOVIE, MOVIE, MOVIE, MOVIE]


@pytest.mark.parametrize(
    "spelling",
    [
        f"{KEY}0",
        f"plex://movie/{KEY}0",
        KEY[1:],
        f"plex://artist/{KEY}",
        quote(f"plex://artist/{KEY}", safe=""),
        f"artist/{KEY}",
        f"movie/{KEY}/children",
        f"/movie/{KEY}",
        f"/{KEY}",
        "stats",
        "plex://movie/",
    ],
)
def test_what_is_no_uid_is_a_path_that_is_not_found(reader: FlaskClient, spelling: str) -> None:
    reply = reader.get(f"/api/wishlist/{spelling}")

    assert (reply.status_code, reply.content_type) == (404, "application/problem+json")
    assert (reply.json["status"], reply.location) == (404, None)
