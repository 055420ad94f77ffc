"""A media server, and people who want some of what it has."""

from collections.abc import Iterator

import pytest

from tests.support.fake_media_server import FakeMediaServer
from tests.support.household import Household
from tests.support.media_servers import (
    WANTED,
    fill,
    running,
)


@pytest.fixture
def server() -> Iterator[FakeMediaServer]:
    """A media server that has all of the titles but one."""
    with running() as server:
        fill(server)
        yield server


@pytest.fixture
def wishful(household: Household) -> Household:
    """Ann wants all of the titles."""
    household.add("Ann", WANTED)
    household.sync()
    return household
