"""Keys, passwords and .env survive a power cut: written whole, and never made again beside data that needs them."""

import os
import re
import signal
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from psycopg import connect

from tests.project.test_compose import COMPOSE, entrypoint, started
from tests.support.household import Household
from tests.support.processes import CHECKOUT, environment, free_port, plain_environment, program
from tests.support.settings import faults
from wishlist_service.config.parsers import why_unreadable

KEY = re.compile("[0-9a-f]{48}")
LOST = [b"", b"\n", b"\0" * 48]
SERVES = ("sh", "-c", "echo became gunicorn wsgi:app")


def db_container(directory: Path, *, password: str = "", **more: str) -> tuple[int, str]:
    """Run the entry script of the container `db` in a directory; exit status and what it printed."""
    text = COMPOSE.partition("entrypoint:\n")[2].partition("      - |\n")[2].partition("\n      - db\n")[0]
    script = re.sub("^ {8}", "", text, flags=re.M).replace("$$", "$")
    script = script.replace("/var/lib/postgresql", f"{directory}/postgresql").replace(
        "/password", f"{directory}/password"
    )
    script = script.replace("/docker-entrypoint-initdb.d", f"{directory}/init")
    script = script.replace('exec docker-entrypoint.sh "$@"', 'echo "became ${POSTGRES_PASSWORD-unset}"')
    env = {"PATH": os.environ["PATH"], "POSTGRES_PASSWORD": password, "PG_MAJOR": "18"} | more
    if os.geteuid() != 0:  # only root, as the container is, may give files to others
        env |= {"PUID": str(os.geteuid()), "PGID": str(os.getegid())}
    done = subprocess.run(
        ["bash", "-euc", script, "db"],
        env=env | {"PGDATA": f"{directory}/postgresql/18/data"}, capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """The volumes of the container `db`, empty."""
    for name in ("password", "postgresql"):
        (tmp_path / name).mkdir()
    return tmp_path


def make_cluster(volumes: Path, version: str, place: str = "data") -> None:
    directory = volumes / "postgresql" / version / place
    directory.mkdir(parents=True)
    (directory / "PG_VERSION").write_text(f"{version}\n")


@pytest.mark.parametrize("content", LOST)
def test_lost_api_key_is_made_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "api_key").write_bytes(content)

    entrypoint(tmp_path, "true")

    assert KEY.fullmatch((tmp_path / "api_key").read_text())
    assert stat.S_IMODE((tmp_path / "api_key").stat().st_mode) == 0o400
    assert {path.name for path in tmp_path.iterdir()} == {"api_key", "token_encryption_key"}


def test_what_a_killed_start_left_is_no_key_and_does_not_stop_the_next(tmp_path: Path) -> None:
    (tmp_path / "api_key.new").write_text("half")
    (tmp_path / "api_key.new").chmod(0o444)

    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(lambda _: entrypoint(tmp_path, "cat", str(tmp_path / "api_key")), range(4)))

    assert len(seen) == 1
    assert KEY.fullmatch(seen.pop())


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, *LOST])
def test_key_of_the_tokens_is_never_made_beside_tokens(
    household: Household, tmp_path: Path, content: bytes | None
) -> None:
    household.add("Ann")
    file = tmp_path / "token_encryption_key"
    if content is not None:
        file.write_bytes(content)
    env = environment(household.config.database_url, TOKEN_ENCRYPTION_KEY="")

    with started(tmp_path, *SERVES, **env) as refused:
        status = refused.exit_status()
    entrypoint(tmp_path, "sh", "-c", "echo became python -m wishlist_service.doctor", **env)

    assert status == 1
    assert "became" not in refused.output
    for part in ("TOKEN_ENCRYPTION_KEY is gone", "tokens of 1 people", "Put the old key back", "sign in again"):
        assert part in refused.output
    assert (file.read_bytes() if file.exists() else None) == content


@pytest.mark.slow
def test_key_of_the_tokens_is_made_beside_an_empty_database(household: Household, tmp_path: Path) -> None:
    env = environment(household.config.database_url, TOKEN_ENCRYPTION_KEY="")

    assert "became" in entrypoint(tmp_path, *SERVES, **env)

    assert KEY.fullmatch((tmp_path / "token_encryption_key").read_text())


@pytest.mark.parametrize("name", ["API_KEY", "TOKEN_ENCRYPTION_KEY", "READ_API_KEY"])
def test_file_of_zeros_is_refused_with_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "key").write_bytes(b"\0" * 48)

    [told] = faults(**{name: "", f"{name}_FILE": str(tmp_path / "key")})

    assert told.startswith(f"{name}_FILE names a file of zeros")


@pytest.mark.parametrize("content", [None, *LOST])
def test_password_of_the_database_is_made_before_the_first_start_only(volumes: Path, content: bytes | None) -> None:
    file = volumes / "password" / "postgres"
    if content is not None:
        file.write_bytes(content)

    first = db_container(volumes)
    password = file.read_text()
    make_cluster(volumes, "18")
    second = db_container(volumes)
    file.chmod(0o600)
    file.write_bytes(content or b"")
    refused = db_container(volumes)
    given = db_container(volumes, password="the old one")

    assert first == second == given == (0, "became unset\n")
    assert KEY.fullmatch(password)
    assert refused[0] == 1
    assert "No other password is made" in refused[1]
    assert file.read_text() == "the old one"
    assert [path.name for path in (volumes / "password").iterdir()] == ["postgres"]


