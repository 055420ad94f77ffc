"""The service's own programs as real processes, for tests that start, stop and kill them."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from psycopg import Connection

from tests.support.household import API_KEY, PASSPHRASE, WORKER, Household

CHECKOUT = Path(__file__).parent.parent.parent
NO_SETTINGS = Path("/")  # a working directory without a .env
_SCRATCH = tempfile.TemporaryDirectory(prefix="wishlist-tests-")  # what killed programs leave behind goes with us
START_SECONDS = 120  # of `make run` and `make demo`, on a machine that is busy with other tests
# PostgreSQL and what runs beside it refuse root
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
GUNICORN = ("-m", "gunicorn", "-c", str(CHECKOUT / "gunicorn.conf.py"), "wsgi:app")


def environment(database_url: str, plex_url: str = "http://127.0.0.1:9", **more: str) -> dict[str, str]:
    """The settings of a process; nothing of the caller's own leaks in."""
    settings = {
        "DATABASE_URL": database_url,
        "API_KEY": API_KEY,
        "TOKEN_ENCRYPTION_KEY": PASSPHRASE,
        "PLEX_DISCOVER_URL": plex_url,
        "PLEX_TV_URL": plex_url,
        "PLEX_COMMUNITY_URL": f"{plex_url}/api",
        "PLEX_PAGE_PAUSE_SECONDS": "0",
        "PLEX_LOOK_MINUTES": "0",
    }
    ours = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(CHECKOUT)}
    return ours | {"TMPDIR": _SCRATCH.name} | settings | more


def plain_environment(port: int) -> dict[str, str]:
    """The environment of somebody who has set no more than a port."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PORT": str(port), "TMPDIR": "/tmp"}


def settings_for(household: Household, **more: str) -> dict[str, str]:
    """The settings of a process beside the household, with a port of its own."""
    return environment(household.config.database_url, household.plex.url, PORT=str(free_port()), **more)


class Program:
    """A running program whose output is kept."""

    def __init__(self, command: list[str], env: dict[str, str], cwd: Path = NO_SETTINGS) -> None:
        self.process = subprocess.Popen(
            command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line

    def wait_for(self, text: str, *, count: int = 1, seconds: float = 60) -> None:
        """Wait until the output holds the text so many times."""
        wait_until(lambda: self.output.count(text) >= count or self.process.poll() is not None, seconds=seconds)
        assert self.output.count(text) >= count, self.output

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.exit_status()

    def close(self) -> None:
        """Kill it if it still runs, and let its output go."""
        self.process.kill()
        self.process.wait()
        self._reader.join(10)
        if self.process.stdout:
            self.process.stdout.close()

    def exit_status(self) -> int:
        status = self.process.wait(120)
        self._reader.join(10)
        return status


@contextmanager
def program(*arguments: str, env: dict[str, str], cwd: Path = NO_SETTINGS) -> Iterator[Program]:
    """python with these arguments; killed at the end if it still runs."""
    running = Program([sys.executable, *arguments], env, cwd)
    try:
        yield running
    finally:
        running.close()


@contextmanager
def gunicorn(
    env: dict[str, str], *, configuration: Path = CHECKOUT / "gunicorn.conf.py"
) -> Iterator[tuple[Program, str]]:
    """The API under gunicorn, healthy, with its address."""
    address = f"http://127.0.0.1:{env['PORT']}"
    with program("-m", "gunicorn", "-c", str(configuration), "wsgi:app", env=env) as running:
        wait_until(lambda: running.process.poll() is not None or status_of(f"{address}/health") == 200)
        assert running.process.poll() is None, running.output
        yield running, address


def wait_until(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    """Wait for something that will be so soon; fails when it is not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not come to be in time"
        time.sleep(0.02)


def descendants(pid: int) -> set[int]:
    """The processes below this one, by the parent that /proc names."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(entry.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pids: set[int]) -> set[int]:
    """Those of the processes that still run."""
    found: set[int] = set()
    for pid in pids:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(pid)
        except OSError:
            continue
    return found


def kill_all(pid: int) -> None:
    """Kill -9 for the process and all below it, at once; returns when they are gone."""
    doomed = {pid} | descendants(pid)
    for each in doomed:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    wait_until(lambda: not alive(doomed))


def waiting_for_locks(conn: Connection[Any]) -> int:
    """How many of the database's connections wait for a lock that another one holds."""
    return conn.execute(
        "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    ).rowcount


def free_port() -> int:
    """A port nobody listens on, below those given to outgoing connections."""
    return next(free_ports())


def free_ports() -> Iterator[int]:
    """Several such ports."""
    # each of four test processes has its own, and begins where the last run did not
    first = 20_000 + 3_000 * int(WORKER.removeprefix("gw"))
    for port in range(first + os.getpid() % 2_000, first + 3_000):
        with socket.socket() as probe:
            free = probe.connect_ex(("127.0.0.1", port)) != 0
        if free:
            yield port
    raise AssertionError("no free port")


@dataclass(frozen=True)
class Answer:
    """What a request gave; `text` holds the headers too."""

    status: int
    body: bytes
    headers: Message

    @property
    def text(self) -> str:
        return f"{self.status} {self.headers}{self.body.decode()}"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def request(method: str, url: str, *, headers: dict[str, str] | None = None, body: Any = None) -> Answer:
    """The answer to a request, whatever its status; `body` is sent as JSON."""
    kind = {"Content-Type": "application/json"} if body is not None else {}
    data = json.dumps(body).encode() if body is not None else None
    prepared = urllib.request.Request(url, method=method, headers=kind | (headers or {}), data=data)
    try:
        with urllib.request.urlopen(prepared, timeout=120) as reply:
            return Answer(reply.status, reply.read(), reply.headers)
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(), error.headers)


def call(method: str, url: str) -> tuple[int, Any]:
    """Status and decoded body of a request with the API key."""
    answer = request(method, url, headers={"X-API-Key": API_KEY})
    return answer.status, json.loads(answer.body)


def status_of(url: str) -> int | None:
    """The status a GET gives; None if nobody answers."""
    try:
        return call("GET", url)[0]
    except OSError:
        return None
