"""What tests are made of: settings, a client of Plex, and people who are added and synced in one line."""

import os
import threading
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from psycopg import Connection

from tests.support.fake_plex import FakePlex, Person, row
from wishlist_service.app import context_of
from wishlist_service.config import Config
from wishlist_service.models import PlexAccount, SyncRun, UserResult
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import users
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync
from wishlist_service.tokens import TokenCipher

API_KEY = "test-api-key-0123456789"
PASSPHRASE = "test-passphrase-0123456789"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")  # three test processes may share one server
TEMPLATE = f"wishlist_template_{WORKER}"


def with_database(url: str, name: str) -> str:
    """The URL with another database name."""
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}://{host}/{name}" + (f"?{query}" if query else "")


def make_config(**settings: Any) -> Config:
    """Settings with defaults that suit tests."""
    defaults: dict[str, Any] = {
        "database_url": "postgresql://nowhere.invalid/none",
        "api_key": API_KEY,
        "token_encryption_keys": (PASSPHRASE,),
        "page_pause_seconds": 0,
        "look_minutes": 0,
        "plex_timeout_seconds": 5,
    }
    return Config(**defaults | settings)


def addresses(plex: FakePlex) -> dict[str, str]:
    """The settings that lead to the simulated Plex."""
    return {
        "plex_discover_url": plex.url,
        "plex_tv_url": plex.url,
        "plex_community_url": f"{plex.url}/api",
    }


def make_plex_client(config: Config, **options: Any) -> PlexClient:
    """A client; `options` as PlexClient takes them."""
    defaults: dict[str, Any] = {
        "client_identifier": "test-client",
        "stop": threading.Event(),
        "retry_seconds": 0.01,
    }
    return PlexClient(config, **defaults | options)


def token_of(name: str) -> str:
    """The token of a person of this name, unless a test names another."""
    return f"token-of-{name.lower()}-0123456789"


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
        token = token or token_of(name)
        person = self.plex.people.get(token) or self.plex.add(token, username=name.lower(), rows=rows)
        user_id = users.next_user_id(self.conn)
        sealed = self.cipher.seal(token, owner=user_id, account=PlexAccount(person.uuid, person.username))
        users.add_user(self.conn, user_id=user_id, name=name, token=sealed)
        return person

    def sync(self, *, user_id: int | None = None, plex: PlexClient | None = None) -> SyncRun:
        """One sync of everybody or one person, in this process."""
        self.results: list[UserResult] = []
        return self.run(claims.claim(self.config, trigger="command", user_id=user_id), plex=plex)

    def run(self, claimed: claims.Claim, *, plex: PlexClient | None = None) -> SyncRun:
        """A run that was claimed, in this process."""
        return run_sync(
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


def household_at(url: str, plex: FakePlex, cipher: TokenCipher, conn: Any) -> Household:
    """The household of a database at this address; `conn` runs its statements."""
    config = make_config(database_url=url, **addresses(plex))
    return Household(config, plex, make_plex_client(config), cipher, conn)


def context(client: FlaskClient) -> Any:
    """What the views of this client's app work with."""
    return context_of(client.application)


ALPHA, GAMMA = row("1", "Alpha", year=1999), row("3", "Gamma_Ray", year=None)
WANTED = {
    "Ann": [ALPHA, row("2", "beta 100%", year=2005, media_type="show"), GAMMA],
    "Ben": [row("4", "Été à Delta\\", year=1999), ALPHA],
    "Cleo": [],
}


def add_three_people(household: Household) -> None:
    """Ann wants Alpha, beta and Gamma; Ben wants Alpha and Delta; Cleo wanted Gamma."""
    household.add("Ann", WANTED["Ann"])
    household.sync()
    household.add("Ben", WANTED["Ben"])
    cleo = household.add("Cleo", [GAMMA, row("5", "Epsilon")])
    household.sync()
    cleo.rows = []
    household.sync()


def know_three_people(plex: FakePlex) -> None:
    """What Plex knows of them after that."""
    for name, rows in deepcopy(WANTED).items():
        plex.add(token_of(name), username=name.lower(), rows=rows)
