"""A PostgreSQL server of the test's own, to be restarted, killed, frozen and filled up."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from psycopg import Cursor, connect
from psycopg.rows import dict_row

from tests.support.household import with_database
from tests.support.processes import alive, descendants, kill_all
from wishlist_service.migrate import migrate
from wishlist_service.postgres.embedded import EmbeddedPostgres


class Look:
    """Looks into a database that may go away in between: each statement on a connection of its own."""

    def __init__(self, url: str, row_factory: Any = dict_row) -> None:
        self._url = url
        self._row_factory = row_factory

    def execute(self, statement: str, parameters: Any = None, *, prepare: bool | None = None) -> Cursor[Any]:
        with connect(self._url, autocommit=True, row_factory=self._row_factory) as conn:
            return conn.execute(statement, parameters, prepare=prepare)

    def cursor(self, *, row_factory: Any) -> "Look":
        """The same, with rows of another kind."""
        return Look(self._url, row_factory)


class OwnServer:
    """The server, with its data safe on the disk at every commit."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._postgres = EmbeddedPostgres(state)
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """The address of the database that every server has."""
        return self._postgres.url

    def start(self) -> None:
        self._postgres.start()

    def stop(self) -> None:
        """Cut the clients off and end."""
        self._postgres.stop()

    def new_database(self) -> str:
        """The URL of a database, migrated."""
        name = f"wishlist_{next(self._numbers)}"
        Look(self._postgres.url).execute(f"CREATE DATABASE {name} TEMPLATE {self._migrated}")
        return with_database(self._postgres.url, name)

    @cached_property
    def _migrated(self) -> str:
        """The name of a migrated database to copy."""
        Look(self._postgres.url).execute("CREATE DATABASE migrated")
        migrate(with_database(self._postgres.url, "migrated"))
        return "migrated"

    def kill(self) -> None:
        """Kill -9 for all its processes at once."""
        kill_all(self._pid)
        self.stop()  # the files that the dead one held

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stand still inside the block, as on a machine that hangs."""
        self._signal_all(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal_all(signal.SIGCONT)

    def fill_disk_under(self, url: str, table: str) -> None:
        """From now on the table cannot grow by another page: no space left on its device.

        Before a table grows, PostgreSQL notes in its free space map how much is left in the last page.
        That is a file beside the table's own, made with the second page; here it is on a device that is full.
        """
        path = Look(url).execute("SELECT pg_relation_filepath(%s) AS path", [table]).fetchall()[0]["path"]
        data = next(self._state.glob("pg*/PG_VERSION")).parent
        (data / f"{path}_fsm").symlink_to("/dev/full")

    def make_space_under(self, url: str, table: str) -> None:
        """Undo fill_disk_under: the table is written anew, to another place."""
        Look(url).execute(f"VACUUM FULL {table}")

    @property
    def _pid(self) -> int:
        return int(next(self._state.glob("pg*/postmaster.pid")).read_text().split()[0])

    def _signal_all(self, number: signal.Signals) -> None:
        # the first of them first when it stops: it makes the others
        for pid in (self._pid, *alive(descendants(self._pid))):
            os.kill(pid, number)


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A running server that nothing outlives."""
    state = Path(tempfile.mkdtemp(prefix="wishlist-pg-", dir="/tmp"))
    server = OwnServer(state)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(state)
