"""Who is let in when something changes while a browser is at Plex, and what Plex is told to forget."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.clients import MakeClient
from tests.support.fake_pins import Pins
from tests.support.fake_plex import Handler, row
from tests.support.front_door import OURS, come_back, come_back_together, go_to_plex, sign_in_with_plex
from tests.support.household import API_KEY, Household, token_of
from tests.support.processes import wait_until, waiting_for_locks
from tests.support.seen import Seen
from tests.support.slow import slow
from wishlist_service.queries.locks import lock_wishlist

KEY = {"X-API-Key": API_KEY}
CHANGED = "The people here were just changed. Try again."


@pytest.fixture
def pins(household: Household) -> Pins:
    """Ann is an admin, Ben is not. Plex knows Oz, too."""
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")])
    household.conn.execute("UPDATE plex_users SET admin = name = 'Ann'")
    household.plex.add(token_of("Oz"), username="oz")
    return Pins(household.plex)


def invite(client: FlaskClient, **body: object) -> str:
    """The path of an invitation."""
    return client.post("/api/invitations", json=body, headers=KEY).json["url"].removeprefix("http://localhost")


def said(reply: TestResponse) -> str:
    """What the page says; it has the button again."""
    page = Seen(reply)
    assert "Sign in with Plex" in [button.text for button in page.all("button")]
    return page.one("p", role="alert").text


def names(client: FlaskClient) -> list[str]:
    return [user["name"] for user in client.get("/api/users").json["items"]]


def meanwhile(household: Household, statement: str) -> None:
    """Make the database run the statement right after Ben got his new token. <ben> stands for his id."""
    household.conn.execute(f"""
        CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            {statement.replace("<ben>", "NEW.id")};
            RETURN NULL;
        END $$;
        CREATE TRIGGER meanwhile AFTER UPDATE OF plex_token ON plex_users FOR EACH ROW EXECUTE FUNCTION meanwhile()
        """)


def test_pause_by_an_admin_is_not_ended_by_a_sign_in_that_had_seen_a_pause_of_ones_own(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    household.conn.execute("UPDATE plex_users SET active = false, paused_by_self = true WHERE name = 'Ben'")
    asked = go_to_plex(client)
    token = pins.agree_as(asked["code"], "ben")

    with ThreadPoolExecutor(1) as threads, household.conn.transaction():
        lock_wishlist(household.conn)
        coming = threads.submit(come_back, client, asked)
        wait_until(lambda: waiting_for_locks(household.conn) or coming.done())
        household.conn.execute("UPDATE plex_users SET paused_by_self = false WHERE name = 'Ben'")
    reply = coming.result()

    assert (reply.status_code, said(reply)) == (422, CHANGED)
    assert household.user("Ben")["active"] is False
    assert pins.signed_out == [token]
    again = sign_in_with_plex(client, pins, "ben")
    assert (again.status_code, said(again)) == (403, "Ann has paused your list. Ask Ann.")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE plex_users SET active = false WHERE id = <ben>", "DELETE FROM plex_users WHERE id = <ben>"],
    ids=["paused", "erased"],
)
def test_person_who_is_paused_or_erased_before_the_session_begins_gets_none(
    client: FlaskClient, household: Household, pins: Pins, statement: str
) -> None:
    meanwhile(household, statement)

    reply = sign_in_with_plex(client, pins, "ben")

    assert (reply.status_code, said(reply)) == (422, CHANGED)
    assert "wishlist_session" not in str(reply.headers.getlist("Set-Cookie"))
    assert household.conn.execute("SELECT FROM sessions").fetchall() == []


def test_renewal_whose_person_is_erased_meanwhile_is_explained(client: FlaskClient, pins: Pins) -> None:
    asked = go_to_plex(client, path=invite(client, user_id=2))
    token = pins.agree_as(asked["code"], "ben")
    client.delete("/api/users/2?purge=true", headers=KEY)

    reply = come_back(client, asked)

    assert reply.status_code == 422
    assert said(reply) == "This invitation is no longer there. Ask for a new one. Try again."
    assert pins.signed_out == [token]


@pytest.mark.slow
def test_same_account_that_joins_twice_at_once_is_signed_in_twice(
    make_client: MakeClient, household: Household, pins: Pins
) -> None:
    clients = [make_client(), make_client()]
    path = invite(clients[0])
    asked = [go_to_plex(client, path=path) for client in clients]
    for each in asked:
        pins.agree_as(each["code"], "oz")

    replies = come_back_together(household, clients, asked)

    assert [reply.status_code for reply in replies] == [303, 303]
    assert names(clients[0]) == ["Ann", "Ben", "oz"]
    assert pins.signed_out == []


@pytest.fixture
def untold(household: Household, pins: Pins) -> Pins:
    """Plex has not told Ben's account yet."""
    household.conn.execute("""
        UPDATE plex_users
           SET plex_uuid = NULL, plex_username = NULL, account_checked = false
         WHERE name = 'Ben'
        """)
    return pins


