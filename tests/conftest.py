"""Real PostgreSQL, simulated Plex, real application: what every test builds on."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from psycopg import Connection, connect
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from tests.support.clients import MakeClient
from tests.support.computed_once import compute_once
from tests.support.fake_actions import Actions
from tests.support.fake_plex import FakePlex, Person
from tests.support.household import (
    API_KEY,
    PASSPHRASE,
    TEMPLATE,
    WORKER,
    Household,
    add_three_people,
    addresses,
    household_at,
    know_three_people,
    make_config,
    make_plex_client,
    with_database,
)
from tests.support.neighbours import Neighbours, meet
from tests.support.openapi import know_those_who_live_in, live_in
from tests.support.readers import PrepareOnce, Share, Shared, sharing
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.config import Config
from wishlist_service.migrate import migrate
from wishlist_service.plex.client import PlexClient
from wishlist_service.postgres.embedded import EmbeddedPostgres
from wishlist_service.tokens import TokenCipher

compute_once()
# A shell ignores Ctrl-C for what it runs in the background, and so would every program that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that wait for minutes: one test process waits, and the others run the rest beside it."""
    items.sort(key=lambda item: "test_minutes.py" not in item.nodeid)


def pytest_collection_finish() -> None:
    """Have the garbage collector leave out what is there before the first test: each look at it takes long."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server: TEST_DATABASE_URL, or a private one that nothing outlives."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    # where there is room in memory: there a database is copied and dropped ten times as fast
    roomy = Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 2**31
    state = Path(tempfile.mkdtemp(prefix="wishlist-pg-", dir="/dev/shm" if roomy else "/tmp"))
    quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
    quick += ("wal_level=minimal", "max_wal_senders=0")
    try:
        with EmbeddedPostgres(state, settings=quick) as server:
            yield server.url
    finally:
        shutil.rmtree(state)


@pytest.fixture(scope="session")
def database_server(server_url: str) -> Iterator[Connection]:
    """A connection to the server, for what concerns no single database."""
    with connect(server_url, autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def new_database(database_server: Connection, server_url: str) -> Callable[[str | None], str]:
    """Makes a database, from the migrated template or empty (None), and returns its URL."""
    numbers = count(1)

    def make(template: str | None) -> str:
        name = f"wishlist_test_{WORKER}_{next(numbers)}"
        database_server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        # to write the copy to the log, as is usual, takes three times as long
        database_server.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'} STRATEGY FILE_COPY")
        return with_database(server_url, name)

    return make


@pytest.fixture(scope="session")
def template(database_server: Connection, server_url: str) -> str:
    """The name of a migrated database to copy."""
    database_server.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
    database_server.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
    migrate(with_database(server_url, TEMPLATE))
    settle(with_database(server_url, TEMPLATE))
    return TEMPLATE


def settle(url: str) -> None:
    """Write now what reading a copy of this database, or the first connection to it, would write."""
    with connect(url, autocommit=True) as conn:
        conn.execute("VACUUM (FREEZE)")
    connect(url).close()


@pytest.fixture(scope="session")
def filled_template(prepare_once: PrepareOnce) -> str:
    """The name of a database to copy in which the people of `filled` have been synced."""
    return prepare_once(add_three_people)


@pytest.fixture(scope="session")
def lived_in_template(prepare_once: PrepareOnce) -> str:
    """The name of a database to copy that holds the household of `lived_in`."""
    return prepare_once(live_in)


@pytest.fixture(scope="session")
def known_then() -> dict[str, dict[str, Person]]:
    """By database to copy, the people whom Plex knew when it was made."""
    return {}


@pytest.fixture(scope="session")
def prepare_once(
    new_database: Callable[[str | None], str],
    template: str,
    cipher: TokenCipher,
    known_then: dict[str, dict[str, Person]],
) -> PrepareOnce:
    """Makes a database to copy, with a household that is prepared once, and returns its name."""

    def make(prepare: Callable[[Household], None]) -> str:
        url = new_database(template)
        with FakePlex() as plex, connect(url, autocommit=True, row_factory=dict_row) as conn:
            prepare(household_at(url, plex, cipher, conn))
        settle(url)
        name = str(conninfo_to_dict(url)["dbname"])
        known_then[name] = plex.people
        return name

    return make


@pytest.fixture(scope="module")
def share(new_database: Callable[[str | None], str], template: str, cipher: TokenCipher) -> Iterator[Share]:
    """Prepares a household once for those tests of a file that only read."""
    with ExitStack() as stack:
        yield lambda prepare: stack.enter_context(sharing(new_database(template), cipher, prepare))


@pytest.fixture(scope="module")
def shared_filled(
    new_database: Callable[[str | None], str], filled_template: str, cipher: TokenCipher
) -> Iterator[Shared]:
    """The household of `filled`, for tests that only read."""
    with sharing(new_database(filled_template), cipher, lambda household: know_three_people(household.plex)) as shared:
        yield shared


@pytest.fixture(scope="module")
def prepared(shared_filled: Shared) -> Shared:
    """The household that `reader` reads. A file may name another."""
    return shared_filled


@pytest.fixture
def reader(prepared: Shared) -> FlaskClient:
    """The API before the prepared household, for tests that only read."""
    return prepared.client()


@pytest.fixture(scope="session")
def untouched() -> dict[str, str]:
    """By template, the URL of a copy in which no test has written."""
    return {}


@pytest.fixture
def source(request: pytest.FixtureRequest, template: str) -> str:
    """The name of the database to copy: the `..._template` that the test or a fixture names, or only migrated."""
    prepared = [name for name in request.fixturenames if name.endswith("_template")]
    return request.getfixturevalue(prepared[0]) if prepared else template


@pytest.fixture
def database_url(
    source: str,
    new_database: Callable[[str | None], str],
    database_server: Connection,
    untouched: dict[str, str],
) -> Iterator[str]:
    """A copy of the source for this test alone. The next test gets it too, if this one only reads."""
    url = untouched.pop(source, None)
    if url is None:
        url = new_database(source)
        database_server.execute("SELECT FROM pg_database")  # who reads its row first, writes
    position = "SELECT pg_current_wal_insert_lsn()"  # of the write-ahead log: each change moves it
    before = database_server.execute(position).fetchone()
    yield url
    if database_server.execute(position).fetchone() == before:
        untouched[source] = url
    else:
        database_server.execute(f"DROP DATABASE {conninfo_to_dict(url)['dbname']} WITH (FORCE)")


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection[dict[str, Any]]]:
    """A look into the database from outside the service; rows are dictionaries."""
    with connect(database_url, autocommit=True, row_factory=dict_row) as conn:
        yield conn


@pytest.fixture
def plex() -> Iterator[FakePlex]:
    """The simulated Plex."""
    with FakePlex() as server:
        yield server


@pytest.fixture
def config(database_url: str, plex: FakePlex) -> Config:
    """Settings for the test's database and Plex, without pauses."""
    return make_config(database_url=database_url, **addresses(plex))


