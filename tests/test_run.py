"""make run and make demo: everything in one go, and nothing left behind. Also the private PostgreSQL beneath."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from psycopg import Connection, connect

from tests.support.processes import (
    CHECKOUT,
    START_SECONDS,
    alive,
    call,
    descendants,
    free_port,
    kill_all,
    plain_environment,
    program,
    request,
    wait_until,
)
from wishlist_service.__main__ import MEMORY
from wishlist_service.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what runs, in a directory of its own."""
    copy = Path("/tmp") / f"wishlist-checkout-{os.getpid()}"
    copy.mkdir(mode=0o755)
    for name in ("wishlist_service", "sql", "tests", "wsgi.py", "gunicorn.conf.py"):
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture
def state() -> Iterator[Path]:
    """A short directory that another user may enter."""
    directory = Path("/tmp") / f"wishlist-state-{os.getpid()}"
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def memory_settings(pids: set[int], name: str) -> dict[str, str]:
    """What glibc is told in the environment of the process of this name."""
    found = next(pid for pid in pids if name in Path(f"/proc/{pid}/cmdline").read_text().split("\0"))
    variables = Path(f"/proc/{found}/environ").read_text().split("\0")
    return dict(variable.split("=", 1) for variable in variables if variable.startswith("MALLOC_"))


