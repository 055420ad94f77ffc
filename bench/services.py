"""The services to measure, started as in production: the reference, our API, a constant, our scheduler."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.plex import token
from bench.postgres import Postgres
from bench.programs import (
    API_KEY,
    CHECKOUT,
    PASSPHRASE,
    BenchError,
    PlexControl,
    Program,
    call,
    free_port,
    program,
    wait_for_health,
)
from wishlist_service.__main__ import MEMORY
from wishlist_service.migrate import migrate

REFERENCE_PYTHON = CHECKOUT / ".venv" / "reference" / "bin" / "python"


@dataclass(frozen=True)
class Bench:
    """The things that all measurements share."""

    postgres: Postgres
    plex: PlexControl
    directory: Path
    quick: bool
    """Few rounds with little data: shows that everything runs. The figures mean nothing."""

    def rounds(self, wanted: int) -> int:
        """Return how often to measure."""
        return 1 if self.quick else wanted


@dataclass(frozen=True)
class Served:
    """A service that answers at `address`. Its start took `seconds`."""

    program: Program
    address: str
    seconds: float

    def add_people(self, people: int, titles: int) -> None:
        """Add people with lists of so many titles by the API."""
        for person in range(people):
            body = {"name": f"Person {person}", "token": token(person, titles)}
            call("POST", f"{self.address}/api/users", body)

    def sync(self) -> dict[str, int]:
        """Sync everyone and wait for the end."""
        run = call("POST", f"{self.address}/api/sync?wait=50")
        if run["errors"] or run.get("status", "succeeded") != "succeeded":
            raise self.program.fail(f"A sync did not succeed: {run}")
        return run


def settings(bench: Bench, database_url: str) -> dict[str, str]:
    """Return the environment of a program, ours or the reference."""
    return {
        "DATABASE_URL": database_url,
        "API_KEY": API_KEY,
        "TOKEN_ENCRYPTION_KEY": PASSPHRASE,
        "PLEX_DISCOVER_URL": bench.plex.url,
        "PLEX_TV_URL": bench.plex.url,
        "PLEX_PAGE_PAUSE_SECONDS": "0",
        "PLEX_LOOK_MINUTES": "0",
    } | MEMORY


def reference_database(bench: Bench, name: str) -> str:
    """Return a new database with the reference's tables."""
    url = bench.postgres.create(name)
    command = [REFERENCE_PYTHON, "-m", "bench.reference.tables"]
    done = subprocess.run(command, cwd=CHECKOUT, env=settings(bench, url), capture_output=True, text=True)
    if done.returncode:
        raise BenchError(f"The reference made no tables (make bench prepares it):\n{done.stderr}")
    return url


def our_database(bench: Bench, name: str) -> str:
    """Return a new database with our tables."""
    url = bench.postgres.create(name)
    migrate(url)
    return url


@contextmanager
def reference(bench: Bench, database_url: str) -> Iterator[Served]:
    """Run the reference under uvicorn with one process, as its documentation says."""
    port = str(free_port())
    command = [REFERENCE_PYTHON, "-m", "uvicorn", "bench.reference.app:app", "--port", port]
    with _served(bench, command, port, settings(bench, database_url), "reference.log") as served:
        yield served


@contextmanager
def our_api(bench: Bench, database_url: str) -> Iterator[Served]:
    """Run our API under gunicorn with the default workers and threads."""
    with _gunicorn(bench, database_url, "gunicorn.conf.py", "wsgi:app", "api.log") as served:
        yield served


@contextmanager
def constant(bench: Bench, database_url: str) -> Iterator[Served]:
    """Run the same gunicorn with a constant reply."""
    with _gunicorn(bench, database_url, "bench/constant_gunicorn.py", "bench.constant:app", "constant.log") as served:
        yield served


@contextmanager
def scheduler(
    bench: Bench, database_url: str, *, number: int = 1, look_minutes: float = 0, plex_url: str = ""
) -> Iterator[Program]:
    """Run our scheduler, alone or as one of several. plex_url: of another simulated Plex."""
    command = [sys.executable, "-m", "wishlist_service.scheduler"]
    log = bench.directory / f"scheduler-{number}.log"
    env = settings(bench, database_url) | {"PLEX_LOOK_MINUTES": str(look_minutes)}
    if plex_url:
        env |= {"PLEX_DISCOVER_URL": plex_url, "PLEX_TV_URL": plex_url}
    with program(command, env=env, log=log) as running:
        yield running


@contextmanager
def _gunicorn(bench: Bench, database_url: str, configuration: str, app: str, log: str) -> Iterator[Served]:
    port = str(free_port())
    command = [sys.executable, "-m", "gunicorn", "-c", CHECKOUT / configuration, app]
    with _served(bench, command, port, settings(bench, database_url) | {"PORT": port}, log) as served:
        yield served


@contextmanager
def _served(bench: Bench, command: list[str | Path], port: str, env: dict[str, str], log: str) -> Iterator[Served]:
    with program(command, env=env, log=bench.directory / log) as running:
        address = f"http://127.0.0.1:{port}"
        yield Served(running, address, wait_for_health(running, address))
