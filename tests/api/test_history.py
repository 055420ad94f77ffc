"""The history: what changed, the newest first, by person, title, kind and time."""

from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household, add_three_people
from tests.support.readers import Share, Shared
from wishlist_service.app import close_app, create_app, open_app


def events(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    reply = client.get(f"/api/history?{query}")
    assert reply.status_code == 200, reply.text
    return reply.json["items"]


def told(shown: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["user"]["name"], event["kind"], event["item"]["title"]) for event in shown]


@pytest.fixture
def eventful(filled: Household) -> Household:
    """As `filled`; then Gamma came back to Cleo, and Ben took Alpha off."""
    go_on(filled)
    return filled


def go_on(filled: Household) -> None:
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("3", "Gamma_Ray", year=None)]
    filled.sync()
    filled.plex.people["token-of-ben-0123456789"].rows.pop()
    filled.sync()


@pytest.fixture(scope="module")
def shared_eventful(share: Share) -> Shared:
    """The household of `eventful`, for tests that only read."""

    def prepare(household: Household) -> None:
        add_three_people(household)
        go_on(household)

    return share(prepare)


@pytest.fixture
def follower(shared_eventful: Shared) -> FlaskClient:
    return shared_eventful.client()


@pytest.fixture(scope="module")
def dated(share: Share) -> Shared:
    """The household of `eventful`, whose events happened at two moments."""

    def prepare(household: Household) -> None:
        add_three_people(household)
        go_on(household)
        household.conn.execute("UPDATE wishlist_events SET happened_at = '2026-03-01T12:00:00Z' WHERE kind = 'added'")
        household.conn.execute("UPDATE wishlist_events SET happened_at = '2026-03-02T00:00:00Z' WHERE kind <> 'added'")

    return share(prepare)


def test_history_tells_what_happened_the_newest_first(follower: FlaskClient) -> None:
    shown = events(follower)

    assert told(shown)[:2] == [("Ben", "removed", "Alpha"), ("Cleo", "came_back", "Gamma_Ray")]
    assert set(told(shown)[2:4]) == {("Cleo", "removed", "Gamma_Ray"), ("Cleo", "removed", "Epsilon")}
    # the order of their lists: what was added last is the newest here, too
    assert told(shown)[-3:] == [("Ann", "added", title) for title in ("Alpha", "beta 100%", "Gamma_Ray")]
    assert [event["id"] for event in shown] == sorted((event["id"] for event in shown), reverse=True)


def test_event_shows_title_person_run_and_time(reader: FlaskClient) -> None:
    event = events(reader, "user=1&item=movie/000000000000000000000001")[0]

    item = reader.get("/api/wishlist/movie/000000000000000000000001").json
    run = reader.get(f"/api/sync/runs/{event['run_id']}").json
    assert event["item"] == {name: item[name] for name in ("id", "uid", "media_type", "title", "year", "poster_url")}
    assert event["user"] == {"id": 1, "name": "Ann"}
    assert run["started_at"] <= event["happened_at"] <= run["finished_at"]


def test_first_import_is_marked_and_what_follows_is_not(client: FlaskClient, filled: Household) -> None:
    filled.plex.people["token-of-ben-0123456789"].rows.append(row("77", "Another"))
    filled.sync()

    first, *rest = events(client, "kind=added")

    assert (first["item"]["title"], first["first_import"]) == ("Another", False)
    assert {event["first_import"] for event in rest} == {True}


def test_what_is_done_here_is_of_no_run(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE wishlist_item_sources SET removed_at = now(), last_seen_at = now() WHERE user_id = 2")

    assert {event["run_id"] for event in events(client, "user=2&kind=removed")} == {None}


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 11),
        ("user=1", 3),
        ("user=1&user=2", 6),
        ("kind=added", 7),
        ("kind=removed", 3),
        ("kind=came_back", 1),
        ("item=plex://movie/000000000000000000000003", 4),
        ("item=000000000000000000000003", 4),
        ("item=plex%3A%2F%2Fmovie%2F000000000000000000000003&user=3&kind=removed", 1),
        ("item=show/000000000000000000000003", 0),
        ("item=00000000000000000000ffff", 0),
        ("since=2020-01-01", 11),
        ("since=9999-12-31T23:59:59Z", 0),
    ],
)
def test_each_filter_selects(follower: FlaskClient, query: str, count: int) -> None:
    assert len(events(follower, query)) == count


def test_filters_agree_with_the_events_they_select(follower: FlaskClient) -> None:
    everything = events(follower)

    for kind in ("added", "removed", "came_back"):
        assert events(follower, f"kind={kind}") == [event for event in everything if event["kind"] == kind]
    for user_id in (1, 2, 3):
        assert events(follower, f"user={user_id}") == [event for event in everything if event["user"]["id"] == user_id]
    for uid in {event["item"]["uid"] for event in everything}:
        assert events(follower, f"item={uid}") == [event for event in everything if event["item"]["uid"] == uid]


