"""What cleaning programs must keep: everything that is wanted, or a refusal that names who is in doubt."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import API_KEY, Household
from tests.support.readers import PrepareOnce
from wishlist_service.app import close_app, create_app, open_app

PATH = "/feeds/protect.json"
MATRIX = row("1", "The Matrix", year=1999, Guid=[{"id": "imdb://tt0133093"}, {"id": "tmdb://603"}])
SHOW = row("2", "Severance", media_type="show", Guid=[{"id": "tvdb://371980"}])


def add_wanted(household: Household) -> None:
    """Ann wants a movie and a show, Ben the movie."""
    household.add("Ann", [SHOW, MATRIX])
    household.sync()
    household.add("Ben", [MATRIX])
    household.sync()


@pytest.fixture(scope="module")
def wanted_template(prepare_once: PrepareOnce) -> str:
    return prepare_once(add_wanted)


@pytest.fixture
def wanted(household: Household, wanted_template: str) -> Household:
    return household


def put(household: Household, name: str, **columns: Any) -> None:
    for column, value in columns.items():
        household.conn.execute(f"UPDATE plex_users SET {column} = %s WHERE name = %s", [value, name])


def test_everything_that_is_wanted_is_listed_with_its_ids_and_people(client: FlaskClient, wanted: Household) -> None:
    reply = client.get(PATH)

    assert reply.status_code == 200
    assert reply.json
    assert list(reply.json) == ["complete", "as_of", "unknown", "items"]
    assert (reply.json["complete"], reply.json["unknown"]) == (True, [])
    oldest = min(wanted.user(name)["last_success_at"] for name in ("Ann", "Ben"))
    assert reply.json["as_of"] == f"{oldest:%Y-%m-%dT%H:%M:%SZ}"
    by_title = {item["title"]: item for item in reply.json["items"]}
    assert by_title["The Matrix"] == {
        "uid": MATRIX["guid"],
        "media_type": "movie",
        "title": "The Matrix",
        "imdb_id": "tt0133093",
        "tmdb_id": 603,
        "tvdb_id": None,
        "wanted_by": ["Ann", "Ben"],
    }
    assert by_title["Severance"]["tvdb_id"] == 371980


def test_dismissed_titles_are_in_it_and_those_nobody_wants_are_not(client: FlaskClient, wanted: Household) -> None:
    wanted.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE title = 'The Matrix'")
    wanted.plex.people["token-of-ann-0123456789"].rows = [MATRIX]
    wanted.sync()

    reply = client.get(PATH)

    assert reply.json
    assert [item["title"] for item in reply.json["items"]] == ["The Matrix"]


def test_names_are_hidden_where_they_are_hidden_elsewhere(household: Household, wanted: Household) -> None:
    put(wanted, "Ben", sync_state="hidden")
    app = create_app(replace(household.config, names="hidden"))
    open_app(app)
    client = app.test_client()
    ann, ben = wanted.user("Ann")["id"], wanted.user("Ben")["id"]

    reply, admin = client.get(PATH), client.get(PATH, headers={"X-API-Key": API_KEY})
    put(wanted, "Ann", sync_state="held")
    refused = client.get(PATH)
    close_app(app)

    assert reply.json
    assert admin.json
    names = {name for item in reply.json["items"] for name in item["wanted_by"]}
    assert names == {f"Person {ann}", f"Person {ben}"}
    assert (reply.json["unknown"], admin.json["unknown"]) == ([f"Person {ben}"], ["Ben"])
    assert f"Person {ann} (held)" in refused.text
    assert "Ann" not in refused.text + reply.text


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"sync_state": "held"}, "held"),
        ({"sync_state": "token_rejected"}, "refused"),
        ({"sync_state": "token_unreadable"}, "refused"),
        ({"last_success_at": None}, "never read"),
        ({"last_success_at": "2026-01-01"}, "not read for more than a day"),
        ({"sync_state": "unreachable", "last_success_at": "2026-01-01"}, "not read for more than a day"),
    ],
)
def test_nothing_is_listed_while_somebody_s_wishes_are_in_doubt(
    client: FlaskClient, wanted: Household, columns: dict[str, Any], reason: str
) -> None:
    before = client.get(PATH).headers["ETag"]
    put(wanted, "Ben", **columns)

    reply = client.get(PATH, headers={"If-None-Match": before})

    assert (reply.status_code, reply.mimetype) == (503, "application/problem+json")
    assert reply.json
    assert reply.json["detail"].endswith(f"nothing should be deleted: Ben ({reason}).")
    assert "items" not in reply.json
    assert reply.headers["Retry-After"] == "60"


def test_held_list_blocks_also_while_plex_does_not_answer(client: FlaskClient, household: Household) -> None:
    ann = household.add("Ann", [row(f"{number:x}", f"Film {number}") for number in range(1, 30)])
    household.sync()
    ann.rows = []
    household.sync()
    held = client.get(PATH)
    household.plex.stop()
    household.sync()
    unreachable = client.get(PATH)

    assert household.user("Ann")["sync_state"] != "held"
    assert [reply.status_code for reply in (held, unreachable)] == [503, 503]
    assert "Ann (held)" in unreachable.text


def test_refused_list_blocks_also_while_plex_does_not_answer(client: FlaskClient, wanted: Household) -> None:
    put(wanted, "Ben", sync_state="unreachable", token_refused_at="2026-01-01")

    reply = client.get(PATH)

    assert reply.status_code == 503
    assert "Ben (refused)" in reply.text


def test_nothing_is_listed_when_nobody_is_here(client: FlaskClient, wanted: Household) -> None:
    wanted.conn.execute("UPDATE plex_users SET active = false")

    reply = client.get(PATH)

    assert reply.status_code == 503
    assert "nobody is here" in reply.text


def test_paused_people_block_nothing(client: FlaskClient, wanted: Household) -> None:
    put(wanted, "Ben", sync_state="token_rejected", active=False)

    reply = client.get(PATH)

    assert reply.status_code == 200
    assert "Ben" not in reply.text


@pytest.mark.parametrize("state", ["hidden", "no_watchlist"])
@pytest.mark.parametrize("was_read", [True, False])
def test_list_that_plex_does_not_show_blocks_nothing_and_is_named(
    client: FlaskClient, wanted: Household, state: str, was_read: bool
) -> None:
    before = client.get(PATH).headers["ETag"]
    put(wanted, "Ben", sync_state=state, last_success_at="2026-01-01" if was_read else None)

    reply = client.get(PATH, headers={"If-None-Match": before})

    assert reply.status_code == 200
    assert reply.json
    assert (reply.json["complete"], reply.json["unknown"]) == (False, ["Ben"])
    assert ["Ann", "Ben"] in [item["wanted_by"] for item in reply.json["items"]]


def test_reply_is_confirmed_until_it_changes(client: FlaskClient, wanted: Household) -> None:
    etag = client.get(PATH).headers["ETag"]
    same = client.get(PATH, headers={"If-None-Match": etag})
    wanted.add("Cleo", [])
    wanted.sync()

    assert same.status_code == 304
    assert client.get(PATH, headers={"If-None-Match": etag}).status_code == 200
    assert client.get(f"{PATH}?user=1").status_code == 422
