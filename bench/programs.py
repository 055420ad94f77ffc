"""The programs to measure: start them on free ports, wait, read their memory, and always stop them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from wishlist_service.postgres.programs import die_with_parent

CHECKOUT: Final = Path(__file__).parent.parent
API_KEY: Final = "bench-key-0123456789"
PASSPHRASE: Final = "bench-passphrase-0123456789"
START_SECONDS: Final = 30
STOP_SECONDS: Final = 15


class BenchError(Exception):
    """Why nothing can be measured."""


class Program:
    """A running program. Its output goes to a file."""

    def __init__(self, command: Sequence[str | Path], *, env: dict[str, str], log: Path) -> None:
        self.log = log
        self.started = time.monotonic()
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd="/",  # it has no .env
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(log.parent), **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that Ctrl-C reaches only this process, which stops it
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def fail(self, what: str) -> BenchError:
        """Return an error with the end of its output."""
        return BenchError(f"{what}\n{self.log.read_text(errors='replace')[-3000:]}")

    def pids(self) -> list[int]:
        """Return its process and those of its children, which share its session."""
        found: list[int] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
        return found


def pss_bytes(pid: int) -> int:
    """Return the memory (PSS) of a process in bytes. Shared memory is divided among its users."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended meanwhile
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


@contextmanager
def sampling(take: Callable[[], float], *, seconds: float) -> Iterator[list[float]]:
    """Yield a list that gets a value of `take` every so many seconds while the block runs."""
    samples: list[float] = []
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(seconds):
            samples.append(take())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


@contextmanager
def program(command: Sequence[str | Path], *, env: dict[str, str], log: Path) -> Iterator[Program]:
    """Run a program inside the block."""
    running = Program(command, env=env, log=log)
    try:
        yield running
    finally:
        running.stop()


def wait_for_health(running: Program, address: str) -> float:
    """Wait for the first 200 of /health. Return the seconds since the start of the program."""
    while time.monotonic() - running.started < START_SECONDS:
        if running.process.poll() is not None:
            raise running.fail("A program ended instead of serving:")
        if status_of(f"{address}/health") == 200:
            return time.monotonic() - running.started
        time.sleep(0.005)
    raise running.fail("A program did not serve in time:")


@contextmanager
def simulated_plex(directory: Path) -> Iterator["PlexControl"]:
    """Run the simulated Plex."""
    with program([sys.executable, "-m", "bench.plex"], env={}, log=directory / "plex.log") as running:
        deadline = time.monotonic() + START_SECONDS
        while not (address := running.log.read_text().strip()):
            if running.process.poll() is not None or time.monotonic() > deadline:
                raise running.fail("The simulated Plex did not start:")
            time.sleep(0.01)
        yield PlexControl(address)


class PlexControl:
    """Controls the simulated Plex."""

    def __init__(self, url: str) -> None:
        self.url = url

    def prepare(self, *, people: int, titles: int) -> None:
        """Prepare the lists of so many people."""
        self._ask(f"prepare?people={people}&titles={titles}")

    def set_latency(self, milliseconds: float) -> None:
        """Let each answer take so many seconds."""
        self._ask(f"latency?ms={milliseconds}")

    def change(self, token: str) -> None:
        """Let the list with this token have another title in place of its newest one."""
        self._ask(f"change?token={token}")

    def take_counts(self) -> dict[str, Any]:
        """Return the requests since the last call."""
        return self._ask("counts?reset=1")

    def _ask(self, what: str) -> Any:
        return call("GET", f"{self.url}/control/{what}")


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(method: str, url: str, body: Any = None, *, seconds: float = 600) -> Any:
    """Return the decoded answer to a request with the key. Raises BenchError for any status but 2xx."""
    headers = {"X-API-Key": API_KEY, "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, method=method, headers=headers, data=data)
    try:
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            raise BenchError(f"{method} {url} gave {error.code}: {error.read()[:500]!r}") from error


def status_of(url: str) -> int | None:
    """Return the status of a GET, or None without an answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
