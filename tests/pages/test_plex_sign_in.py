"""Signing in with Plex: whom the account decides to let in, and what each outcome says."""

import pytest
from flask.testing import FlaskClient

from tests.support.fake_pins import Pins
from tests.support.fake_plex import row
from tests.support.front_door import go_to_plex, sign_in_with_plex
from tests.support.household import Household, token_of


@pytest.fixture
def pins(household: Household) -> Pins:
    return Pins(household.plex)


def test_button_leads_to_plex_and_back_to_the_address_that_the_browser_used(client: FlaskClient, pins: Pins) -> None:
    asked = go_to_plex(client, headers={"Origin": "https://wishes.example.test", "Sec-Fetch-Site": "same-origin"})

    [pin] = pins.made.values()
    assert asked == {
        "clientID": pin.client_identifier,
        "code": pin.code,
        "context[device][product]": "Plex Wishlist Service",
        "forwardUrl": "https://wishes.example.test/sign-in/plex/back",
    }


def test_first_person_becomes_admin_and_lands_on_who_else(
    client: FlaskClient, household: Household, pins: Pins
) -> None:
    household.plex.add(token_of("Ann"), username="ann", rows=[row("1", "Alpha")])

    reply = sign_in_with_plex(client, pins, token_of("Ann"))

    assert (reply.status_code, reply.location) == (303, "/people/1/contacts")
    assert household.user("ann")["admin"] is True
    me = client.get("/api/me").json
    assert (me["role"], me["user"]["name"]) == ("admin", "ann")
