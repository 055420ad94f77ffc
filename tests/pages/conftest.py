"""Pages say when no scheduler runs, so one seems to run beside each of these tests."""

from collections.abc import Iterator

import pytest
from psycopg import connect


@pytest.fixture(autouse=True)
def scheduler(request: pytest.FixtureRequest) -> Iterator[None]:
    """A connection of the name by which the service knows its scheduler."""
    if not {"database_url", "household", "client"} & {*request.fixturenames}:
        yield
        return
    url = request.getfixturevalue("database_url")
    with connect(url, autocommit=True, application_name="plex-wishlist-scheduler"):
        yield
