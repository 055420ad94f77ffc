"""People with addresses of their own, and a signed-in member."""

from typing import Any

from flask.testing import FlaskClient

from tests.support.fake_pins import Pins
from tests.support.front_door import sign_in_with_plex
from tests.support.household import Household


def sign_in_as(client: FlaskClient, household: Household, name: str) -> FlaskClient:
    """The client, in which this person has signed in with Plex."""
    assert sign_in_with_plex(client, Pins(household.plex), name.lower()).status_code == 303
    client.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    return client


def give(api: FlaskClient, household: Household, name: str, *urls: str) -> Any:
    """Give a person these addresses; the reply."""
    return api.patch(f"/api/users/{household.user(name)['id']}", json={"notify_urls": list(urls)})
