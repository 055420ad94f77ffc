"""Backups: one whole file or none, seven kept, no secret in them, one a night, and what a stop or a kill leaves."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from tests.support.backups import (
    OLDER,
    NewDatabase,
    back_up,
    command_lines,
    in_the_middle,
    names,
    with_fake_pg_dump,
    with_older_backups,
)
from tests.support.household import API_KEY, PASSPHRASE, Household
from tests.support.processes import NO_SETTINGS, environment, program, wait_until
from wishlist_service import backup
from wishlist_service.backup import back_up_nightly
from wishlist_service.migrate import migrate
from wishlist_service.postgres.programs import ProgramFailed, find_pg_dump, find_pg_restore, run

pytestmark = pytest.mark.slow


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return with_older_backups(tmp_path / "backup")


@pytest.fixture
def password(database_url: str) -> str:
    """One that is not asked for, unless the server of TEST_DATABASE_URL does ask."""
    return str(conninfo_to_dict(database_url).get("password", "marked-database-password"))


@pytest.fixture
def env(database_url: str, directory: Path, password: str) -> dict[str, str]:
    return environment(database_url, BACKUP_DIR=str(directory), DATABASE_PASSWORD=password)


@pytest.mark.parametrize("umask", ["000", "777"])
def test_backup_is_one_file_for_its_owner_alone(env: dict[str, str], directory: Path, umask: str) -> None:
    command = ["sh", "-c", f"umask {umask}; exec {sys.executable} -B -m wishlist_service.backup"]

    said = subprocess.run(command, env=env, cwd=NO_SETTINGS, capture_output=True, text=True, check=True).stdout

    [new] = set(names(directory)) - set(OLDER)
    size, mode = (directory / new).stat().st_size, (directory / new).stat().st_mode
    assert re.fullmatch(r"wishlist-\d{4}-\d\d-\d\dT\d{6}Z\.dump", new)
    assert re.search(rf"INFO wishlist_service.backup backup written file={new} bytes={size} ms=\d+\n", said)
    assert mode & 0o777 == 0o600


def test_seven_are_kept_and_nothing_else_is_removed(env: dict[str, str], directory: Path) -> None:
    others = ["a.dump", "wishlist-2020-1-1T033000Z.dump", "wishlist-2020-01-01T033000Z.dump.bak", "some.partial"]
    for name in [*others, "wishlist-2020-01-01T033000Z.dump.partial"]:
        (directory / name).touch()

    assert back_up(env)[0] == 0

    [new] = set(names(directory)) - set(OLDER) - set(others)
    assert names(directory) == sorted([*others, *OLDER[-6:], new])


def test_no_secret_is_in_a_backup(filled: Household, tmp_path: Path) -> None:
    assert back_up(environment(filled.config.database_url, BACKUP_DIR=str(tmp_path / "made")))[0] == 0

    [dump] = (tmp_path / "made").iterdir()
    run(find_pg_restore(), f"--file={tmp_path / 'sql'}", str(dump), stop=threading.Event())
    for text in (dump.read_bytes(), (tmp_path / "sql").read_bytes()):
        for secret in ("token-of-ann", "token-of-ben", "token-of-cleo", API_KEY, PASSPHRASE):
            assert secret.encode() not in text
    assert b"Gamma_Ray" in text


def test_sessions_are_not_in_a_backup(filled: Household, tmp_path: Path) -> None:
    filled.conn.execute("""
        INSERT INTO sessions (id_hash, role, user_id, expires_at) VALUES ('marked-hash', 'member', 1, now() + '1 day');
        INSERT INTO plex_sign_ins (browser_hash, pin_id, address, wanted, expires_at)
        VALUES ('marked-browser', 1, 'http://localhost', '/', now() + '1 day')
        """)

    assert back_up(environment(filled.config.database_url, BACKUP_DIR=str(tmp_path / "made")))[0] == 0

    [dump] = (tmp_path / "made").iterdir()
    run(find_pg_restore(), f"--file={tmp_path / 'sql'}", str(dump), stop=threading.Event())
    text = (tmp_path / "sql").read_text()
    assert "CREATE TABLE public.sessions" in text
    assert [mark for mark in ("marked-hash", "marked-browser") if mark in text] == []


def test_password_is_in_no_process_list(env: dict[str, str], password: str, conn: Connection[Any]) -> None:
    with in_the_middle(env, conn) as (_command, pg_dump):
        seen = command_lines()
        given = Path(f"/proc/{pg_dump}/environ").read_text()

    assert "--format=custom" in seen[pg_dump]
    assert not [line for line in seen.values() if password in line]
    assert password in given
    assert API_KEY not in given
    assert PASSPHRASE not in given


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            'echo "pg_dump: error: it is $PGPASSWORD" >&2; echo "pg_dump: detail: x" >&2; exit 1',
            r"failed: it is \*{4}\.",
        ),
        ("exit 3", "pg_dump failed: it does not say why."),
        ("exit 0", "pg_restore failed: could not read from input file: end of file."),
        ('for last; do :; done; echo "no dump at all" >"${last#--file=}"', "pg_restore failed: .* in file header."),
        ("kill -9 $$", "pg_dump was ended by a signal: Killed."),
    ],
)
def test_failed_pg_dump_leaves_everything_as_it_was(
    env: dict[str, str], conn: Connection[Any], directory: Path, script: str, sentence: str
) -> None:
    status, said = back_up(with_fake_pg_dump(env, directory, script, version=conn.info.server_version // 10_000))

    assert status == 1
    assert re.fullmatch(rf"The backup failed\. .*{sentence}.*\n", said)
    assert names(directory) == OLDER


def test_pg_dump_killed_in_the_middle_leaves_everything_as_it_was(
    env: dict[str, str], conn: Connection[Any], directory: Path
) -> None:
    with in_the_middle(env, conn) as (command, pg_dump):
        assert len(names(directory)) == len(OLDER) + 1
        os.kill(pg_dump, signal.SIGKILL)
        status = command.exit_status()

    assert (status, command.output) == (1, "The backup failed. pg_dump was ended by a signal: Killed.\n")
    assert names(directory) == OLDER


def test_full_disk_leaves_everything_as_it_was(env: dict[str, str], directory: Path) -> None:
    command = ["sh", "-c", f"ulimit -f 8; exec {sys.executable} -B -m wishlist_service.backup"]

    done = subprocess.run(command, env=env, cwd=NO_SETTINGS, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == "The backup failed. pg_dump was ended by a signal: File size limit exceeded.\n"
    assert names(directory) == OLDER


def test_backup_that_cannot_begin_says_why(env: dict[str, str], password: str, directory: Path) -> None:
    away = env | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
    in_the_way = env | {"BACKUP_DIR": str(directory / OLDER[0])}
    forbidden = env | {"BACKUP_DIR": "/proc"}

    replies = [back_up(wrong) for wrong in (away, in_the_way, forbidden)]

    sentences = ["The database is away: .*port 9 failed.*", rf"{directory / OLDER[0]}: File exists\.", r"/proc/.*"]
    for (status, said), sentence in zip(replies, sentences, strict=True):
        assert status == 1
        assert re.fullmatch(rf"The backup failed\. {sentence}\n", said, re.S), said
        assert password not in said
    assert names(directory) == OLDER


def test_database_without_tables_is_not_backed_up(
    new_database: Callable[[str | None], str], env: dict[str, str], directory: Path
) -> None:
    status, said = back_up(env | {"DATABASE_URL": new_database(None)})

    assert (status, said.count("python -m wishlist_service.migrate")) == (1, 1)
    assert names(directory) == OLDER


def test_pg_dump_is_the_nearest_that_is_not_older_than_the_server(
    conn: Connection[Any], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = with_fake_pg_dump({"PATH": os.environ["PATH"]}, directory, "", version=97)
    monkeypatch.setenv("PATH", env["PATH"])

    assert find_pg_dump(server_version=96) == directory.with_name("bin") / "pg_dump"
    assert find_pg_dump(server_version=conn.info.server_version // 10_000) != directory.with_name("bin") / "pg_dump"
    with pytest.raises(ProgramFailed, match=r"needs pg_dump 98 or newer, found: .*97.* postgresql-client-98\."):
        find_pg_dump(server_version=98)


@pytest.fixture
def new_directory(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def nightly_env(database_url: str, new_directory: Path) -> dict[str, str]:
    return environment(database_url, BACKUP_DIR=str(new_directory))


def name_of(age: timedelta) -> str:
    return (datetime.now(UTC) - age).strftime("wishlist-%Y-%m-%dT%H%M%SZ.dump")


@contextmanager
def nightly(database_url: str, new_directory: Path) -> Iterator[None]:
    """The nightly backups in a thread, so that a test may set their times."""
    stop = threading.Event()
    thread = threading.Thread(target=back_up_nightly, args=(database_url, new_directory), kwargs={"stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_first_backup_waits_for_the_first_migration(
    new_database: NewDatabase, nightly_env: dict[str, str], new_directory: Path
) -> None:
    url = new_database(None)
    with program("-m", "wishlist_service.backup", "--nightly", env=nightly_env | {"DATABASE_URL": url}) as running:
        running.wait_for("nightly backups started")
        migrate(url)
        running.wait_for("backup written")

    assert "backup failed" not in running.output
    assert len(names(new_directory)) == 1


def test_first_backup_is_written_at_once(nightly_env: dict[str, str], new_directory: Path) -> None:
    with program("-m", "wishlist_service.backup", "--nightly", env=nightly_env) as running:
        running.wait_for("backup written")

        assert running.end() == 0

    assert len(names(new_directory)) == 1
    assert running.output.endswith("nightly backups stopped\n")


@pytest.mark.parametrize(("hours", "written"), [(23.9, 0), (24.1, 1)])
def test_restart_backs_up_only_if_the_newest_is_older_than_a_day(
    nightly_env: dict[str, str], new_directory: Path, hours: float, written: int
) -> None:
    new_directory.mkdir()
    (new_directory / name_of(timedelta(hours=hours))).write_text("x")

    with program("-m", "wishlist_service.backup", "--nightly", env=nightly_env) as running:
        running.wait_for("waiting for the night")
        assert running.end(signal.SIGINT) == 0

    assert len(names(new_directory)) == 1 + written


def test_stop_in_the_middle_ends_pg_dump_and_leaves_nothing(
    nightly_env: dict[str, str], conn: Connection[Any], new_directory: Path
) -> None:
    with in_the_middle(nightly_env, conn, "--nightly") as (running, pg_dump):
        assert running.end() == 0
        assert not Path(f"/proc/{pg_dump}").exists()

    assert names(new_directory) == []
    assert "ERROR" not in running.output


def test_stop_of_a_single_backup_is_a_failed_one(
    nightly_env: dict[str, str], conn: Connection[Any], new_directory: Path
) -> None:
    with in_the_middle(nightly_env, conn) as (running, _pg_dump):
        assert running.end() == 1

    assert running.output == "The backup failed. pg_dump was stopped.\n"
    assert names(new_directory) == []


def test_what_a_killed_backup_left_is_removed_but_not_what_is_being_written(
    nightly_env: dict[str, str], conn: Connection[Any], new_directory: Path
) -> None:
    version = conn.info.server_version // 10_000
    hanging = with_fake_pg_dump(nightly_env, new_directory, f"exec sleep 600.{os.getpid()}", version=version)
    sleeper = f"sleep\x00600.{os.getpid()}\x00"

    with program("-m", "wishlist_service.backup", env=hanging) as running:
        wait_until(lambda: sleeper in command_lines().values())
        [partial] = names(new_directory)
        wait_until(lambda: datetime.now(UTC).strftime("%H%M%SZ") not in partial)  # the next has another name
        assert back_up(nightly_env)[0] == 0
        assert partial in names(new_directory)
        running.end(signal.SIGKILL)
        wait_until(lambda: sleeper not in command_lines().values())

    assert back_up(nightly_env)[0] == 0
    assert not [name for name in names(new_directory) if not name.endswith(".dump")]


def test_failed_backup_is_told_in_one_line_and_tried_again(
    database_url: str, new_directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backup, "RETRY_SECONDS", 1)
    caplog.set_level(logging.INFO, logger="wishlist_service.backup")
    new_directory.write_text("in the way")

    with nightly(database_url, new_directory):
        wait_until(lambda: caplog.text.count("backup failed") >= 2)
        new_directory.unlink()
        wait_until(lambda: new_directory.exists() and [name for name in names(new_directory) if name.endswith(".dump")])

    assert {record.levelname for record in caplog.records} == {"ERROR", "INFO"}
    assert f"backup failed reason='{new_directory}: File exists.'" in caplog.text
    assert "Traceback" not in caplog.text


def test_there_is_one_every_night(database_url: str, new_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_directory.mkdir()
    (new_directory / (newest := name_of(timedelta(hours=20)))).write_text("x")
    assert re.fullmatch(r"\d\d:\d\d", backup.NIGHTLY_AT)
    monkeypatch.setattr(backup, "NIGHTLY_AT", (datetime.now() + timedelta(seconds=4)).strftime("%H:%M:%S"))

    with nightly(database_url, new_directory):
        wait_until(lambda: [name for name in names(new_directory) if name.endswith(".dump") and name != newest])
