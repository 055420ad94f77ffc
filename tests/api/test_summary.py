"""The wishlist at a glance: flat numbers that are right, recent titles, and never too much of them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household, make_config
from tests.support.plex_faults import status
from tests.support.slow import first_quick
from wishlist_service.app import close_app, create_app, open_app

MOST_BYTES = 16_384  # what Home Assistant keeps of a sensor's attributes


def summary(client: FlaskClient) -> dict[str, Any]:
    reply = client.get("/api/summary")
    assert reply.status_code == 200, reply.text
    assert len(reply.data) < MOST_BYTES
    return reply.json


def test_summary_of_nothing_is_zeros_and_nulls(client: FlaskClient) -> None:
    assert summary(client) == {
        "total": 0,
        "movies": 0,
        "shows": 0,
        "wanted_by_several": 0,
        "available": None,
        "users": 0,
        "users_failing": 0,
        "last_sync": None,
        "last_sync_ok": None,
        "recent": [],
    }


def test_numbers_are_those_of_the_statistics_and_the_list(reader: FlaskClient) -> None:
    shown = summary(reader)

    stats = reader.get("/api/wishlist/stats/summary").json
    listed = reader.get("/api/wishlist").json["items"]
    assert shown["total"] == stats["total_items"] == len(listed) == 4
    assert {"movie": shown["movies"], "show": shown["shows"]} == stats["items_by_type"] == {"movie": 3, "show": 1}
    assert shown["wanted_by_several"] == stats["wanted_by_several"] == 1
    assert shown["users"] == stats["users_active"] == 3
    assert [(line["title"], line["added_at"]) for line in shown["recent"]] == [
        (item["title"], item["added_at"]) for item in listed
    ]


def test_recent_titles_say_who_wants_them_first(reader: FlaskClient) -> None:
    alpha = next(line for line in summary(reader)["recent"] if line["title"] == "Alpha")
    gamma = next(line for line in summary(reader)["recent"] if line["title"] == "Gamma_Ray")

    assert alpha == {
        "title": "Alpha",
        "year": 1999,
        "media_type": "movie",
        "added_at": alpha["added_at"],
        "added_by": "Ann",
        "name": "Alpha (1999)",
        "label": "Ann",
    }
    assert (gamma["name"], gamma["year"]) == ("Gamma_Ray", None)


def test_who_wants_it_no_more_or_is_paused_is_not_named(api: FlaskClient, filled: Household) -> None:
    assert api.delete("/api/users/1").status_code == 204

    assert [(line["title"], line["label"]) for line in summary(api)["recent"]] == [
        ("Été à Delta\\", "Ben"),
        ("Alpha", "Ben"),
    ]
    assert (summary(api)["users"], summary(api)["total"]) == (2, 2)


def test_what_is_removed_or_dismissed_is_left_out(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE title = 'Alpha'")

    shown = summary(client)

    assert shown["total"] == 3
    assert {line["title"] for line in shown["recent"]} == {"beta 100%", "Gamma_Ray", "Été à Delta\\"}


def test_available_is_unknown_until_somebody_looked(client: FlaskClient, filled: Household) -> None:
    assert summary(client)["available"] is None

    filled.conn.execute("UPDATE wishlist_items SET available = false WHERE title = 'Alpha'")
    assert summary(client)["available"] == 0

    filled.conn.execute(
        "UPDATE wishlist_items SET available = true WHERE title IN ('beta 100%', 'Gamma_Ray', 'Epsilon')"
    )
    assert summary(client)["available"] == client.get("/api/wishlist?available=true").json["total"] == 2


def test_failing_people_and_the_last_sync_are_told(client: FlaskClient, filled: Household) -> None:
    assert (summary(client)["users_failing"], summary(client)["last_sync_ok"]) == (0, True)
    filled.plex.people["token-of-ben-0123456789"].always = status(503)
    filled.plex.people["token-of-cleo-0123456789"].always = status(503)

    run = filled.sync()

    shown = summary(client)
    assert (run.status, shown["users_failing"], shown["last_sync_ok"]) == ("partial", 2, False)
    assert shown["last_sync"] == client.get(f"/api/sync/runs/{run.id}").json["finished_at"]


def test_paused_new_and_held_people_do_not_count_as_failing(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE plex_users SET sync_state = 'token_rejected', active = false WHERE id = 1")
    filled.conn.execute("UPDATE plex_users SET sync_state = 'held' WHERE id = 2")
    filled.add("Dora")

    assert (summary(client)["users"], summary(client)["users_failing"]) == (3, 0)


def test_interrupted_run_leaves_the_last_one_that_ended(client: FlaskClient, filled: Household) -> None:
    before = summary(client)
    filled.conn.execute("INSERT INTO sync_runs (trigger, status) VALUES ('command', 'interrupted')")

    assert summary(client) == before


def test_only_the_twenty_latest_titles_are_shown(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row(f"{key:x}", f"Title {key}") for key in range(1, 31)])
    household.sync()

    assert [line["title"] for line in summary(client)["recent"]] == [f"Title {key}" for key in range(1, 21)]


@pytest.mark.parametrize(
    "title",
    first_quick(
        3,
        [
            "x",
            "🎬",
            "\u0001",
            "é",
            "漢",
            '"',
            "\\",
            "\x7f",
            "\u2028",
            "👨‍👩‍👧",
        ],
    ),
    ids=ascii,
)
@pytest.mark.parametrize(
    "name", [pytest.param("Ann", id="short", marks=pytest.mark.slow), pytest.param("🎬" * 100, id="long")]
)
def test_reply_stays_small_whatever_titles_and_names(
    client: FlaskClient, household: Household, title: str, name: str
) -> None:
    household.add("Ann", [row(f"{key:x}", "Title") for key in range(1, 31)])
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET title = left(repeat(%s, 500), 500)", [title])
    household.conn.execute("UPDATE plex_users SET name = %s", [name])

    recent = summary(client)["recent"]

    assert 7 <= len(recent) <= 20
    assert {len(line["title"]) for line in recent} == {100}
    assert {line["title"][-1] for line in recent} == {"…"}
    assert {line["added_by"] for line in recent} == {name}


@pytest.mark.slow
def test_long_titles_of_this_world_are_all_shown(client: FlaskClient, household: Household) -> None:
    title = "Borat: Cultural Learnings of America for Make Benefit Glorious Nation of Kazakhstan"
    household.add("Maximilian", [row(f"{key:x}", f"{title} {key}") for key in range(1, 31)])
    household.sync()

    assert [line["title"] for line in summary(client)["recent"]] == [f"{title} {key}" for key in range(1, 21)]


def test_title_of_100_characters_is_not_cut(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "x" * 100), row("2", "y" * 101)])
    household.sync()

    assert [line["title"] for line in summary(client)["recent"]] == ["x" * 100, "y" * 99 + "…"]


def test_etag_confirms_what_is_the_same_and_nothing_else(api: FlaskClient, filled: Household) -> None:
    first = api.get("/api/summary")
    same = {"If-None-Match": first.headers["ETag"]}
    confirmed = api.get("/api/summary", headers=same)
    assert (confirmed.status_code, confirmed.data) == (304, b"")

    filled.add("Dora")  # changes nothing that the wishlist shows
    assert api.get("/api/summary", headers=same).status_code == 200

    assert api.delete("/api/users/4?purge=true").status_code == 204
    assert api.get("/api/summary", headers=same).status_code == 304


@pytest.fixture
def hidden(filled: Household) -> Iterator[FlaskClient]:
    app = create_app(replace(filled.config, names="hidden"))
    open_app(app)
    yield app.test_client()
    close_app(app)


def test_names_may_be_hidden(hidden: FlaskClient) -> None:
    told = {line["label"] for line in summary(hidden)["recent"]}
    shown = hidden.get("/api/summary", headers={"X-API-Key": API_KEY}).json

    assert told == {"Person 1", "Person 2"}
    assert {line["label"] for line in shown["recent"]} == {"Ann", "Ben"}


def test_errors_hold_none_of_the_keys(client: FlaskClient) -> None:
    keys = summary(client).keys()
    app = create_app(make_config(database_url="postgresql://127.0.0.1:1/none"))
    open_app(app)
    away = app.test_client().get("/api/summary")
    close_app(app)

    assert (away.status_code, keys & away.json.keys()) == (503, set())
