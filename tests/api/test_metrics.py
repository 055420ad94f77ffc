"""The numbers for Prometheus are right, whichever worker answers."""

import re

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import call, environment, free_port, gunicorn, request


def samples(text: str) -> dict[str, float]:
    """The samples by name and labels; each line must be one or a comment."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = dict(re.fullmatch(r"(\S+?(?:\{.*\})?) (\S+)", line).groups() for line in lines)  # type: ignore[union-attr]
    return {name: float(value) for name, value in found.items()}


def test_items_people_runs_and_requests_are_counted(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta", media_type="show")])
    household.add("Ben").always = status(404)
    household.add("Cleo", [row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")
    household.sync()
    household.sync()
    household.conn.execute(
        """
        UPDATE plex_users SET last_success_at = now() - interval '100 s' WHERE name = 'Ann';
        UPDATE sync_runs SET finished_at = started_at + interval '2 s'
        """
    )

    reply = client.get("/metrics")
    found = samples(reply.text)

    assert reply.mimetype == "text/plain"
    assert (found['wishlist_items{type="movie"}'], found['wishlist_items{type="show"}']) == (1, 1)
    assert found['wishlist_users{state="ok"}'] == found['wishlist_users{state="plex_changed"}'] == 1
    assert found['wishlist_users{state="paused"}'] == 1
    assert 100 <= found['wishlist_seconds_since_last_success{name="Ann",user="1"}'] < 130
    assert 0 <= found['wishlist_seconds_since_last_success{name="Ben",user="2"}'] < 60  # since they were added
    assert found['wishlist_sync_duration_seconds_count{status="partial"}'] == 2
    assert found['wishlist_sync_duration_seconds_sum{status="partial"}'] == 4
    assert found['wishlist_plex_requests_total{outcome="ok"}'] == 1
    assert found['wishlist_plex_requests_total{outcome="not_modified"}'] == 1
    assert found['wishlist_plex_requests_total{outcome="refused"}'] == 2


def test_empty_household_has_numbers_too(client: FlaskClient) -> None:
    found = samples(client.get("/metrics").text)

    assert found['wishlist_items{type="movie"}'] == 0


@pytest.mark.slow
def test_requests_are_counted_by_route_over_all_workers(household: Household) -> None:
    env = environment(household.config.database_url, household.plex.url, PORT=str(free_port()), WEB_WORKERS="2")
    with gunicorn(env) as (_api, address):
        for n in range(40):
            call("GET", f"{address}/api/users?limit={n + 1}")
        call("GET", f"{address}/api/users/99")
        for path in ("nothing", "secret-path"):
            call("GET", f"{address}/{path}")
        texts = [request("GET", f"{address}/metrics").body.decode() for _ in range(6)]

    for text in texts:
        found = samples(text)
        assert found['wishlist_http_requests_total{method="GET",route="/api/users",status="200"}'] == 40
        assert found['wishlist_http_requests_total{method="GET",route="/api/users/<id:user_id>",status="404"}'] == 1
        assert found['wishlist_http_requests_total{method="GET",route="unknown",status="404"}'] == 2
        assert "secret-path" not in text
