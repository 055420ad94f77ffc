"""DELETE /api/wishlist/{uid}/watchlists: a title taken off the watchlists of those who have it, or not, and why."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_plex import Handler
from tests.support.household import Household
from tests.support.plex_faults import cut_off, reset, status
from tests.support.processes import gunicorn, kill_all, request, settings_for
from tests.support.slow import slow
from tests.support.taking_off import ALPHA, PATH, events, take_off, wanted_by
from wishlist_service.sync import claims
from wishlist_service.sync.person import read_user, store_user


def test_title_leaves_every_list_it_is_on_and_the_wishlist(
    api: FlaskClient, filled: Household, actions: Actions
) -> None:
    assert take_off(api) == [("Ann", "removed", None), ("Ben", "removed", None)]

    assert actions.done == [("ann", ALPHA), ("ben", ALPHA)]
    assert wanted_by(api) == []
    assert events(filled) == [("removed", None), ("removed", None)]
    run = filled.sync()
    assert (run.new_items, run.removed_items, run.errors) == (0, 0, [])
    assert [result.outcome for result in filled.results] == ["unchanged"] * 3
    assert events(filled) == [("removed", None), ("removed", None)]


def test_only_those_who_are_named_are_asked_for(api: FlaskClient, filled: Household, actions: Actions) -> None:
    ids = [filled.user(name)["id"] for name in ("Ben", "Cleo")]

    assert take_off(api, user=ids) == [("Ben", "removed", None), ("Cleo", "not_on_list", None)]

    assert actions.done == [("ben", ALPHA)]
    assert wanted_by(api) == ["Ann"]


def test_dry_run_asks_and_changes_nothing(api: FlaskClient, filled: Household, actions: Actions) -> None:
    asked = len(filled.plex.asked)

    assert take_off(api, dry_run="true") == [("Ann", "would_be_removed", None), ("Ben", "would_be_removed", None)]

    assert len(filled.plex.asked) == asked
    assert wanted_by(api) == ["Ann", "Ben"]


def test_second_time_there_is_nothing_to_do(api: FlaskClient, filled: Household, actions: Actions) -> None:
    take_off(api)

    assert take_off(api) == []
    assert take_off(api, user=filled.user("Ann")["id"]) == [("Ann", "not_on_list", None)]
    assert len(actions.done) == len(events(filled)) == 2


def test_title_and_people_must_exist(api: FlaskClient, filled: Household, actions: Actions) -> None:
    assert api.delete(f"/api/wishlist/{999:024x}/watchlists").status_code == 404
    unknown = api.delete(PATH, query_string={"user": 999})
    assert (unknown.status_code, unknown.json["errors"]) == (422, [{"field": "user", "detail": "No user has id 999."}])
    assert actions.done == []


@pytest.mark.parametrize("spelling", ["plex://movie/", "plex%3A%2F%2Fmovie%2F", *slow("plex:/movie/", "movie/", "")])
def test_every_spelling_of_the_uid_is_understood(
    api: FlaskClient, filled: Household, actions: Actions, spelling: str
) -> None:
    assert len(take_off(api, f"/api/wishlist/{spelling}{ALPHA}/watchlists")) == 2


def test_list_read_before_and_stored_after_brings_nothing_back(
    api: FlaskClient, filled: Household, actions: Actions
) -> None:
    filled.plex.people["token-of-ann-0123456789"].rows.reverse()
    filled.conn.execute("UPDATE plex_users SET list_etag = NULL")
    claimed = claims.claim(filled.config, trigger="command")
    [ann] = [person for person in claimed.people if person.name == "Ann"]
    read = read_user(ann, filled.plex_client, filled.cipher, database_url="", on_page=lambda *_: None)
    assert read.watchlist is not None
    assert ALPHA in {entry.uid[-24:] for entry in read.watchlist.entries}

    take_off(api)
    store = partial(store_user, claimed.conn, ann, run_id=claimed.run_id, due_again_in=timedelta(hours=6))
    result = store(lambda: read)
    claimed.conn.close()

    assert result.outcome == "skipped"
    assert wanted_by(api) == []
    assert filled.sync().errors == []
    assert wanted_by(api) == []
    assert events(filled) == [("removed", None)] * 2


@pytest.mark.slow
def test_list_that_plex_calls_unchanged_before_counts_as_nothing_after(
    api: FlaskClient, filled: Household, actions: Actions
) -> None:
    claimed = claims.claim(filled.config, trigger="command")
    [ann] = [person for person in claimed.people if person.name == "Ann"]
    read = read_user(
        ann, filled.plex_client, filled.cipher, database_url="", on_page=lambda *_: None, etag=ann.list_etag
    )
    assert read.watchlist is None

    take_off(api)
    result = store_user(claimed.conn, ann, lambda: read, run_id=claimed.run_id, due_again_in=timedelta(hours=6))
    claimed.conn.close()

    assert result.outcome == "skipped"
    assert filled.user("Ann")["list_etag"] is None


@pytest.mark.slow
def test_two_at_once_take_it_off_once_each(api: FlaskClient, filled: Household, actions: Actions) -> None:
    together = threading.Barrier(2, timeout=30)

    def wait(_key: str) -> None:
        together.wait()

    actions.after = wait

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(take_off, [api, api]))

    assert both == [[("Ann", "removed", None), ("Ben", "removed", None)]] * 2
    assert events(filled) == [("removed", None)] * 2


@pytest.mark.slow
def test_api_killed_between_plex_and_the_database_is_mended_by_the_next_sync(
    filled: Household, actions: Actions
) -> None:
    off, go_on = threading.Event(), threading.Event()

    def hang(_key: str) -> None:
        off.set()
        go_on.wait(60)

    actions.after = hang
    with gunicorn(settings_for(filled)) as (api, address), ThreadPoolExecutor(1) as pool:
        headers = {"X-API-Key": filled.config.api_key}
        answer = pool.submit(request, "DELETE", f"{address}{PATH}", headers=headers)
        assert off.wait(30)
        kill_all(api.process.pid)
        go_on.set()
        assert answer.exception(30) is not None
    assert events(filled) == []

    run = filled.sync()

    assert events(filled) == [("removed", run.id)]
    assert filled.titles("Ann") == ["Gamma_Ray", "beta 100%"]
    assert "Alpha" in filled.titles("Ben")


@pytest.mark.parametrize(
    ("fault", "state", "text"),
    [
        (status(404, body=b"<h1>404</h1>"), "plex_changed", "HTTP 404"),
        *slow(
            (status(200, body=b"<html>Welcome to our hotel</html>"), "plex_changed", "login page"),
            (status(302, Location="http://elsewhere.example/"), "plex_changed", "HTTP 302"),
            (cut_off, "unreachable", "was cut short"),
        ),
    ],
    ids=["moved", "login page", "redirect", "cut off"],
)
def test_answer_that_is_none_leaves_the_wish_and_the_others_are_asked_for_or_not(
    api: FlaskClient,
    filled: Household,
    actions: Actions,
    fault: Callable[[Handler], None],
    state: str,
    text: str,
) -> None:
    actions.faults.append(fault)

    reply = api.delete(PATH)

    away = state == "unreachable"
    ann, ben = reply.json["items"]
    assert reply.status_code == (502 if away else 200)
    assert (ann["outcome"], ann["state"]) == ("failed", state)
    assert text in ann["detail"]
    assert ben["outcome"] == ("failed" if away else "removed")
    assert wanted_by(api) == (["Ann", "Ben"] if away else ["Ann"])


@pytest.mark.parametrize(
    ("fault", "state"),
    [(status(429, Retry_After="600"), "rate_limited"), *slow((status(503), "unreachable"), (reset, "unreachable"))],
    ids=["429", "503", "reset"],
)
def test_plex_that_is_away_is_asked_once_and_nobody_loses_a_wish(
    api: FlaskClient, filled: Household, actions: Actions, fault: Callable[[Handler], None], state: str
) -> None:
    actions.faults.append(fault)

    reply = api.delete(PATH)

    assert (reply.status_code, reply.mimetype) == (502, "application/problem+json")
    assert [(row["outcome"], row["state"]) for row in reply.json["items"]] == [("failed", state)] * 2
    assert len([asked for asked in filled.plex.asked if asked.method == "PUT"]) == 1
    assert wanted_by(api) == ["Ann", "Ben"]
    assert events(filled) == []


def test_dead_token_and_unknown_title_are_told_apart(api: FlaskClient, filled: Household, actions: Actions) -> None:
    filled.plex.people.pop("token-of-ann-0123456789")
    assert take_off(api) == [("Ann", "failed", "token_rejected"), ("Ben", "removed", None)]

    actions.unknown.add(ALPHA)
    reply = api.delete(PATH, query_string={"user": filled.user("Ben")["id"]})
    assert reply.json["items"][0]["outcome"] == "not_on_list"
    filled.plex.add("token-of-ann-0123456789")
    [unknown] = api.delete(PATH).json["items"]
    assert (unknown["state"], "no longer knows this title" in unknown["detail"]) == ("plex_changed", True)


@pytest.mark.slow
def test_token_of_another_key_is_told_without_asking_plex(
    api: FlaskClient, filled: Household, actions: Actions
) -> None:
    filled.conn.execute("UPDATE plex_users SET plex_token = 'nonsense' WHERE name = 'Ann'")

    assert take_off(api) == [("Ann", "failed", "token_unreadable"), ("Ben", "removed", None)]
    assert actions.done == [("ben", ALPHA)]
