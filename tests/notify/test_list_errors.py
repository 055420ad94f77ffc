"""Refused tokens, held lists and lists that could not be read for a day: told once, and once more when it is over."""

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.receivers import Receiver, receiver
from tests.support.seen import browse
from tests.support.tellers import Teller
from wishlist_service.queries.invitations import store_own_address

SCHEDULER = ("-m", "wishlist_service.scheduler")

ALPHA, BETA, GAMMA = row("a", "Alpha", year=1999), row("b", "Beta", year=None), row("c", "Gamma", year=2001)

MANY = [row(f"{number:x}", f"Film {number}") for number in range(1, 13)]


def refuse(household: Household, name: str, *, times: int = 2) -> None:
    """Plex no longer accepts the person's token, and so many syncs, 10 minutes apart, find out."""
    token = f"token-of-{name.lower()}-0123456789"
    household.plex.people[token].account_status = 401
    household.plex.people[token].always = status(401)
    for _ in range(times):
        household.conn.execute("UPDATE plex_users SET token_refused_at = token_refused_at - interval '10 minutes'")
        household.sync(user_id=household.user(name)["id"])


def accept(household: Household, name: str) -> None:
    """Plex accepts it again."""
    person = household.plex.people[f"token-of-{name.lower()}-0123456789"]
    person.account_status, person.always = 200, None
    household.sync(user_id=household.user(name)["id"])


def know_address(household: Household) -> None:
    """An admin has signed in at this address."""
    store_own_address(household.conn, address="http://nas.local:8000")


def test_refused_token_is_told_once_with_an_invitation_that_renews_it(
    household: Household, webhook: Receiver, teller: Teller, client: FlaskClient
) -> None:
    know_address(household)
    household.add("Ann", MANY)
    household.sync()
    refuse(household, "Ann")

    teller.look()
    refuse(household, "Ann")
    teller.look()

    assert len(webhook.messages) == 1
    assert webhook.messages[0]["title"] == "Ann's token is refused"
    assert webhook.messages[0]["type"] == "warning"
    link = re.search(r"signs in with Plex as ann here: http://nas\.local:8000(/join/\S+)\n", webhook.bodies[0])
    assert link is not None
    assert "Sign in again, Ann" in browse(client, link[1]).one("h1").text
    [invitation] = household.conn.execute("SELECT user_id, uses_left FROM invitations").fetchall()
    assert invitation == {"user_id": household.user("Ann")["id"], "uses_left": 1}


@pytest.mark.slow
def test_public_url_wins_over_the_address_of_an_admin(household: Household, webhook: Receiver) -> None:
    know_address(household)
    household.add("Ann")
    household.sync()
    config = replace(household.config, public_url="https://wishes.example.org", url_base="/wishes")
    telling = Teller(replace(household, config=config), webhook.address)
    refuse(household, "Ann")

    telling.look()

    assert " here: https://wishes.example.org/wishes/join/" in webhook.bodies[0]
    telling.close()


def test_invitation_is_the_same_for_all_addresses(household: Household, webhook: Receiver) -> None:
    know_address(household)
    household.add("Ann")
    household.sync()
    with receiver() as other:
        telling = Teller(household, webhook.address, other.address)
        refuse(household, "Ann")

        telling.look()

        assert webhook.bodies == other.bodies
    assert household.conn.execute("SELECT FROM invitations").rowcount == 1
    telling.close()


