"""Telling people about refused tokens, with a link to renew them, and about held lists: once a change of state."""

import re
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from tests.support.fake_pins import Pin, Pins
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from tests.support.receivers import Receiver, receiver
from tests.support.tellers import Teller

MANY = [row(f"{number:x}", f"Film {number}") for number in range(1, 13)]


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def teller(household: Household, webhook: Receiver) -> Iterator[Teller]:
    telling = Teller(household, webhook.address)
    yield telling
    telling.close()


def refuse(household: Household, name: str) -> None:
    """Plex no longer accepts the person's token, and a sync finds out."""
    token = f"token-of-{name.lower()}-0123456789"
    household.plex.people[token].account_status = 401
    household.plex.people[token].always = status(401)
    household.sync(user_id=household.user(name)["id"])


def accept(household: Household, name: str) -> None:
    """Plex accepts it again."""
    person = household.plex.people[f"token-of-{name.lower()}-0123456789"]
    person.account_status, person.always = 200, None
    household.sync(user_id=household.user(name)["id"])


def test_refused_token_is_told_once_with_a_link_that_renews_it(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    pins = Pins(household.plex)
    household.add("Ann", MANY)
    household.sync()
    refuse(household, "Ann")

    teller.look()
    refuse(household, "Ann")
    teller.look()

    assert len(webhook.messages) == 1
    assert webhook.messages[0]["title"] == "Ann's token is refused"
    assert webhook.messages[0]["type"] == "warning"
    link = re.search(r"https://app\.plex\.tv/auth#\?(\S+)", webhook.bodies[0])
    assert link is not None
    new_token = "token-of-ann-renewed-0123456789"
    household.plex.add(new_token, rows=MANY).uuid = household.user("Ann")["plex_uuid"]
    pins.agree(parse_qs(link[1])["code"][0], new_token)
    wait_until(lambda: household.user("Ann")["sync_state"] == "never")
    assert household.sync().status == "succeeded"


def test_link_is_the_same_for_all_addresses(household: Household, webhook: Receiver) -> None:
    pins = Pins(household.plex)
    household.add("Ann")
    household.sync()
    with receiver() as other:
        telling = Teller(household, webhook.address, other.address)
        refuse(household, "Ann")

        telling.look()

        assert webhook.bodies == other.bodies
    assert len(pins.made) == 1
    telling.close()


def test_link_that_runs_out_before_it_was_sent_is_made_anew(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    def soon(pin: Pin) -> None:
        pin.seconds_left = 60

    pins = Pins(household.plex, on_made=soon)
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")
    webhook.statuses.append(500)

    teller.look()
    teller.retry()

    assert len(pins.made) == 2
    assert list(pins.made)[1] in webhook.bodies[0]


def test_refused_token_is_told_without_a_link_if_plex_makes_none(
    household: Household, webhook: Receiver, teller: Teller
) -> None:
    pins = Pins(household.plex)
    pins.making_faults.append(status(500))
    household.add("Ann")
    household.sync()
    refuse(household, "Ann")

    teller.look()

    user_id = household.user("Ann")["id"]
    assert webhook.bodies[0].endswith(f"POST /api/users/{user_id}/link (docs/api.md, 'Renew a token by link').")


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
        "if the next read shows the same, they are removed."
    ]


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
