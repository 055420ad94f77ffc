"""The simulated Plex's single titles."""

import pytest

from tests.support.fake_plex import row
from tests.support.fake_titles import Titles
from tests.support.household import Household

ANN, BEN = "token-of-ann-0123456789", "token-of-ben-0123456789"

ALPHA, BETA, GAMMA = (row(key, title, Guid=[]) for key, title in (("a", "Alpha"), ("b", "Beta"), ("c", "Gamma")))


@pytest.fixture
def titles(household: Household) -> Titles:
    return Titles(household.plex)