@pytest.mark.parametrize(("version", "place"), [("17", "data"), ("19", "data"), ("16", ".")])
def test_no_new_cluster_is_made_beside_one_of_another_version(volumes: Path, version: str, place: str) -> None:
    make_cluster(volumes, version, place)

    refused = db_container(volumes)
    told_to = db_container(volumes, NEW_CLUSTER="yes")
    make_cluster(volumes, "18")
    used = db_container(volumes)

    assert refused[0] == 1
    assert f"holds data of PostgreSQL {version}" in refused[1]
    assert "This is PostgreSQL 18" in refused[1]
    assert told_to[0] == used[0] == 0


def test_key_that_cannot_be_read_is_never_replaced_and_its_owner_and_the_fix_are_named(tmp_path: Path) -> None:
    (tmp_path / "api_key").mkdir()  # root can read every file

    with started(tmp_path, "sh", "-c", "echo became gunicorn wsgi:app") as refused:
        status = refused.exit_status()

    owner = (tmp_path / "api_key").stat().st_uid
    assert status == 1
    [line] = refused.output.splitlines()
    assert f"cannot read {tmp_path}/api_key, which belongs to the user {owner}" in line
    assert f"--entrypoint chown plex-wishlist-service {os.geteuid()} {tmp_path}/api_key" in line
    assert [path.name for path in tmp_path.iterdir()] == ["api_key"]


def test_file_of_another_user_is_named_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "key").touch(mode=0o400)
    here = os.geteuid()

    told = why_unreadable(str(tmp_path / "key"), PermissionError())
    gone = why_unreadable(str(tmp_path / "a-secret-in-the-wrong-place"), PermissionError())

    assert told == (
        f"{tmp_path}/key belongs to the user {here}, and this is the user {here}. Run: chown {here} {tmp_path}/key"
    )
    assert gone == "PermissionError"


def test_keys_of_before_can_be_read_by_their_owner_only_from_now_on(tmp_path: Path) -> None:
    for name in ("api_key", "token_encryption_key"):
        (tmp_path / name).write_text("of-before-0123456789")
        (tmp_path / name).chmod(0o444)

    printed = entrypoint(tmp_path, "sh", "-c", f"cat {tmp_path}/*")

    assert printed == "of-before-0123456789" * 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o400}


def test_password_is_for_the_user_of_the_programs_alone_and_makes_an_owner_without_more_rights(volumes: Path) -> None:
    assert db_container(volumes, password="it's", OWNER='the "owner"', PUID="1234", PGID="56")[0] == 0
    file = volumes / "password" / "postgres"
    script = (volumes / "init" / "owner.sql").read_text()
    make_cluster(volumes, "18")
    (volumes / "init" / "owner.sql").unlink()
    file.chmod(0o644)
    again = db_container(volumes, OWNER='the "owner"', PUID="1235")

    assert script == (
        """CREATE ROLE "the ""owner\"\"\" LOGIN PASSWORD 'it''s';\n"""
        """ALTER DATABASE "wishlist" OWNER TO "the ""owner\"\"\";\nALTER ROLE postgres PASSWORD NULL;\n"""
    )
    assert again[0] == 0
    assert [*(volumes / "init").iterdir()] == []
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    if os.geteuid() == 0:
        assert (file.stat().st_uid, file.stat().st_gid) == (1235, 100)


def test_superuser_is_no_user_for_the_programs(volumes: Path) -> None:
    status, printed = db_container(volumes, OWNER="postgres")

    assert status == 1
    assert "POSTGRES_USER must not be postgres" in printed
    assert [*(volumes / "password").iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("before", ["PORT={port}", "PORT={port}\nAPI_KEY=\n# a note", None, "example", "\0" * 200])
def test_run_appends_the_keys_that_are_missing(database_url: str, tmp_path: Path, before: str | None) -> None:
    port = free_port()
    env_file = tmp_path / ".env"
    text = (CHECKOUT / ".env.example").read_text() if before == "example" else (before or "").format(port=port)
    if before is not None:
        env_file.write_text(text)
    env = plain_environment(port) | {"DATABASE_URL": database_url, "PYTHONPATH": str(CHECKOUT)}

    for _ in range(2):
        with program("-m", "wishlist_service", env=env, cwd=tmp_path) as running:
            running.wait_for("Ctrl-C stops it", seconds=120)
            assert running.end(signal.SIGINT) == 0

    after = env_file.read_text()
    assert after.startswith(text.strip("\0"))
    assert re.fullmatch(r"\n?API_KEY=\w{48}\nTOKEN_ENCRYPTION_KEY=\w{48}\n", after.removeprefix(text.strip("\0")))
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.mark.slow
def test_run_makes_no_key_of_the_tokens_beside_tokens(household: Household, tmp_path: Path) -> None:
    household.add("Ann")
    env = plain_environment(free_port()) | {"DATABASE_URL": household.config.database_url, "PYTHONPATH": str(CHECKOUT)}

    with program("-m", "wishlist_service", env=env, cwd=tmp_path) as running:
        status = running.exit_status()

    assert status == 1
    assert "TOKEN_ENCRYPTION_KEY is gone" in running.output
    assert not (tmp_path / ".env").exists()


@pytest.mark.slow
def test_run_that_starts_twice_at_once_uses_one_key(database_url: str, tmp_path: Path) -> None:
    ports = [free_port(), free_port() + 1]
    env = {"DATABASE_URL": database_url, "PYTHONPATH": str(CHECKOUT)}
    runs = [program("-m", "wishlist_service", env=plain_environment(port) | env, cwd=tmp_path) for port in ports]
    with runs[0] as one, runs[1] as other:
        for running in (one, other):
            running.wait_for("Ctrl-C stops it", seconds=120)

    assert (tmp_path / ".env").read_text().count("TOKEN_ENCRYPTION_KEY=") == 1
    with connect(database_url) as conn:
        assert conn.execute("SELECT count(*) FROM plex_users").fetchone() == (0,)
