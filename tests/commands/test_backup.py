"""Backups: one whole file or none, seven kept, no secret in it or beside it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from tests.support.backups import (
    OLDER,
    back_up,
    command_lines,
    in_the_middle,
    names,
    with_fake_pg_dump,
    with_older_backups,
)
from tests.support.household import API_KEY, PASSPHRASE, Household
from tests.support.processes import NO_SETTINGS, environment
from wishlist_service.postgres.programs import ProgramFailed, find_pg_dump, find_pg_restore, run


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
