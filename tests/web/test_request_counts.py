"""Counting requests never fails one: nothing is written or mapped, whatever disk is full and folder is closed."""

import os
import re
import signal
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.household import Household
from tests.support.processes import (
    Program,
    call,
    descendants,
    gunicorn,
    program,
    request,
    settings_for,
    wait_until,
)
from wishlist_service.web.request_counts import Counted, RequestCounts

# Makes no file in the temporary folders: they are full, or no one may write there.
FULL = """
import errno, os
real = os.open
def refuse(path, flags, *args, **kwargs):
    if flags & os.O_CREAT and str(path).startswith(("/tmp", "/var/tmp", "/dev/shm", os.getcwd())):
        raise OSError(errno.ENOSPC, "No space left on device", path)
    return real(path, flags, *args, **kwargs)
os.open = refuse
"""


def counted(address: str, path: str = "/api/users") -> float:
    """How often GET of this path succeeded, as /metrics says."""
    text = request("GET", f"{address}/metrics").body.decode()
    found = re.search(rf'wishlist_http_requests_total{{method="GET",route="{path}",status="200"}} (\S+)', text)
    return float(found[1]) if found else 0


def mapped(pid: int) -> set[str]:
    """The files in the temporary folders that the process maps or holds open."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    held = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    return {path for path in {*maps.split(), *held} if path.startswith(("/tmp", "/var/tmp", "/dev/shm"))}


@pytest.fixture
def full(tmp_path: Path) -> str:
    """A directory for PYTHONPATH. With it, a program can make no file in a temporary folder."""
    (tmp_path / "sitecustomize.py").write_text(FULL)
    return str(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "3"])
def test_requests_are_answered_and_counted_where_no_file_can_be_made(
    household: Household, full: str, workers: str
) -> None:
    env = settings_for(household, WEB_WORKERS=workers)
    env["PYTHONPATH"] += f":{full}"

    with gunicorn(env) as (_, address):
        for _ in range(30):
            assert call("GET", f"{address}/api/users")[0] == 200
        totals = {counted(address) for _ in range(9)}

    assert totals == {30}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_process_maps_or_holds_a_file(household: Household, workers: str) -> None:
    with gunicorn(settings_for(household, WEB_WORKERS=workers)) as (running, address):
        call("GET", f"{address}/api/users")
        pids = {running.process.pid} | descendants(running.process.pid)
        files = {path for pid in pids for path in mapped(pid)}

    assert len(pids) == int(workers) + 1
    assert files == set()


@pytest.mark.slow
def test_counts_outlive_a_worker_that_is_killed(household: Household) -> None:
    def workers(running: Program) -> set[int]:
        return descendants(running.process.pid)

    with gunicorn(settings_for(household, WEB_WORKERS="2")) as (running, address):
        for _ in range(20):
            call("GET", f"{address}/api/users")
        before = workers(running)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(workers(running) - before) == 2)
        after = counted(address)

    assert after == 20


def test_what_finds_no_room_is_left_out_and_nothing_fails() -> None:
    counts = RequestCounts()
    names = [Counted("GET", f"/{number}", "200") for number in range(2000)]

    for name in (*names, Counted("GET", "/" + "x" * 200, "200"), names[0]):
        counts.add(name)

    assert counts.totals()[names[0]] == 2
    assert len(counts.totals()) == 1024


def test_every_route_has_room_for_its_name(client: FlaskClient) -> None:
    counts = RequestCounts()
    names = [Counted("OPTIONS", rule.rule, "503") for rule in client.application.url_map.iter_rules()]

    for name in names:
        counts.add(name)

    assert counts.totals().keys() == set(names)


@pytest.mark.slow
def test_health_file_that_cannot_be_written_does_not_end_the_syncs(household: Household, tmp_path: Path) -> None:
    env = settings_for(household, PLEX_SYNC_INTERVAL_HOURS="0.01")  # it looks every 3 seconds
    alive = tmp_path / "missing" / "alive"

    with program("-m", "wishlist_service.scheduler", "--alive-file", str(alive), env=env) as running:
        running.wait_for("file for the health check cannot be written")
        household.add("Ann")
        wait_until(lambda: household.user("Ann")["last_success_at"])
        assert running.end() == 0
