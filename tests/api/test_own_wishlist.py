"""PUT and DELETE /api/me/wishlist/{uid}: a person changes their own watchlist at Plex, and nobody else's."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.fake_actions import Actions
from tests.support.fake_pins import Pins
from tests.support.front_door import sign_in_with_plex
from tests.support.household import API_KEY, Household, token_of
from tests.support.plex_faults import reset, status
from tests.support.slow import first_quick
from tests.support.visitors import READ_KEY, visitor

ALPHA = f"plex://movie/{1:024x}"
PATH = f"/api/me/wishlist/{ALPHA}"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def cleo(client: FlaskClient, filled: Household, actions: Actions) -> Iterator[FlaskClient]:
    """Cleo, who wants nothing, signed in with Plex."""
    assert sign_in_with_plex(client, Pins(filled.plex), "cleo").status_code == 303
    filled.sync()
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    yield client


def titles_at_plex(household: Household, name: str) -> list[str]:
    return [row["title"] for row in household.plex.people[token_of(name)].rows]


def test_title_is_at_plex_and_shown_at_once(cleo: FlaskClient, filled: Household) -> None:
    reply = cleo.put(PATH)

    assert (reply.status_code, reply.json["uid"]) == (200, ALPHA)
    assert sorted(person["name"] for person in reply.json["wanted_by"]) == ["Ann", "Ben", "Cleo"]
    assert titles_at_plex(filled, "Cleo") == ["Alpha"]
    assert cleo.get(f"/api/wishlist/{ALPHA}").json["wanted_by"] == reply.json["wanted_by"]


def test_title_is_off_and_no_longer_shown_at_once(cleo: FlaskClient, filled: Household) -> None:
    cleo.put(PATH)

    reply = cleo.delete(PATH)

    assert reply.status_code == 200
    assert sorted(person["name"] for person in reply.json["wanted_by"]) == ["Ann", "Ben"]
    assert titles_at_plex(filled, "Cleo") == []
    assert "Alpha" in titles_at_plex(filled, "Ann")


@pytest.mark.slow
def test_asking_twice_changes_nothing_more(cleo: FlaskClient, filled: Household) -> None:
    assert cleo.put(PATH).json == cleo.put(PATH).json
    assert cleo.delete(PATH).json == cleo.delete(PATH).json
    events = filled.conn.execute(
        "SELECT kind FROM wishlist_events WHERE user_id = %s ORDER BY id DESC LIMIT 3", [filled.user("Cleo")["id"]]
    ).fetchall()
    assert [event["kind"] for event in events][:2] == ["removed", "added"]


@pytest.mark.slow
def test_next_sync_finds_nothing_to_change(cleo: FlaskClient, filled: Household) -> None:
    cleo.put(PATH)

    filled.sync()

    assert {result.outcome for result in filled.results} == {"unchanged"}


@pytest.mark.parametrize("method", first_quick(1, ["put", "delete"]))
def test_unknown_title(cleo: FlaskClient, actions: Actions, method: str) -> None:
    reply = getattr(cleo, method)(f"/api/me/wishlist/{999:024x}")

    assert (reply.status_code, reply.json["detail"][:14]) == (404, "No such title:")
    assert actions.added == actions.done == []


@pytest.mark.parametrize("method", ["put", "delete"])
@pytest.mark.parametrize("headers", first_quick(1, [{"X-API-Key": API_KEY}, {"X-API-Key": READ_KEY}, {}]))
def test_without_a_person(filled: Household, actions: Actions, method: str, headers: dict[str, str]) -> None:
    with visitor(filled, read_api_key=READ_KEY) as client:
        reply = getattr(client, method)(PATH, headers=headers)

    assert (reply.status_code, reply.json["detail"]) == (
        403,
        "This is for a person. Sign in with Plex; a key is of no person.",
    )
    assert actions.added == actions.done == []


@pytest.mark.slow
def test_person_without_a_token_of_their_own(cleo: FlaskClient, filled: Household, actions: Actions) -> None:
    filled.conn.execute(
        """
        UPDATE plex_users SET via_id = 1, via_source = 'home', token_fingerprint = NULL, token_masked = NULL
         WHERE name = 'Cleo'
        """
    )

    for reply in (cleo.put(PATH), cleo.delete(PATH)):
        assert (reply.status_code, "Sign in with Plex again." in reply.json["detail"]) == (409, True)
    assert actions.added == actions.done == []


@pytest.mark.parametrize(
    ("fault", "said"),
    first_quick(
        1,
        [
            (status(500), "Plex does not answer. Try again in a minute."),
            (reset, "Plex does not answer. Try again in a minute."),
            (status(429), "Plex asks to slow down. Try again in a few minutes."),
        ],
    ),
)
def test_plex_that_does_not_take_it(
    cleo: FlaskClient, filled: Household, actions: Actions, fault: object, said: str
) -> None:
    actions.faults.append(fault)

    reply = cleo.put(PATH)

    assert (reply.status_code, reply.json["detail"]) == (502, said)
    assert filled.titles("Cleo") == []


@pytest.mark.slow
def test_plex_that_confirms_and_does_nothing(cleo: FlaskClient, filled: Household, actions: Actions) -> None:
    actions.forgetful = True

    reply = cleo.put(PATH)

    assert (reply.status_code, "does not show the title" in reply.json["detail"]) == (502, True)
    assert filled.titles("Cleo") == []


@pytest.mark.slow
def test_refused_token_says_how_to_fix_it(cleo: FlaskClient, filled: Household, actions: Actions) -> None:
    filled.plex.people[token_of("Cleo")].account_status = 401
    actions.faults.append(status(401))

    reply = cleo.put(PATH)

    assert reply.status_code == 502
    assert reply.json["detail"] == (
        "Plex no longer accepts your sign-in here. Sign in with Plex again, then try again."
    )


@pytest.mark.slow
def test_title_that_plex_no_longer_knows(cleo: FlaskClient, actions: Actions) -> None:
    actions.unknown.add(ALPHA[-24:])

    reply = cleo.put(PATH)

    assert (reply.status_code, "no longer knows this title" in reply.json["detail"]) == (502, True)


@pytest.mark.parametrize(
    "headers", first_quick(1, [{}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.test"}])
)
def test_page_of_another_site_changes_nothing(cleo: FlaskClient, actions: Actions, headers: dict[str, str]) -> None:
    del cleo.environ_base["HTTP_SEC_FETCH_SITE"]

    assert cleo.put(PATH, headers=headers).status_code == 403
    assert cleo.delete(PATH, headers=headers).status_code == 403
    assert actions.added == actions.done == []


def test_member_changes_nothing_of_others(cleo: FlaskClient, filled: Household, actions: Actions) -> None:
    for method, path in (
        ("delete", f"/api/wishlist/{ALPHA}/watchlists"),
        ("patch", f"/api/wishlist/{ALPHA}"),
        ("patch", "/api/users/1"),
        ("delete", "/api/users/3"),
        ("post", "/api/invitations"),
        ("post", "/api/sync"),
    ):
        assert cleo.open(path, method=method.upper(), json={}).status_code == 403
    assert actions.done == []
