"""DELETE /api/wishlist/{uid}/watchlists when Plex does not do it: nobody loses a wish, and the row says why."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_plex import FakePlex, Handler
from tests.support.household import Household
from tests.support.plex_faults import cut_off, reset, status
from tests.support.taking_off import ALPHA, PATH, events, take_off, wanted_by


@pytest.fixture
def actions(plex: FakePlex) -> Actions:
    """Where the simulated Plex takes titles off watchlists."""
    return Actions(plex)


@pytest.mark.parametrize(
    ("fault", "state", "text"),
    [
        (status(404, body=b"<h1>404</h1>"), "plex_changed", "HTTP 404"),
        (status(200, body=b"<html>Welcome to our hotel</html>"), "plex_changed", "login page"),
        (status(302, Location="http://elsewhere.example/"), "plex_changed", "HTTP 302"),
        (cut_off, "unreachable", "did not answer"),
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
    [(status(429, Retry_After="600"), "rate_limited"), (status(503), "unreachable"), (reset, "unreachable")],
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
    assert (unknown["state"], "does not know this title" in unknown["detail"]) == ("plex_changed", True)


def test_token_of_another_key_is_told_without_asking_plex(
    api: FlaskClient, filled: Household, actions: Actions
) -> None:
    filled.conn.execute("UPDATE plex_users SET plex_token = 'nonsense' WHERE name = 'Ann'")

    assert take_off(api) == [("Ann", "failed", "token_unreadable"), ("Ben", "removed", None)]
    assert actions.done == [("ben", ALPHA)]
