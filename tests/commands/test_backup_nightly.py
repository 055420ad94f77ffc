"""Backups night after night: when one is written, what a stop or a kill leaves."""

import logging
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from tests.support.backups import NewDatabase, back_up, command_lines, in_the_middle, names, with_fake_pg_dump
from tests.support.processes import environment, program, wait_until
from wishlist_service import backup
from wishlist_service.backup import back_up_nightly
from wishlist_service.migrate import migrate


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def env(database_url: str, directory: Path) -> dict[str, str]:
    return environment(database_url, BACKUP_DIR=str(directory))


def name_of(age: timedelta) -> str:
    return (datetime.now(UTC) - age).strftime("wishlist-%Y-%m-%dT%H%M%SZ.dump")


@contextmanager
def nightly(database_url: str, directory: Path) -> Iterator[None]:
    """The nightly backups in a thread, so that a test may set their times."""
    stop = threading.Event()
    thread = threading.Thread(target=back_up_nightly, args=(database_url, directory), kwargs={"stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.slow
def test_first_backup_waits_for_the_first_migration(
    new_database: NewDatabase, env: dict[str, str], directory: Path
) -> None:
    url = new_database(None)
    with program("-m", "wishlist_service.backup", "--nightly", env=env | {"DATABASE_URL": url}) as running:
        running.wait_for("nightly backups started")
        migrate(url)
        running.wait_for("backup written")

    assert "backup failed" not in running.output
    assert len(names(directory)) == 1


@pytest.mark.slow
def test_first_backup_is_written_at_once(env: dict[str, str], directory: Path) -> None:
    with program("-m", "wishlist_service.backup", "--nightly", env=env) as running:
        running.wait_for("backup written")

        assert running.end() == 0

    assert len(names(directory)) == 1
    assert running.output.endswith("nightly backups stopped\n")


@pytest.mark.slow
@pytest.mark.parametrize(("hours", "written"), [(23.9, 0), (24.1, 1)])
def test_restart_backs_up_only_if_the_newest_is_older_than_a_day(
    env: dict[str, str], directory: Path, hours: float, written: int
) -> None:
    directory.mkdir()
    (directory / name_of(timedelta(hours=hours))).write_text("x")

    with program("-m", "wishlist_service.backup", "--nightly", env=env) as running:
        running.wait_for("waiting for the night")
        assert running.end(signal.SIGINT) == 0

    assert len(names(directory)) == 1 + written


@pytest.mark.slow
def test_stop_in_the_middle_ends_pg_dump_and_leaves_nothing(
    env: dict[str, str], conn: Connection[Any], directory: Path
) -> None:
    with in_the_middle(env, conn, "--nightly") as (running, pg_dump):
        assert running.end() == 0
        assert not Path(f"/proc/{pg_dump}").exists()

    assert names(directory) == []
    assert "ERROR" not in running.output


@pytest.mark.slow
def test_stop_of_a_single_backup_is_a_failed_one(env: dict[str, str], conn: Connection[Any], directory: Path) -> None:
    with in_the_middle(env, conn) as (running, _pg_dump):
        assert running.end() == 1

    assert running.output == "The backup failed. pg_dump was stopped.\n"
    assert names(directory) == []


@pytest.mark.slow
def test_what_a_killed_backup_left_is_removed_but_not_what_is_being_written(
    env: dict[str, str], conn: Connection[Any], directory: Path
) -> None:
    version = conn.info.server_version // 10_000
    hanging = with_fake_pg_dump(env, directory, f"exec sleep 600.{os.getpid()}", version=version)
    sleeper = f"sleep\x00600.{os.getpid()}\x00"

    with program("-m", "wishlist_service.backup", env=hanging) as running:
        wait_until(lambda: sleeper in command_lines().values())
        [partial] = names(directory)
        wait_until(lambda: datetime.now(UTC).strftime("%H%M%SZ") not in partial)  # the next has another name
        assert back_up(env)[0] == 0
        assert partial in names(directory)
        running.end(signal.SIGKILL)
        wait_until(lambda: sleeper not in command_lines().values())

    assert back_up(env)[0] == 0
    assert not [name for name in names(directory) if not name.endswith(".dump")]


@pytest.mark.slow
def test_failed_backup_is_told_in_one_line_and_tried_again(
    database_url: str, directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(backup, "RETRY_SECONDS", 1)
    caplog.set_level(logging.INFO, logger="wishlist_service.backup")
    directory.write_text("in the way")

    with nightly(database_url, directory):
        wait_until(lambda: caplog.text.count("backup failed") >= 2)
        directory.unlink()
        wait_until(lambda: directory.exists() and [name for name in names(directory) if name.endswith(".dump")])

    assert {record.levelname for record in caplog.records} == {"ERROR", "INFO"}
    assert f"backup failed reason={directory}: File exists." in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.slow
def test_there_is_one_every_night(database_url: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir()
    (directory / (newest := name_of(timedelta(hours=20)))).write_text("x")
    assert re.fullmatch(r"\d\d:\d\d", backup.NIGHTLY_AT)
    monkeypatch.setattr(backup, "NIGHTLY_AT", (datetime.now() + timedelta(seconds=4)).strftime("%H:%M:%S"))

    with nightly(database_url, directory):
        wait_until(lambda: [name for name in names(directory) if name.endswith(".dump") and name != newest])