@pytest.fixture(scope="session")
def cipher() -> TokenCipher:
    """The cipher of PASSPHRASE."""
    return TokenCipher([PASSPHRASE])


@pytest.fixture
def plex_client(config: Config) -> PlexClient:
    """The service's client, pointed at the simulated Plex, with short pauses between tries."""
    return make_plex_client(config)


@pytest.fixture
def client(config: Config) -> Iterator[FlaskClient]:
    """The API."""
    app = create_app(config)
    open_app(app)
    yield app.test_client()
    close_app(app)


@pytest.fixture
def make_client(config: Config) -> Iterator[MakeClient]:
    """The API with other settings."""
    apps: list[Flask] = []

    def make(**settings: Any) -> FlaskClient:
        apps.append(create_app(replace(config, **settings)))
        open_app(apps[-1])
        return apps[-1].test_client()

    yield make
    for app in apps:
        close_app(app)


@pytest.fixture
def api(client: FlaskClient) -> FlaskClient:
    """The API, with the key sent along."""
    client.environ_base["HTTP_X_API_KEY"] = API_KEY
    return client


@pytest.fixture
def household(
    config: Config,
    plex: FakePlex,
    plex_client: PlexClient,
    cipher: TokenCipher,
    conn: Connection[dict[str, Any]],
    source: str,
    known_then: dict[str, dict[str, Person]],
) -> Household:
    """People and their syncs."""
    plex.people |= deepcopy(known_then.get(source, {}))
    return Household(config, plex, plex_client, cipher, conn)


@pytest.fixture
def filled(household: Household, filled_template: str) -> Household:
    """Ann wants Alpha, beta and Gamma; Ben wants Alpha and Delta; Cleo wanted Gamma."""
    know_three_people(household.plex)
    return household


@pytest.fixture
def neighbours(api: FlaskClient, household: Household) -> Neighbours:
    """Ann, and the people whom Plex shows her."""
    return meet(api, household)


@pytest.fixture
def lived_in(household: Household, lived_in_template: str) -> Household:
    """People, runs and sign-ins for which every operation of the OpenAPI document has an answer."""
    know_those_who_live_in(household.plex)
    return household


@pytest.fixture
def actions(plex: FakePlex) -> Actions:
    """Where the simulated Plex takes titles off watchlists."""
    return Actions(plex)
