"""What tests of pages share: a scheduler that seems to run, a browser, and a household of twelve people."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser
from psycopg import Connection, connect
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from tests.support.browser import chromium
from tests.support.fake_actions import Actions
from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household, household_at
from tests.support.processes import gunicorn, settings_for
from tests.support.readers import PrepareOnce, Share, Shared
from wishlist_service.tokens import TokenCipher

PEOPLE = ("Ann", "Ben", "Cleo", "Dora", "Emil", "Farah", "Gus", "Hanna", "Ines", "Jon", "Kim", "Lea")
TMDB = "https://image.tmdb.org/t/p/original/{:04}.jpg"


@pytest.fixture(autouse=True)
def scheduler(request: pytest.FixtureRequest) -> Iterator[None]:
    """A connection of the name by which the service knows its scheduler. Without one, pages say that it stopped."""
    if not {"database_url", "household", "client"} & {*request.fixturenames}:
        yield
        return
    url = request.getfixturevalue("database_url")
    with connect(url, autocommit=True, application_name="plex-wishlist-scheduler"):
        yield


@pytest.fixture(scope="module")
def shared_filled(shared_filled: Shared) -> Iterator[Shared]:
    """The household of `filled` with a scheduler, for tests that only read."""
    with running_scheduler(shared_filled):
        yield shared_filled


@pytest.fixture(scope="module")
def share(share: Share) -> Iterator[Share]:
    """Prepares a household with a scheduler once for those tests of a file that only read."""
    with ExitStack() as stack:

        def make(prepare: Callable[[Household], object]) -> Shared:
            shared = share(prepare)
            stack.enter_context(running_scheduler(shared))
            return shared

        yield make


def running_scheduler(shared: Shared) -> Connection:
    url = shared.household.config.database_url
    return connect(url, autocommit=True, application_name="plex-wishlist-scheduler")


@pytest.fixture(scope="session")
def alpha_template(prepare_once: PrepareOnce) -> str:
    """The name of a database to copy in which Ann wants Alpha."""

    def prepare(household: Household) -> None:
        household.add("Ann", [row("1", "Alpha")])
        household.sync()

    return prepare_once(prepare)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests; each opens a window that was never here."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def shared(
    new_database: Callable[[str | None], str], template: str, cipher: TokenCipher, database_server: Connection
) -> Iterator[Household]:
    """A household for all tests of a file that only read, because a service for each takes a second to start."""
    url = new_database(template)
    with (
        FakePlex() as plex,
        connect(url, autocommit=True, row_factory=dict_row) as conn,
        connect(url, autocommit=True, application_name="plex-wishlist-scheduler"),
    ):
        yield household_at(url, plex, cipher, conn)
    database_server.execute(f"DROP DATABASE {conninfo_to_dict(url)['dbname']} WITH (FORCE)")


def fill(household: Household) -> Household:
    """Add twelve people; Ann wants 600 titles with posters at TMDB, the others some of them."""
    Actions(household.plex)
    rows = [row(f"{n:x}", f"Title {n:03}", thumb=TMDB.format(n)) for n in range(1, 601)]
    for number, name in enumerate(PEOPLE):
        household.add(name, rows if name == "Ann" else rows[number * 3 : number * 3 + 6])
    household.sync()
    household.conn.execute("UPDATE wishlist_items SET genres = '{Drama}', summary = 'Letters arrive.'")
    return household


@pytest.fixture
def crowd(household: Household) -> Household:
    """Twelve people, for this test alone."""
    return fill(household)


@pytest.fixture
def home(crowd: Household) -> Iterator[str]:
    """Where the service of `crowd` is."""
    with gunicorn(settings_for(crowd)) as (_, address):
        yield address


@pytest.fixture(scope="module")
def shared_home(shared: Household) -> Iterator[str]:
    """Where the service of twelve such people is, for tests that only read."""
    with gunicorn(settings_for(fill(shared))) as (_, address):
        yield address
