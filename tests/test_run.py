"""make run and make demo: everything in one go, and nothing left behind. Also the private PostgreSQL beneath."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
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
    Program,
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


HOLD = """
import sys, time
from pathlib import Path
from wishlist_service.postgres.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1])): print("up", flush=True); time.sleep(300)
"""


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
    rules = next(Path(directory[1]).glob("pg*/pg_hba.conf")).read_text()
    with EmbeddedPostgres(Path(directory[1])) as server, connect(server.owner_url) as conn:
        rights = conn.execute("SELECT rolname, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles").fetchall()
        owners = conn.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    shutil.rmtree(directory[1])
    assert ("wishlist", False, False, False) in rights
    assert owners == [("wishlist",)]
    assert "superuser" not in first.output
    assert rules == "local all,replication all peer map=wishlist\n"
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


def ordinary_python(checkout: Path) -> list[str]:
    """A command that runs Python with our packages as an ordinary user, who owns the checkout."""
    if os.geteuid() != 0:
        return [sys.executable]
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    right = f"sys.version_info[:2] == {sys.version_info[:2]} and os.access(sys.executable, os.X_OK)"
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):  # ours may be in root's home
        if (
            subprocess.run(
                [*command, python, "-c", f"import os, sys; sys.exit(not ({right}))"], stderr=subprocess.DEVNULL
            ).returncode
            == 0
        ):
            for path in (checkout, *checkout.rglob("*")):
                shutil.chown(path, "nobody", "nogroup")
            subprocess.run([*command, python, "-m", "venv", "--without-pip", checkout / ".venv"], check=True)
            [packages] = checkout.glob(".venv/lib/*/site-packages")
            (packages / "ours.pth").write_text(sysconfig.get_path("purelib"))
            return [*command, str(checkout / ".venv/bin/python")]
    raise AssertionError("no Python of this version that an ordinary user may run")


def test_run_needs_no_root(checkout: Path) -> None:
    port = free_port()
    env = plain_environment(port) | {"PLEX_DISCOVER_URL": "http://127.0.0.1:9", "PLEX_TV_URL": "http://127.0.0.1:9"}

    running = Program([*ordinary_python(checkout), "-m", "wishlist_service"], env, cwd=checkout)
    try:
        running.wait_for("Ctrl-C stops it", seconds=START_SECONDS)
        total = call("GET", f"http://127.0.0.1:{port}/api/wishlist")[1]["total"]
        status = running.end(signal.SIGINT)
    finally:
        running.close()

    assert (total, status) == (0, 0)
    assert f"The database is in {checkout}/.data" in running.output
    assert "superuser" not in running.output
    assert {(checkout / name).stat().st_mode & 0o077 for name in (".env", ".data")} == {0}


def test_private_database_of_before_gets_its_owner(state: Path) -> None:
    with EmbeddedPostgres(state) as server, connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE TABLE plex_users (id integer)")
        conn.execute("CREATE FUNCTION ours() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
        conn.execute("CREATE VIEW wishes AS SELECT id FROM plex_users")
        conn.execute("ALTER DATABASE postgres OWNER TO postgres; DROP ROLE wishlist")
    rules = next(state.glob("pg*/pg_hba.conf"))
    rules.write_text("local all all trust\n")

    with EmbeddedPostgres(state) as server, connect(server.owner_url) as conn:
        assert conn.execute("SELECT ours() FROM plex_users, wishes").fetchall() == []
        conn.execute("DROP VIEW wishes; DROP FUNCTION ours; DROP TABLE plex_users")

    assert "trust" not in rules.read_text()


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
    env = plain_environment(0) | {"PYTHONPATH": str(CHECKOUT)}
    with program("-c", HOLD, str(state), env=env) as holder:
        holder.wait_for("up", seconds=START_SECONDS)
        with look_into(state) as conn:
            conn.execute("CREATE TABLE kept (n int)")
            conn.execute("INSERT INTO kept VALUES (42)")
        kill_all(holder.process.pid)

    with EmbeddedPostgres(state), look_into(state) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (42,)


def test_start_waits_for_the_server_of_a_killed_process_and_says_that_it_takes_long(state: Path) -> None:
    env = plain_environment(0) | {"PYTHONPATH": str(CHECKOUT)}
    with program("-c", HOLD, str(state), env=env) as holder:
        holder.wait_for("up", seconds=START_SECONDS)
        old = int(next(state.glob("pg*/postmaster.pid")).read_text().split()[0])
        os.kill(old, signal.SIGSTOP)
        holder.process.kill()
        with program("-c", HOLD, str(state), env=env) as following:
            following.wait_for("PostgreSQL is still starting", seconds=START_SECONDS)
            os.kill(old, signal.SIGCONT)
            following.wait_for("up", seconds=START_SECONDS)
            following.end(signal.SIGINT)


def test_program_that_is_just_being_started_ends_with_its_parent() -> None:
    script = (
        "import os, signal, subprocess, time\n"
        "from wishlist_service.postgres.programs import die_with_parent\n"
        "parent, die = os.getpid(), die_with_parent(signal.SIGTERM)\n"
        "def begin_late():\n"
        "    print('forked', os.getpid(), flush=True)\n"
        "    while os.getppid() == parent: time.sleep(0.01)\n"
        "    die()\n"
        "subprocess.Popen(['sleep', '90'], preexec_fn=begin_late)"
    )
    with program("-c", script, env=plain_environment(0) | {"PYTHONPATH": str(CHECKOUT)}) as parent:
        parent.wait_for("forked")
        child = int(parent.output.split()[1])
        parent.process.kill()
        wait_until(lambda: not alive({child}))


def look_into(state: Path) -> Connection:
    return connect(EmbeddedPostgres(state).url, autocommit=True)


@pytest.mark.parametrize("pid", [os.getpid(), 2**22 - 1, None], ids=["of another process", "of nobody", "empty"])
@pytest.mark.parametrize("lock", ["pg*/postmaster.pid", ".s.PGSQL.5432.lock"])
def test_stale_lock_is_not_believed(state: Path, lock: str, pid: int | None) -> None:
    with EmbeddedPostgres(state):
        locks = [next(state.glob(lock)), state / ".s.PGSQL.5432.lock"]
    data = next(state.glob("pg*/PG_VERSION")).parent
    for file in locks:  # PostgreSQL makes postmaster.pid first
        file.write_text(f"{pid}\n{data}\n1\n5432\n{state}\n\n0 0\nready\n" if pid else "")

    with EmbeddedPostgres(state), look_into(state) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_second_user_of_the_same_database_is_refused(state: Path) -> None:
    with EmbeddedPostgres(state), pytest.raises(EmbeddedPostgresError, match="already uses"):
        EmbeddedPostgres(state).start()


def test_path_too_long_for_a_socket_is_refused(state: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="too long"):
        EmbeddedPostgres(state / ("x" * 100))
