"""Whatever Plex answers: no friend's wish is lost, and no list is stored under another person's name."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_friends import answer
from tests.support.neighbours import ANN, Neighbours
from tests.support.plex_faults import cut_off, reset, status

pytestmark = pytest.mark.slow

Step = Callable[[Neighbours], None]


def fault(reply: Any) -> Step:
    """The next question about a friend's list gets this instead, at every try."""

    def happen(neighbours: Neighbours) -> None:
        neighbours.friends.faults.extend([reply] * 3)

    return happen


def hidden(neighbours: Neighbours) -> None:
    neighbours.friends.hidden.add(neighbours.fay.uuid)


def forbidden(neighbours: Neighbours) -> None:
    neighbours.friends.forbidden.add(neighbours.fay.uuid)


def refused(neighbours: Neighbours) -> None:
    neighbours.plex.people.pop(ANN, None)


def revoked(neighbours: Neighbours) -> None:
    neighbours.home.revoke(neighbours.kim)


def wrong_person(neighbours: Neighbours) -> None:
    neighbours.home.revoke(neighbours.kim)
    neighbours.home.gives_instead = neighbours.ann


def switch_fails(neighbours: Neighbours) -> None:
    neighbours.home.revoke(neighbours.kim)
    neighbours.home.faults.append(status(503))


def paused(neighbours: Neighbours) -> None:
    neighbours.api.patch("/api/users/1", json={"active": False})


STEPS: list[Step] = [
    hidden,
    forbidden,
    refused,
    revoked,
    wrong_person,
    switch_fails,
    paused,
    fault(status(500)),
    fault(status(400)),
    fault(cut_off),
    fault(reset),
    fault(status(200, body=b"<html>", kind="text/html")),
    fault(answer(data=None, errors=[{"message": "Internal error"}])),
    fault(answer(data={"user": {"watchlist": {"nodes": [], "pageInfo": {"hasNextPage": False}}}})),
    fault(answer(data={"user": {"watchlist": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": "x"}}}})),
    fault(answer(data={"user": None})),
    fault(answer()),
]


def recover(neighbours: Neighbours) -> None:
    """All is well at Plex again."""
    neighbours.friends.hidden.clear()
    neighbours.friends.forbidden.clear()
    neighbours.friends.faults.clear()
    neighbours.home.faults.clear()
    neighbours.home.gives_instead = None
    neighbours.plex.people[ANN] = neighbours.ann
    neighbours.api.patch("/api/users/1", json={"active": True})
    neighbours.conn.execute("UPDATE sync_state SET next_switch_at = now()")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.booleans()), min_size=1, max_size=6))
def test_no_sequence_of_failures_takes_a_wish_or_mixes_people_up(
    neighbours: Neighbours, steps: list[tuple[int, bool]]
) -> None:
    """Each step is something that goes wrong, and whether all is well again before the next sync."""
    if neighbours.api.get("/api/users").json["total"] == 1:
        neighbours.add(neighbours.kim)
        neighbours.add(neighbours.fay)
        neighbours.household.sync()

    for number, well_again in steps:
        STEPS[number](neighbours)
        if well_again:
            recover(neighbours)
        neighbours.household.sync()

        assert neighbours.household.titles("Fay") == ["Delta"]
        assert neighbours.household.titles("Kim") == ["Gamma"]
        assert set(neighbours.household.titles("Ann")) <= {"Alpha"}
    recover(neighbours)