def test_demo_shows_a_household_and_leaves_nothing(checkout: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/wishes"
    temporary = checkout / "temporary"
    temporary.mkdir()
    (checkout / ".env").write_text(f"PORT={port}\nURL_BASE=/wishes\nREAD_API_KEY=of-the-real-household-0123456789\n")
    env = plain_environment(port) | {"TMPDIR": str(temporary)}
    del env["PORT"]

    with program("-m", "wishlist_service", "demo", env=env, cwd=checkout) as demo:
        demo.wait_for("approves every sign-in link", seconds=START_SECONDS)
        page = get(f"{address}/api/wishlist?sort=wanted_count&limit=100")
        people = get(f"{address}/api/users")["items"]
        events = get(f"{address}/api/history?limit=200")["items"]
        posters = re.findall(r'<img src="(/wishes/demo/posters/[^"]+)"', request("GET", f"{address}/").body.decode())
        drawings = {request("GET", f"http://127.0.0.1:{port}{poster}").body for poster in posters}
        wait_until(lambda: get(f"{address}/api/wishlist?available=true")["total"] == 9)
        children = descendants(demo.process.pid)
        settings = {name: memory_settings(children, name) for name in ("gunicorn", "wishlist_service.scheduler")}
        exit_status = demo.end(signal.SIGINT)

    assert exit_status == 0
    assert page["total"] == sum(bool(item["genres"]) for item in page["items"]) == 40
    assert all(person["watchlisted_at"] < person["first_added_at"] for person in page["items"][0]["wanted_by"])
    assert (page["items"][0]["title"], page["items"][0]["wanted_count"]) == ("The Lantern Keeper", 5)
    assert sorted(person["sync_state"] for person in people) == ["held", "ok", "ok", "ok", "ok", "token_rejected"]
    assert {event["kind"] for event in events} == {"added", "removed", "came_back"}
    oldest = datetime.fromisoformat(events[-1]["happened_at"])
    assert timedelta(days=20) < datetime.now(UTC) - oldest < timedelta(days=22)
    assert {ElementTree.fromstring(drawing).tag for drawing in drawings} == {"{http://www.w3.org/2000/svg}svg"}
    assert len(drawings) == len(posters) == 40
    assert len(children) >= 5
    assert settings == {"gunicorn": MEMORY, "wishlist_service.scheduler": MEMORY}
    assert alive(children) == set()
    assert list(temporary.iterdir()) == []


def test_demo_approves_sign_in_links(checkout: Path) -> None:
    port = free_port()
    users = f"http://127.0.0.1:{port}/api/users"

    with program("-m", "wishlist_service", "demo", env=plain_environment(port), cwd=checkout) as demo:
        demo.wait_for("approves every sign-in link", seconds=START_SECONDS)
        key = {"X-API-Key": re.findall(r"Sign in +with the key (\w{48})\n", demo.output)[0]}
        farah = next(person for person in get(users)["items"] if person["sync_state"] == "token_rejected")
        links = [
            request("POST", f"{users}/link", headers=key, body={"name": "Dora"}).json["id"],
            request("POST", f"{users}/{farah['id']}/link", headers=key).json["id"],
        ]

        def outcomes() -> list[tuple[str, str]]:
            told = [request("GET", f"{users}/link/{link}", headers=key).json for link in links]
            return [(link["name"], link["status"]) for link in told]

        wait_until(lambda: "pending" not in dict(outcomes()).values(), seconds=60)
        ended = outcomes()
        demo.end(signal.SIGINT)  # killed, it could not remove its directory

    assert ended == [("Dora", "linked"), ("Farah", "linked")]


def get(url: str) -> Any:
    return request("GET", url).json


def test_run_makes_secrets_and_finds_its_data_again(checkout: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    env = plain_environment(port) | {"PLEX_DISCOVER_URL": "http://127.0.0.1:9", "PLEX_TV_URL": "http://127.0.0.1:9"}

    with program("-m", "wishlist_service", env=env, cwd=checkout) as first:
        first.wait_for("Ctrl-C stops it", seconds=START_SECONDS)
        secrets = (checkout / ".env").read_text()
        key = {"X-API-Key": secrets.partition("API_KEY=")[2].partition("\n")[0]}
        assert request("POST", f"{address}/api/sync", headers=key).status == 200
        total = call("GET", f"{address}/api/sync/runs")[1]["total"]
        first.end(signal.SIGTERM)
    with program("-m", "wishlist_service", env=env, cwd=checkout) as second:
        second.wait_for("Ctrl-C stops it", seconds=START_SECONDS)
        again = call("GET", f"{address}/api/sync/runs")[1]["total"]
        children = descendants(second.process.pid)
        second.end(signal.SIGKILL)
        wait_until(lambda: not alive(children))

    directory = re.search(r"The database is in (\S+)", first.output)
    assert directory is not None
    shutil.rmtree(directory[1])
    assert (total, again) == (1, 1)
    assert (checkout / ".env").read_text() == secrets
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    assert re.findall(r"  (Open|Sign in|API|Docs) +(.+)", first.output) == [
        ("Open", f"http://localhost:{port}/"),
        ("Sign in", "with Plex, or with the API_KEY in .env"),
        ("API", f"http://localhost:{port}/api/wishlist"),
        ("Docs", f"http://localhost:{port}/docs"),
    ]
    assert re.fullmatch(r"API_KEY=\w{48}\nTOKEN_ENCRYPTION_KEY=\w{48}\n", secrets)


def test_run_asks_its_own_api_without_a_proxy(checkout: Path, database_url: str) -> None:
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    env = plain_environment(free_port()) | {"DATABASE_URL": database_url} | proxies

    with program("-m", "wishlist_service", env=env, cwd=checkout) as running:
        running.wait_for("Ctrl-C stops it", seconds=START_SECONDS)
        assert running.end(signal.SIGINT) == 0


def test_run_says_so_when_the_port_is_taken(checkout: Path) -> None:
    port = free_port()
    env = plain_environment(port)
    with (
        program("-m", "http.server", str(port), "--bind", "0.0.0.0", env=env),
        program("-m", "wishlist_service", "demo", env=env, cwd=checkout) as demo,
    ):
        exit_status = demo.exit_status()

    assert exit_status == 1
    assert f"Port {port} cannot be used" in demo.output


def test_database_survives_that_everything_is_killed(state: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from wishlist_service.postgres.embedded import EmbeddedPostgres\n"
        "with EmbeddedPostgres(Path(sys.argv[1])) as server: print('up', flush=True); time.sleep(300)"
    )
    env = plain_environment(0) | {"PYTHONPATH": str(CHECKOUT)}
    with program("-c", script, str(state), env=env) as holder:
        holder.wait_for("up", seconds=START_SECONDS)
        with look_into(state) as conn:
            conn.execute("CREATE TABLE kept (n int)")
            conn.execute("INSERT INTO kept VALUES (42)")
        kill_all(holder.process.pid)

    with EmbeddedPostgres(state), look_into(state) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (42,)


def look_into(state: Path) -> Connection:
    return connect(EmbeddedPostgres(state).url, autocommit=True)


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 - 1], ids=["of another process", "of nobody"])
def test_stale_lock_is_not_believed(state: Path, pid: int) -> None:
    with EmbeddedPostgres(state):
        pass
    data = next(state.glob("pg*/PG_VERSION")).parent
    (data / "postmaster.pid").write_text(f"{pid}\n{data}\n1\n5432\n{state}\n\n0 0\nready\n")

    with EmbeddedPostgres(state), look_into(state) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_second_user_of_the_same_database_is_refused(state: Path) -> None:
    with EmbeddedPostgres(state), pytest.raises(EmbeddedPostgresError, match="already uses"):
        EmbeddedPostgres(state).start()


def test_path_too_long_for_a_socket_is_refused(state: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="too long"):
        EmbeddedPostgres(state / ("x" * 100))
