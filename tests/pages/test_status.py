"""How fresh the wishlist is, told on the wall and on People; and lists that have nothing to show yet."""

import pytest
from flask.testing import FlaskClient
from psycopg import connect

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.processes import wait_until
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from tests.support.visitors import visitor


def checked(client: FlaskClient) -> str:
    return " ".join(browse(client).one("span", class_="checked").text.split())


def test_wall_says_when_the_lists_were_last_read(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET last_success_at = now()")
    assert checked(client) == "Checked just now"
    filled.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '125 seconds'")
    assert checked(client) == "Checked 2 min ago"
    page = browse(client)
    [moment] = [time for time in page.all("time") if time.attributes.get("data-show") == "moment"]
    assert moment["title"].endswith("UTC")
    assert moment["datetime"].endswith("Z")


@pytest.mark.parametrize(
    ("look_minutes", "fresh", "old"), first_quick(1, [(2, "115 minutes", "125 minutes"), (0, "11 h", "13 h")])
)
def test_age_at_which_a_list_is_not_up_to_date(filled: Household, look_minutes: float, fresh: str, old: str) -> None:
    with visitor(filled, look_minutes=look_minutes) as client:
        filled.conn.execute(f"UPDATE plex_users SET last_success_at = now() - interval '{fresh}'")
        assert checked(client).startswith("Checked 1")
        filled.conn.execute(f"UPDATE plex_users SET last_success_at = now() - interval '{old}' WHERE id = 1")
        assert checked(client) == "1 list is not up to date"


def test_last_round_of_looks_counts(filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '90 minutes'")
    moment = filled.conn.execute("SELECT rfc3339(now() - interval '4 minutes') AS at").fetchone()
    assert moment

    with visitor(filled, look_minutes=2) as client:
        with connect(filled.config.database_url, application_name=f"plex-wishlist-looks {moment['at']}"):
            assert checked(client) == "Checked 4 min ago"
        wait_until(lambda: checked(client) == "Checked 1 h ago")


def test_lists_that_were_not_read_for_long_are_not_up_to_date(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '13 hours' WHERE id IN (1, 2)")

    assert checked(client) == "2 lists are not up to date"
    people = browse(client, "/people")
    assert people.one("main").text.count("Not up to date") == 2
    assert "Everyone’s list is up to date" not in people.one("main").text
    assert people.one("span", class_="late-count").text.endswith("2")

    filled.conn.execute("UPDATE plex_users SET last_success_at = now() WHERE id = 1")
    assert checked(client) == "1 list is not up to date"
    filled.conn.execute("UPDATE plex_users SET sync_state = 'no_watchlist' WHERE id = 2")
    assert checked(client).startswith("Checked")
    assert "No watchlist" in browse(client, "/people").one("main").text


def test_scheduler_that_stopped_is_told_with_how_to_start_it(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET next_sync_at = now() - interval '9 days'")

    assert checked(client) == "The scheduler has stopped"
    assert "docker compose up -d" in browse(client, "/people").one("b", class_="action").text

    filled.conn.execute("UPDATE plex_users SET next_sync_at = now() - interval '4 minutes'")
    assert checked(client).startswith("Checked")

    filled.conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name ~ 'scheduler'"
    )
    wait_until(lambda: checked(client) == "The scheduler has stopped")


def test_page_whose_status_has_changed_is_neither_kept_nor_confirmed(client: FlaskClient, filled: Household) -> None:
    first = client.get("/")
    same = client.get("/", headers={"If-None-Match": first.headers["ETag"]})

    filled.conn.execute("UPDATE plex_users SET next_sync_at = now() - interval '1 hour'")
    later = client.get("/", headers={"If-None-Match": first.headers["ETag"]})

    assert same.status_code == 304
    assert later.status_code == 200
    assert "The scheduler has stopped" in later.text


def test_person_is_told_of_their_own_list(client: FlaskClient, filled: Household) -> None:
    client.set_cookie("wishlist_me", "1")
    assert "Your list is not up to date" not in client.get("/").text

    filled.conn.execute("UPDATE plex_users SET last_success_at = now() - interval '3 days' WHERE id = 1")
    assert "Your list is not up to date" in client.get("/").text
    client.set_cookie("wishlist_me", "2")
    assert "Your list is not up to date" not in client.get("/").text


def test_list_that_is_being_read_turns_into_posters(client: FlaskClient, filled: Household) -> None:
    filled.add("Dora", [row("d", "Dora's Own")])
    dora = filled.user("Dora")["id"]

    page = browse(client, f"/?user={dora}")
    assert page.one("h2").text == "Reading Dora’s list…"
    assert page.all("div", id="waiting") != []
    assert "Nothing matches" not in page.one("main").text

    filled.sync()
    assert browse(client, f"/?user={dora}").titles == ["Dora's Own"]


@pytest.mark.parametrize(
    ("change", "word"),
    first_quick(
        1,
        [
            ("active = false", "Paused"),
            ("sync_state = 'no_watchlist'", "No watchlist"),
            ("sync_state = 'token_rejected', last_success_at = NULL", "Must sign in again"),
            ("sync_state = 'unreachable', last_success_at = NULL", "Plex did not answer"),
        ],
    ),
)
def test_filter_on_a_person_without_titles_says_what_their_card_says(
    client: FlaskClient, filled: Household, change: str, word: str
) -> None:
    filled.conn.execute(f"UPDATE plex_users SET {change} WHERE name = 'Cleo'")
    cleo = filled.user("Cleo")["id"]

    page = browse(client, f"/?user={cleo}")

    assert page.one("h2").text == f"Cleo: {word}"
    assert "Nothing matches" not in page.one("main").text
    card = browse(client, "/people").one("li", id=f"person-{cleo}").text
    assert card.split(f"{word}.")[1].split(".")[0] in page.one("main").text


def test_person_who_wants_nothing_that_matches_is_told_so(reader: FlaskClient) -> None:
    assert browse(reader, "/?user=1&search=zzz").one("h2").text == "Nothing matches"


@pytest.mark.parametrize(
    "path", ["/", f"/title/{1:024x}", "/new", "/tonight", "/people", "/activity", "/feeds", "/sign-in"]
)
def test_every_page_says_what_it_is_and_is_not_indexed(reader: FlaskClient, path: str) -> None:
    page = browse(reader, path)

    assert page.one("meta", name="robots")["content"] == "noindex"
    description = page.one("meta", name="description")["content"]
    assert description == page.one("meta", property="og:description")["content"] != ""
    assert page.one("meta", property="og:title")["content"] != ""
    told = description + page.one("meta", property="og:title")["content"]
    assert not any(name in told for name in ("Ann", "Ben", "Cleo"))
    menu = [link for link in page.all("a") if link.attributes.get("class", "").startswith("to-")]
    marked = [link.text.strip() for link in menu if "aria-current" in link.attributes]
    sections = {"/new": "New", "/activity": "New", "/tonight": "Tonight", "/people": "People", "/feeds": "Feeds"}
    assert marked == ([sections.get(path, "Wall")] if path != "/sign-in" else [])


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("", "Wishlist"),
        ("?media_type=show", "Shows · Wishlist"),
        ("?search=lamp&genre=Drama", "“lamp” · Drama · Wishlist"),
        ("?user=1&user=2", "Wanted by Ann or Ben · Wishlist"),
        ("?user=1&user=2&match=all", "Wanted by Ann and Ben · Wishlist"),
        ("?min_wanted=2&year=1999", "1999 · Wanted by 2 or more · Wishlist"),
        ("?status=removed", "No longer wanted · Wishlist"),
        ("?available=true", "In the library · Wishlist"),
    ],
)
def test_title_of_the_wall_names_the_filter(reader: FlaskClient, query: str, title: str) -> None:
    reply = reader.get(f"/{query}")

    assert Seen(reply).one("title").text == title
    assert "Ann" not in Seen(reply).one("meta", property="og:title")["content"]
