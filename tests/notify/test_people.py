"""Messages to people's own addresses: to each their part, once, whatever happens to the others."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from tests.support.addresses import give
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.libraries import Arrivals
from tests.support.media_servers import running
from tests.support.plex_faults import status
from tests.support.receivers import Receiver, receiver
from tests.support.tellers import Teller

MATRIX, OTHER = row("a1", "The Matrix", year=1999), row("b2", "Other")
MANY = [row(f"{number:x}", f"Film {number}", year=2000) for number in range(1, 23)]


@pytest.fixture
def anns() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def bens() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


@pytest.fixture
def home(
    household: Household, webhook: Receiver, anns: Receiver, bens: Receiver, api: FlaskClient
) -> Iterator[Arrivals]:
    """Ann, Ben and Cleo, a media server that was looked at, and a webhook for Ann and for Ben."""
    with running() as server:
        arrivals = Arrivals(household, server, webhook)
        arrivals.want(Ann=[MATRIX], Ben=[MATRIX, OTHER], Cleo=[])
        arrivals.look()
        assert give(api, household, "Ann", anns.address).status_code == 200
        assert give(api, household, "Ben", bens.address).status_code == 200
        yield arrivals
        arrivals.teller.close()


def choose(household: Household, name: str, **told: bool) -> None:
    for what, value in told.items():
        household.conn.execute(f"UPDATE plex_users SET tell_{what} = %s WHERE name = %s", [value, name])


@pytest.mark.slow
def test_address_that_an_admin_sets_again_is_used_at_once(
    home: Arrivals, api: FlaskClient, anns: Receiver, webhook: Receiver
) -> None:
    home.household.conn.execute("UPDATE news_addresses SET anywhere = false WHERE user_id IS NOT NULL")
    home.come(MATRIX)
    home.look()
    refused = len(anns.messages)
    give(api, home.household, "Ann", anns.address)
    home.teller.retry()

    assert (refused, len(anns.messages)) == (0, 1)


def test_each_person_is_told_of_what_they_wanted(home: Arrivals, anns: Receiver, bens: Receiver) -> None:
    home.come(MATRIX)
    home.come(OTHER)

    home.look()
    home.look()

    matrix = "In the library now: The Matrix (1999). You have wanted it since 3 May."
    assert anns.bodies == [f"{matrix} Ben wants it too."]
    assert len(bens.bodies) == 1
    assert sorted(bens.bodies[0].splitlines()) == [
        "In the library now: Other (2000). You have wanted it since 3 May.",
        f"{matrix} Ann wants it too.",
    ]
    assert len(home.webhook.messages) == 1


@pytest.mark.slow
def test_more_than_20_titles_of_a_person_are_one_line(home: Arrivals, anns: Receiver, bens: Receiver) -> None:
    home.want(Ann=MANY)
    home.look()
    for film in MANY:
        home.come(film)
    home.look()

    [message] = anns.bodies
    assert message.startswith("22 titles that you wanted are in the library now: http://localhost:8000/arrived?since=")
    assert bens.bodies == []


@pytest.mark.slow
def test_address_that_fails_repeats_nothing_to_the_others_and_loses_nothing(
    home: Arrivals, anns: Receiver, bens: Receiver
) -> None:
    home.come(MATRIX)
    anns.statuses.append(503)
    home.look()
    home.come(OTHER)
    home.look()
    for _ in range(2):
        home.teller.retry()

    assert [len(anns.bodies), len(bens.bodies), len(home.webhook.messages)] == [1, 2, 2]
    assert len(anns.refused) == 1


@pytest.mark.slow
def test_person_chooses_what_they_are_told(home: Arrivals, anns: Receiver, bens: Receiver) -> None:
    choose(home.household, "Ann", available=False, new_wishes=True)
    choose(home.household, "Ben", trouble=False)
    home.come(MATRIX)
    home.household.plex.people["token-of-ann-0123456789"].rows = [OTHER, MATRIX]
    home.household.sync()
    home.look()
    choose(home.household, "Ann", available=True)
    home.look()

    assert anns.bodies == ["Ann wants Other (2000); 2 titles in all."]
    assert [body.partition(":")[0] for body in bens.bodies] == ["In the library now"]


@pytest.mark.slow
def test_person_is_told_of_trouble_with_their_own_list_only(home: Arrivals, anns: Receiver, bens: Receiver) -> None:
    ben = home.household.plex.people["token-of-ben-0123456789"]
    ben.account_status, ben.always = 401, status(401)
    for _ in range(2):
        home.household.sync()
        home.household.conn.execute("UPDATE plex_users SET token_refused_at = token_refused_at - interval '1 hour'")
    home.teller.look()

    assert anns.bodies == []
    assert [message["title"] for message in bens.messages] == ["Ben's token is refused"]
    assert [message["title"] for message in home.webhook.messages] == ["Ben's token is refused"]


@pytest.mark.slow
def test_new_address_is_not_told_what_was_before_and_a_removed_one_nothing_more(
    home: Arrivals, api: FlaskClient, anns: Receiver, bens: Receiver
) -> None:
    home.come(MATRIX)
    give(api, home.household, "Ben")
    home.look()
    give(api, home.household, "Ben", bens.address)
    give(api, home.household, "Ann", anns.address)  # as it was
    home.look()

    assert (len(anns.bodies), bens.bodies) == (1, [])


@pytest.mark.slow
def test_people_are_told_without_an_address_of_the_household(home: Arrivals, anns: Receiver) -> None:
    home.come(MATRIX)
    home.teller = Teller(home.household)
    home.look()
    home.look()

    assert len(anns.bodies) == 1
    assert home.webhook.messages == []


@pytest.mark.slow
def test_paused_person_is_told_nothing(home: Arrivals, anns: Receiver) -> None:
    home.household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Ann'")
    home.come(MATRIX)
    home.look()

    assert anns.bodies == []


def test_address_set_by_a_member_does_not_lead_to_this_network(home: Arrivals, anns: Receiver) -> None:
    home.household.conn.execute("UPDATE news_addresses SET anywhere = false WHERE user_id IS NOT NULL")
    home.come(MATRIX)
    home.look()

    failures = home.household.conn.execute("SELECT failures FROM news_addresses WHERE user_id IS NOT NULL").fetchall()
    assert anns.bodies == []
    assert [found["failures"] for found in failures] == [1, 1]