@pytest.mark.slow
def test_invitation_that_no_longer_works_before_it_was_sent_is_made_anew(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    know_address(household)
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")
    webhook.statuses.append(500)

    teller.look()
    teller.retry()
    household.conn.execute("UPDATE invitations SET expires_at = now()")
    refuse(household, "Ann")
    webhook.statuses.append(500)
    household.conn.execute("UPDATE news_addresses SET change_id = 0")
    teller.retry()

    assert household.conn.execute("SELECT FROM invitations").rowcount == 2


@pytest.mark.slow
def test_refused_token_is_told_without_an_address_before_an_admin_was_here(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")

    teller.look()

    assert webhook.bodies[0].endswith("Their wishes stay. To renew the token, open the People page.")
    assert household.conn.execute("SELECT FROM invitations").rowcount == 0


@pytest.mark.slow
def test_no_invitation_is_sent_for_a_person_whose_account_was_never_known(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    know_address(household)
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")
    household.conn.execute("UPDATE plex_users SET plex_uuid = NULL, plex_username = NULL")

    teller.look()

    assert webhook.bodies[0].endswith("no invitation is sent here. To renew the token, open the People page.")
    assert household.conn.execute("SELECT FROM invitations").rowcount == 0


@pytest.mark.slow
def test_refused_again_is_told_again_and_mended_meanwhile_is_not(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")
    accept(household, "Ann")
    teller.look()
    unsent = len(webhook.messages)

    refuse(household, "Ann")
    teller.look()
    accept(household, "Ann")
    refuse(household, "Ann")
    teller.look()

    assert unsent == 0
    assert len(webhook.messages) == 2


@pytest.mark.slow
def test_plex_being_away_between_is_no_change(household: Household, webhook: Receiver, teller: Teller) -> None:
    ann = household.add("Ann")
    household.sync()
    refuse(household, "Ann")
    teller.look()

    ann.account_status, ann.always = 200, status(500)
    household.sync(user_id=household.user("Ann")["id"])
    away = household.user("Ann")["sync_state"]
    refuse(household, "Ann")
    teller.look()

    assert away == "unreachable"
    assert household.user("Ann")["sync_state"] == "token_rejected"
    assert len(webhook.messages) == 1


def test_held_list_is_told_once(household: Household, webhook: Receiver, teller: Teller) -> None:
    ann = household.add("Ann", MANY)
    household.sync()
    ann.rows = MANY[:2]
    household.sync()
    ann.rows = MANY[:3]
    household.sync()

    teller.look()
    teller.look()

    assert webhook.bodies == [
        "Ann's watchlist is held. 10 of 12 titles are missing from the watchlist at once. They are kept for now; "
        "if the next full read shows the same, they are removed."
    ]


@pytest.mark.slow
def test_what_is_so_before_an_upgrade_or_is_erased_is_not_told(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")
    household.conn.execute("DELETE FROM plex_users")

    teller.look()

    assert webhook.messages == []
    assert household.conn.execute("SELECT FROM sync_state_changes").rowcount == 0


@pytest.mark.slow
def test_one_refusal_or_two_close_together_are_not_told(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    household.add("Ann")
    household.sync()
    refuse(household, "Ann", times=1)
    household.sync()
    teller.look()
    assert household.user("Ann")["sync_state"] == "token_rejected"
    assert webhook.messages == []

    accept(household, "Ann")
    refuse(household, "Ann", times=1)
    teller.look()
    assert webhook.messages == []

    refuse(household, "Ann", times=1)
    teller.look()
    assert [message["title"] for message in webhook.messages] == ["Ann's token is refused"]


def a_day_passes(household: Household) -> None:
    household.conn.execute("UPDATE plex_users SET last_success_at = last_success_at - interval '25 hours'")


def fail(household: Household, name: str, code: int) -> None:
    """A sync meets this status of the person's list."""
    household.plex.people[f"token-of-{name.lower()}-0123456789"].always = status(code)
    household.sync()


@pytest.mark.slow
@pytest.mark.parametrize("code", [500, 404])
def test_list_that_could_not_be_read_for_a_day_is_told_once_and_once_more_when_that_is_over(
    household: Household, webhook: Receiver, teller: Teller, code: int
) -> None:
    household.add("Ann", MANY)
    household.sync()
    fail(household, "Ann", code)
    teller.look()
    assert webhook.messages == []

    a_day_passes(household)
    for _ in range(2):
        fail(household, "Ann", code)
        teller.look()
    fail(household, "Ann", 502)
    teller.look()
    assert [message["title"] for message in webhook.messages] == ["Ann's watchlist could not be read for a day"]
    assert webhook.messages[0]["type"] == "warning"
    assert f"HTTP {code}" in webhook.bodies[0]

    accept(household, "Ann")
    household.sync()
    teller.look()
    teller.look()
    assert [message["title"] for message in webhook.messages[1:]] == ["Ann's watchlist is read again"]
    assert (webhook.bodies[1], webhook.messages[1]["type"]) == ("Ann's watchlist is read again.", "info")


@pytest.mark.slow
def test_what_was_over_before_it_was_told_is_not_told(household: Household, webhook: Receiver, teller: Teller) -> None:
    household.add("Ann", MANY)
    household.sync()
    a_day_passes(household)
    fail(household, "Ann", 500)
    accept(household, "Ann")

    teller.look()

    assert webhook.messages == []


@pytest.mark.slow
def test_refused_token_that_was_told_counts_as_told(household: Household, webhook: Receiver, teller: Teller) -> None:
    household.add("Ann", MANY)
    household.sync()
    refuse(household, "Ann")
    teller.look()
    a_day_passes(household)
    refuse(household, "Ann")
    fail(household, "Ann", 500)
    teller.look()
    assert [message["title"] for message in webhook.messages] == ["Ann's token is refused"]

    accept(household, "Ann")
    teller.look()
    assert [message["title"] for message in webhook.messages[1:]] == ["Ann's watchlist is read again"]


def test_person_who_was_never_read_is_told_of_a_day_after_they_were_added(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    household.add("Ann", MANY)
    household.conn.execute("UPDATE plex_users SET created_at = now() - interval '25 hours'")
    fail(household, "Ann", 500)

    teller.look()

    assert [message["title"] for message in webhook.messages] == ["Ann's watchlist could not be read for a day"]


@pytest.mark.slow
def test_account_without_a_watchlist_is_never_told(household: Household, webhook: Receiver, teller: Teller) -> None:
    household.add("Ann", MANY)
    household.sync()
    a_day_passes(household)
    fail(household, "Ann", 403)

    teller.look()

    assert household.user("Ann")["sync_state"] == "no_watchlist"
    assert webhook.messages == []
