"""Households that are prepared once for many tests: a database to copy, or one API for those that only read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask
from flask.testing import FlaskClient
from psycopg import connect
from psycopg.rows import dict_row

from tests.support.fake_plex import FakePlex
from tests.support.household import API_KEY, Household, household_at
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.tokens import TokenCipher


@dataclass(frozen=True)
class Shared:
    """A household that stays as it is, and the API before it."""

    household: Household
    app: Flask

    def client(self, *, with_key: bool = False) -> FlaskClient:
        """A client that nobody has used before."""
        client = self.app.test_client()
        if with_key:
            client.environ_base["HTTP_X_API_KEY"] = API_KEY
        return client


PrepareOnce = Callable[[Callable[[Household], object]], str]
Share = Callable[[Callable[[Household], object]], Shared]


@contextmanager
def sharing(url: str, cipher: TokenCipher, prepare: Callable[[Household], object]) -> Iterator[Shared]:
    """The household of this database once it is prepared. Whatever then writes is refused by PostgreSQL."""
    with FakePlex() as plex, connect(url, autocommit=True, row_factory=dict_row) as conn:
        household = household_at(url, plex, cipher, conn)
        prepare(household)
        # for the sessions from now on, which are those of the API
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET default_transaction_read_only = on")
        app = create_app(household.config)
        open_app(app)
        try:
            yield Shared(household, app)
        finally:
            close_app(app)
