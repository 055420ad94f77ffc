"""Real PostgreSQL, simulated Plex, real application: what every test builds on."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fake_plex import FakePlex, Person, row
from flask.testing import FlaskClient
from psycopg import Connection, connect
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from wishlist_service import claims, sync
from wishlist_service.app import close_app, create_app, open_app, parts_of
from wishlist_service.config import Config
from wishlist_service.embedded_postgres import EmbeddedPostgres
from wishlist_service.migrate import migrate
from wishlist_service.models import PlexAccount, SyncRun, UserResult
from wishlist_service.plex import PlexClient
from wishlist_service.queries import users
from wishlist_service.tokens import TokenCipher

API_KEY = "test-api-key-0123456789"
PASSPHRASE = "test-passphrase-0123456789"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")  # three test processes may share one server
TEMPLATE = f"wishlist_template_{WORKER}"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server: TEST_DATABASE_URL, or a private one that nothing outlives."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    # where there is room in memory: there a database is copied and dropped ten times as fast
    roomy = Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 2**31
    state = Path(tempfile.mkdtemp(prefix="wishlist-pg-", dir="/dev/shm" if roomy else "/tmp"))
    quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
    try:
        with EmbeddedPostgres(state, settings=quick) as server:
            yield server.url
    finally:
        shutil.rmtree(state)


@pytest.fixture(scope="session")
def new_database(server_url: str) -> Callable[[str | None], str]:
    """Makes a database, from the migrated template or empty (None), and returns its URL."""
    numbers = count(1)

    def make(template: str | None) -> str:
        name = f"wishlist_test_{WORKER}_{next(numbers)}"
        with connect(server_url, autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            # to write the copy to the log, as is usual, takes three times as long
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'} STRATEGY FILE_COPY")
        return with_database(server_url, name)

    return make


def with_database(url: str, name: str) -> str:
    """The URL with another database name."""
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated database to copy."""
    with connect(server_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        conn.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
    migrate(with_database(server_url, TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(new_database: Callable[[str | None], str], template: str, server_url: str) -> Iterator[str]:
    """A migrated database for this test alone."""
    url = new_database(template)
    yield url
    with connect(server_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {conninfo_to_dict(url)['dbname']} WITH (FORCE)")


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection[dict[str, Any]]]:
    """A look into the database from outside the service; rows are dictionaries."""
    with connect(database_url, autocommit=True, row_factory=dict_row) as conn:
        yield conn


@pytest.fixture
def plex() -> Iterator[FakePlex]:
    """The simulated Plex."""
    server = FakePlex()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def config(database_url: str, plex: FakePlex) -> Config:
    """Settings for the test's database and Plex, without pauses."""
    return make_config(database_url=database_url, plex_discover_url=plex.url, plex_tv_url=plex.url)


def make_config(**settings: Any) -> Config:
    """Settings with defaults that suit tests."""
    defaults: dict[str, Any] = {
        "database_url": "postgresql://nowhere.invalid/none",
        "api_key": API_KEY,
        "token_encryption_keys": (PASSPHRASE,),
        "page_pause_seconds": 0,
        "plex_timeout_seconds": 5,
    }
    return Config(**defaults | settings)


@pytest.fixture(scope="session")
def cipher() -> TokenCipher:
    """The cipher of PASSPHRASE."""
    return TokenCipher([PASSPHRASE])


@pytest.fixture
def plex_client(config: Config) -> PlexClient:
    """The service's client, pointed at the simulated Plex, with short pauses between tries."""
    return make_plex_client(config)


def make_plex_client(config: Config, **options: Any) -> PlexClient:
    """A client; `options` as PlexClient takes them."""
    defaults: dict[str, Any] = {
        "client_identifier": "test-client",
        "stop": threading.Event(),
        "retry_seconds": 0.01,
    }
    return PlexClient(config, **defaults | options)


@pytest.fixture
def client(config: Config) -> Iterator[FlaskClient]:
    """The API."""
    app = create_app(config)
    open_app(app)
    parts_of(app).replies.shared_seconds = 0  # tests change rows behind the API's back
    yield app.test_client()
    close_app(app)


@pytest.fixture
def api(client: FlaskClient) -> FlaskClient:
    """The API, with the key sent along."""
    client.environ_base["HTTP_X_API_KEY"] = API_KEY
    return client


@dataclass
class Household:
    """Adds people, syncs, and looks at the outcome; the short way for tests of the sync."""

    config: Config
    plex: FakePlex
    plex_client: PlexClient
    cipher: TokenCipher
    conn: Connection[dict[str, Any]]

    def add(self, name: str, rows: list[dict[str, Any]] | None = None, *, token: str | None = None) -> Person:
        """Add a person with this list, as if Plex had already told whose token it is."""
        token = token or f"token-of-{name.lower()}-0123456789"
        person = self.plex.people.get(token) or self.plex.add(token, username=name.lower(), rows=rows)
        user_id = users.next_user_id(self.conn)
        users.add_user(
            self.conn,
            user_id=user_id,
            name=name,
            plex_token=self.cipher.encrypt(token, owner=user_id),
            token_fingerprint=self.cipher.fingerprints(token)[0],
            token_masked="****",
            account=PlexAccount(person.uuid, person.username),
        )
        return person

    def sync(self, *, user_id: int | None = None, plex: PlexClient | None = None) -> SyncRun:
        """One sync of everybody or one person, in this process."""
        self.results: list[UserResult] = []
        claimed = claims.claim(self.config, trigger="command", user_id=user_id)
        return sync.run(
            claimed, plex or self.plex_client, self.cipher, stop=threading.Event(), on_result=self.results.append
        )

    def user(self, name: str) -> dict[str, Any]:
        """The person's row."""
        row = self.conn.execute("SELECT * FROM plex_users WHERE name = %s", [name]).fetchone()
        assert row is not None
        return row

    def titles(self, name: str) -> list[str]:
        """The titles the person wants, in alphabetical order."""
        rows = self.conn.execute(
            """
            SELECT item.title
              FROM wishlist_items AS item
              JOIN wishlist_item_sources AS source ON source.item_id = item.id
              JOIN plex_users AS person ON person.id = source.user_id
             WHERE person.name = %s AND source.removed_at IS NULL
          ORDER BY item.title
            """,
            [name],
        ).fetchall()
        return [row["title"] for row in rows]


@pytest.fixture
def household(
    config: Config, plex: FakePlex, plex_client: PlexClient, cipher: TokenCipher, conn: Connection[dict[str, Any]]
) -> Household:
    """People and their syncs."""
    return Household(config, plex, plex_client, cipher, conn)


def parts(client: FlaskClient) -> Any:
    """What the views of this client's app work with."""
    return parts_of(client.application)


@pytest.fixture
def filled(household: Household) -> Household:
    """Ann wants Alpha, beta and Gamma; Ben wants Alpha and Delta; Cleo wanted Gamma."""
    alpha = row("1", "Alpha", year=1999)
    gamma = row("3", "Gamma_Ray", year=None)
    household.add("Ann", [alpha, row("2", "beta 100%", year=2005, media_type="show"), gamma])
    household.sync()
    household.add("Ben", [row("4", "Été à Delta\\", year=1999), alpha])
    cleo = household.add("Cleo", [gamma, row("5", "Epsilon")])
    household.sync()
    cleo.rows = []
    household.sync()
    return household