@pytest.mark.parametrize(
    ("moment", "a_second_later"),
    [
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:01Z"),
        ("2026-03-01t12:00:00.000000z", "2026-03-01T12:00:00.000001z"),
        ("2026-03-01%2014:30:00%2B02:30", "2026-03-01%2014:30:01%2B02:30"),
        ("2026-03-01T02:00:00-10:00", "2026-03-01T02:00:01-10:00"),
        ("2026-03-01", "2026-03-02"),
    ],
)
def test_since_takes_a_moment_or_a_day_and_includes_it(dated: Shared, moment: str, a_second_later: str) -> None:
    client = dated.client()

    assert (len(events(client, f"since={moment}")), len(events(client, f"since={a_second_later}"))) == (11, 4)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("since=2026-13-01", "since"),
        ("since=2026-W10", "since"),
        ("since=20260301", "since"),
        ("since=2026-03-01T12:00:00", "since"),
        ("since=2026-03-01T12:00:00+00:00", "since"),  # a plus in an address is a space
        ("since=2026-03-01T12:00Z", "since"),
        ("since=2026-03-01T24:30:00Z", "since"),
        ("since=0000-01-01", "since"),
        ("since=", "since"),
        ("item=The%20Matrix", "item"),
        ("item=", "item"),
        ("kind=changed", "kind"),
        ("user=9", "user"),
        ("user=x", "user"),
        ("limit=501", "limit"),
        ("after=x", "after"),
        ("search=a", "search"),
    ],
)
def test_nonsense_is_refused(reader: FlaskClient, query: str, field: str) -> None:
    reply = reader.get(f"/api/history?{query}")

    assert reply.status_code == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


@pytest.mark.parametrize("limit", [1, 3, 10, 11, 12])
@pytest.mark.parametrize("query", ["", "user=1&user=3", "kind=added", "since=2020-01-01"])
def test_pages_by_cursor_are_the_whole_history(follower: FlaskClient, query: str, limit: int) -> None:
    whole = events(follower, query)
    reply = follower.get(f"/api/history?{query}&limit={limit}").json
    shown = reply["items"]
    while reply["next"]:
        reply = follower.get(f"/api/history?{query}&limit={limit}&after={reply['next']}").json
        assert reply["items"], "a page that had been announced is empty"
        shown += reply["items"]

    assert shown == whole


def test_what_happens_meanwhile_repeats_nothing(client: FlaskClient, eventful: Household) -> None:
    whole = events(client)
    first = client.get("/api/history?limit=5").json
    eventful.plex.people["token-of-ann-0123456789"].rows.pop()
    eventful.sync()

    rest = events(client, f"after={first['next']}")

    assert first["items"] + rest == whole
    assert len(events(client)) == len(whole) + 1


@pytest.mark.slow
def test_paused_people_and_dismissed_titles_stay_in_the_history(api: FlaskClient, eventful: Household) -> None:
    whole = events(api)

    assert api.delete("/api/users/3").status_code == 204
    eventful.conn.execute("UPDATE wishlist_items SET dismissed_at = now() WHERE title = 'Alpha'")

    assert events(api) == whole


def test_erased_people_and_titles_leave_it(api: FlaskClient, eventful: Household) -> None:
    assert api.delete("/api/users/3?purge=true").status_code == 204

    assert {event["user"]["name"] for event in events(api)} == {"Ann", "Ben"}
    assert "Epsilon" not in {event["item"]["title"] for event in events(api)}
    assert eventful.conn.execute("SELECT FROM wishlist_events WHERE user_id = 3").rowcount == 0


def test_history_shows_present_names_and_titles(api: FlaskClient, filled: Household) -> None:
    first = api.get("/api/history")
    assert api.patch("/api/users/1", json={"name": "Anna"}).status_code == 200
    filled.plex.people["token-of-ann-0123456789"].rows[0]["title"] = "Alpha II"
    filled.sync()

    again = api.get("/api/history", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 200
    assert ("Anna", "added", "Alpha II") in told(again.json["items"])


def test_etag_confirms_an_unchanged_history(reader: FlaskClient) -> None:
    first = reader.get("/api/history?limit=2")

    assert reader.get("/api/history?limit=2", headers={"If-None-Match": first.headers["ETag"]}).status_code == 304


def test_names_may_be_hidden(filled: Household) -> None:
    app = create_app(replace(filled.config, names="hidden"))
    open_app(app)

    shown = events(app.test_client(), "user=1")
    close_app(app)

    assert {event["user"]["name"] for event in shown} == {"Person 1"}
