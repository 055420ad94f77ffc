"""Every command ends in a sentence: at what the database and the disk may answer, and at Ctrl-C at any moment."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.household import Household
from tests.support.own_server import Look, OwnServer, own_server
from tests.support.processes import NO_SETTINGS, environment, free_port, program, wait_until

pytestmark = pytest.mark.slow

ENDING = ["migrate", "backup", "restore {dump}", "tokens rotate", "sync", "doctor"]
EVERY = [*ENDING, "scheduler", "backup --nightly"]

# Ctrl-C at the import with this number after the first line of ours.
INTERRUPT = """
import os, signal, sys
left = int(os.environ["INTERRUPT_AT"])
def count(event, arguments):
    global left
    if event == "import" and "wishlist_service" in sys.modules:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(count)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


@pytest.fixture(scope="module")
def interrupting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("interrupting")
    (directory / "sitecustomize.py").write_text(INTERRUPT)
    return directory


def split(command: str, dump: Path) -> list[str]:
    """The arguments of python for a command."""
    name, *rest = command.format(dump=dump).split(" ")
    return ["-m", f"wishlist_service.{name}", *rest]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, server: OwnServer) -> Path:
    """A backup."""
    directory = tmp_path_factory.mktemp("made")
    env = environment(server.new_database(), BACKUP_DIR=str(directory))
    subprocess.run([sys.executable, *split("backup", directory)], env=env, cwd=NO_SETTINGS, check=True)
    [made] = directory.iterdir()
    return made


@pytest.fixture
def dump(tmp_path: Path, made: Path) -> Path:
    """A copy of the backup for this test alone."""
    return Path(shutil.copy(made, tmp_path))


def run(command: str, dump: Path, url: str, **settings: str) -> tuple[int, str]:
    """Exit status and output. A scheduler is stopped after its first complaint."""
    env = environment(url, BACKUP_DIR=str(dump.parent / "backup"), PORT=str(free_port()), **settings)
    with program(*split(command, dump), env=env) as running:
        if command in ("scheduler", "backup --nightly"):
            said = "put off" if command == "scheduler" else "waiting for the night"
            wait_until(lambda: said in running.output or running.process.poll() is not None, seconds=90)
            running.process.terminate()
        status = running.exit_status()
    assert "Traceback" not in running.output, running.output
    return status, running.output


@pytest.mark.parametrize("command", EVERY)
def test_user_without_rights(server: OwnServer, dump: Path, command: str) -> None:
    url = server.new_database()
    look = Look(url)
    bob = f"bob_{EVERY.index(command)}"
    look.execute(f"CREATE ROLE {bob} LOGIN")
    look.execute(f"GRANT CREATE ON SCHEMA public TO {bob}")

    status, output = run(command, dump, url.replace("postgres@", f"{bob}@"))

    assert status == (0 if command == "backup --nightly" else 1)
    assert "permission denied" in output or "may not do this" in output or command in ("restore {dump}", "doctor")


@pytest.mark.parametrize("command", EVERY)
def test_statement_that_takes_too_long(server: OwnServer, dump: Path, command: str) -> None:
    url = server.new_database()
    Look(url).execute("INSERT INTO sync_runs (trigger) SELECT 'manual' FROM generate_series(1, 10000)")

    run(command, dump, f"{url}&options={quote('-c statement_timeout=1')}")


@pytest.mark.parametrize("command", ENDING)
def test_read_only_database(server: OwnServer, dump: Path, command: str) -> None:
    url = server.new_database()
    Look(url).execute(
        f"ALTER DATABASE {url.partition('@/')[2].partition('?')[0]} SET default_transaction_read_only = on"
    )

    status, output = run(command, dump, url)

    assert (status, "can only be read" in output) in ((1, True), (0, False)) or command == "doctor"


@pytest.mark.parametrize("command", [*ENDING, "scheduler"])
def test_database_that_is_away(dump: Path, command: str) -> None:
    status, output = run(command, dump, f"postgresql://nobody@127.0.0.1:{free_port()}/none")

    assert status == (0 if command == "scheduler" else 1)
    assert "Connection refused" in output


@pytest.mark.parametrize("command", ENDING)
def test_connection_that_is_lost(household: Household, dump: Path, command: str) -> None:
    household.conn.execute(
        "CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
    )
    for table in ("sync_runs", "plex_users", "sync_state"):
        household.conn.execute(
            f"CREATE TRIGGER ends BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION end_session()"
        )

    status, output = run(command, dump, household.config.database_url)

    assert status in (0, 1)
    if command == "sync":
        assert "The database cannot be reached: terminating connection" in output


@pytest.mark.parametrize("command", ENDING)
def test_output_on_a_full_disk(household: Household, dump: Path, command: str) -> None:
    env = environment(household.config.database_url, household.plex.url, BACKUP_DIR=str(dump.parent / "backup"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, *split(command, dump)],
            env=env, cwd=NO_SETTINGS, stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if command in ("sync", "doctor"):
        assert "No space left on device" in done.stderr


@pytest.mark.parametrize("command", ["backup", "backup --nightly"])
def test_directory_that_cannot_be_written(household: Household, dump: Path, command: str) -> None:
    env = environment(household.config.database_url, BACKUP_DIR="/proc/nowhere")
    with program(*split(command, dump), env=env) as running:
        if command == "backup":
            assert running.exit_status() == 1
        else:
            running.wait_for("backup failed reason=")
            assert running.end() == 0

    assert "/proc/nowhere" in running.output
    assert "Traceback" not in running.output


@pytest.mark.parametrize("at", [1, 2, 20, 150, 400, 700, 1000])
@pytest.mark.parametrize("command", [*EVERY, ""])
def test_ctrl_c_while_the_program_is_loaded(interrupting: Path, tmp_path: Path, command: str, at: int) -> None:
    env = environment("postgresql://nobody@127.0.0.1:9/none", BACKUP_DIR=str(tmp_path), INTERRUPT_AT=str(at))
    env["PYTHONPATH"] += f":{interrupting}"
    arguments = split(command, tmp_path / "none") if command else ["-m", "wishlist_service"]

    with program(*arguments, env=env | {"PORT": str(free_port())}, cwd=tmp_path) as running:
        if command in ("scheduler", "backup --nightly"):
            wait_until(lambda: " started" in running.output or running.process.poll() is not None)
            running.process.terminate()
        status = running.exit_status()

    assert "Traceback" not in running.output, running.output
    assert status != 0 or "Stopped" in running.output or command in ("scheduler", "backup --nightly")
