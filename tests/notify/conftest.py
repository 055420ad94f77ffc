"""A webhook that takes messages, and a worker that sends them."""

from collections.abc import Iterator

import pytest

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.libraries import Arrivals
from tests.support.media_servers import running
from tests.support.receivers import Receiver, receiver
from tests.support.tellers import Teller

SCHEDULER = ("-m", "wishlist_service.scheduler")

ALPHA, BETA, GAMMA = row("a", "Alpha", year=1999), row("b", "Beta", year=None), row("c", "Gamma", year=2001)

MANY = [row(f"{number:x}", f"Film {number}") for number in range(1, 13)]


@pytest.fixture
def webhook() -> Iterator[Receiver]:
    with receiver() as receiving:
        yield receiving


@pytest.fixture
def teller(household: Household, webhook: Receiver) -> Iterator[Teller]:
    telling = Teller(household, webhook.address)
    yield telling
    telling.close()


@pytest.fixture
def home(household: Household, webhook: Receiver) -> Iterator[Arrivals]:
    """A household with a media server, whose looks are told to the webhook."""
    with running() as server:
        arrivals = Arrivals(household, server, webhook)
        yield arrivals
        arrivals.teller.close()