@pytest.mark.parametrize("invited", [False, *slow(True)])
def test_person_whose_account_was_not_known_is_no_stranger(
    client: FlaskClient, household: Household, untold: Pins, invited: bool
) -> None:
    path = invite(client) if invited else "/sign-in/plex"

    reply = sign_in_with_plex(client, untold, "ben", path=path)

    assert reply.status_code == 303
    assert names(client) == ["Ann", "Ben"]
    assert client.get("/api/me").json["user"]["name"] == "Ben"
    assert household.user("Ben")["plex_username"] == "ben"
    left = client.get("/api/invitations", headers=KEY).json["items"]
    assert [each["uses_left"] for each in left] == [1] * invited


@pytest.mark.parametrize("invited", [False, *slow(True)])
def test_while_plex_does_not_tell_who_is_here_nobody_is_called_a_stranger_or_added(
    client: FlaskClient, household: Household, untold: Pins, invited: bool
) -> None:
    away: Callable[[Handler], None] = lambda handler: handler.send_json(503, {})  # noqa: E731
    household.plex.people[token_of("Ben")].account_faults.append(away)
    path = invite(client) if invited else "/sign-in/plex"

    reply = sign_in_with_plex(client, untold, "oz", path=path)

    assert reply.status_code == 422
    assert said(reply) == "Plex has not yet told the accounts of all people here. Try again."
    assert names(client) == ["Ann", "Ben"]
    assert len(untold.signed_out) == 1


def test_token_that_plex_refuses_keeps_nobody_else_out(client: FlaskClient, household: Household, untold: Pins) -> None:
    del household.plex.people[token_of("Ben")]

    stranger = sign_in_with_plex(client, untold, "oz")
    joined = sign_in_with_plex(client, untold, "oz", path=invite(client))

    assert (stranger.status_code, said(stranger)) == (403, "Nobody here has this Plex account. Nothing was stored.")
    assert joined.status_code == 303


@pytest.mark.slow
def test_plex_forgets_the_token_of_a_stranger_also_if_it_fails_at_first(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    forget = household.plex.routes["DELETE", "/api/v2/users/signout"]
    faults = [503, 503]
    household.plex.routes["DELETE", "/api/v2/users/signout"] = lambda handler: (
        handler.send_json(faults.pop(), {}) if faults else forget(handler)
    )

    sign_in_with_plex(client, pins, "oz")

    assert len(pins.signed_out) == 1


def test_plex_forgets_the_token_of_a_stranger_while_no_pins_may_be_made(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    asked = go_to_plex(client)
    token = pins.agree_as(asked["code"], "oz")
    tell = household.plex.routes["GET", "/api/v2/user"]
    other = client.application.test_client()

    def slow_down_meanwhile(handler: Handler) -> None:
        pins.making_faults.append(lambda making: making.send_json(429, {}, {"Retry-After": "60"}))
        assert other.post("/sign-in/plex", headers=OURS).status_code == 422
        tell(handler)

    household.plex.routes["GET", "/api/v2/user"] = slow_down_meanwhile

    come_back(client, asked)

    assert pins.signed_out == [token]


@pytest.mark.parametrize("taken", [False, *slow(True)])
def test_name_from_plex_is_as_long_as_a_name_may_be(
    client: FlaskClient, household: Household, pins: Pins, taken: bool
) -> None:
    household.plex.add(token_of("Long"), username="L" * 200)
    if taken:
        household.conn.execute("UPDATE plex_users SET name = %s WHERE name = 'Ben'", ["l" * 100])

    sign_in_with_plex(client, pins, "L" * 200, path=invite(client))

    assert names(client)[-1] == ("L" * 90 + " (2)" if taken else "L" * 100)
