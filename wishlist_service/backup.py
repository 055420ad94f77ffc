"""python -m wishlist_service.backup: the database as one file in BACKUP_DIR, once or every night."""

import argparse
import fcntl
import logging
import os
import re
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from schedule import Scheduler

from wishlist_service.config import DATABASE_SETTINGS, load_config, postgres_environment
from wishlist_service.db import ask, connect
from wishlist_service.postgres.programs import ProgramFailed, find_pg_dump, find_pg_restore, run
from wishlist_service.process.logs import configure_logging
from wishlist_service.process.stopping import stop_on_signals
from wishlist_service.queries import server

logger = logging.getLogger("wishlist_service.backup")  # __name__ is __main__ when run

KEPT: Final = 7
NIGHTLY_AT: Final = "03:30"  # local time
RETRY_SECONDS: Final = 3600
LONGEST_WAIT_SECONDS: Final = 60  # then look at the clock again, it may have been set
STARTING_SECONDS: Final = 60  # how long a database and its first migration may take

_NAME: Final = "wishlist-%Y-%m-%dT%H%M%SZ.dump"
_PARTIAL: Final = ".partial"


class BackupFailed(Exception):
    """No backup was written; the message is a sentence."""


def back_up(database_url: str, directory: Path, *, stop: threading.Event) -> None:
    """Write one backup into the directory, which is made if need be, and remove all but the newest.

    Raises BackupFailed, also when `stop` is set meanwhile; nothing is left behind then.
    """
    started = time.monotonic()
    try:
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        _remove_left_overs(directory)
        backup = directory / datetime.now(UTC).strftime(_NAME)
        size = _write(backup, database_url, stop=stop)
        logger.info("backup written file=%s bytes=%s ms=%.0f", backup.name, size, (time.monotonic() - started) * 1000)
        others = [path for _, path in _backups(directory) if path != backup]
        for path in others[KEPT - 1 :]:
            path.unlink()
    except OperationalError as error:
        raise BackupFailed(f"The database is away: {str(error).strip()}") from error
    except ProgramFailed as error:
        raise BackupFailed(str(error)) from error
    except OSError as error:
        raise BackupFailed(f"{error.filename or directory}: {error.strerror}.") from error


def _write(backup: Path, database_url: str, *, stop: threading.Event) -> int:
    """Write the backup and return its size; the file has its name only once it is whole."""
    partial = backup.with_name(backup.name + _PARTIAL)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # whatever the umask took away
        with suppress(OSError):  # not every file system has locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _dump(database_url, partial, stop=stop)
        _check(partial, stop=stop)
        os.fsync(descriptor)
        partial.rename(backup)
        _sync_directory(backup.parent)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _dump(database_url: str, file: Path, *, stop: threading.Event) -> None:
    with connect(database_url, role="backup") as conn:
        pg_dump = find_pg_dump(server_version=conn.info.server_version // 10_000)
        password = conn.info.password
    # The list of processes shows the arguments to everybody. The password goes into the environment;
    # that of a client's key has no variable, and stays away.
    address = conninfo_to_dict(database_url)
    for secret in ("password", "sslpassword"):
        address.pop(secret, None)
    run(
        pg_dump,
        *("--format=custom", "--no-owner", "--no-privileges", "--no-password"),
        f"--dbname={make_conninfo('', **address)}",
        f"--file={file}",
        stop=stop,
        env=postgres_environment() | {"PGPASSWORD": password},
    )


def _check(file: Path, *, stop: threading.Event) -> None:
    """Raises ProgramFailed unless pg_restore can read the dump and finds the people in it."""
    with tempfile.TemporaryFile() as listing:
        run(find_pg_restore(), "--format=custom", "--list", str(file), stdout=listing, stop=stop)
        listing.seek(0)
        if not re.search(rb" TABLE DATA \S+ plex_users ", listing.read()):
            raise ProgramFailed("The dump holds no table plex_users. Run: python -m wishlist_service.migrate")


def _sync_directory(directory: Path) -> None:
    # so that the name, too, is on the disk
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left_overs(directory: Path) -> None:
    """Remove what killed backups left behind."""
    for path in directory.glob(f"*{_PARTIAL}"):
        if _made_at(path.with_suffix("")):
            # its own backup holds the lock as long as it lives
            with suppress(OSError), path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _backups(directory: Path) -> list[tuple[datetime, Path]]:
    """The backups and when they were made, newest first; not those of a clock that once ran ahead."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = [(made_at, path) for path in directory.glob("*.dump") if (made_at := _made_at(path))]
    return sorted((made for made in found if made[0] < tomorrow), reverse=True)


def _made_at(path: Path) -> datetime | None:
    """When this backup was made, as its name says; None for a file that is no backup."""
    try:
        made_at = datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return made_at if made_at.strftime(_NAME) == path.name else None  # strptime takes 2026-1-2 too


def back_up_nightly(database_url: str, directory: Path, *, stop: threading.Event) -> None:
    """Back up every night until `stop` is set, and at once if the newest backup is older than a day."""
    jobs = Scheduler()

    def job() -> None:
        """One backup; another try in an hour if it failed. Never raises: schedule would end."""
        jobs.clear("retry")
        try:
            back_up(database_url, directory, stop=stop)
            return
        except BackupFailed as failed:
            if stop.is_set():
                return
            logger.error("backup failed reason=%s", failed)
        except Exception:
            logger.exception("backup failed, unexpected error")
        # cleared by the next one, which this very job runs
        jobs.every(RETRY_SECONDS).seconds.do(job).tag("retry")

    jobs.every().day.at(NIGHTLY_AT).do(job)
    backups = _backups(directory)
    if not backups or datetime.now(UTC) - backups[0][0] > timedelta(days=1):
        _wait_for_tables(database_url, stop=stop)
        job()
    logger.info("waiting for the night at=%s", NIGHTLY_AT)
    while not stop.is_set():
        jobs.run_pending()
        idle = jobs.idle_seconds or 0
        stop.wait(min(max(idle, 0), LONGEST_WAIT_SECONDS))


def _wait_for_tables(database_url: str, *, stop: threading.Event) -> None:
    """Wait a while for a database that has just been started, and for its first migration."""
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and not stop.is_set():
        with suppress(OperationalError):
            if ask(database_url, server.has_tables):
                return
        stop.wait(1)


def main() -> None:
    """One backup, or one every night."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.backup", description=__doc__)
    parser.add_argument("--nightly", action="store_true", help=f"keep running, back up every night at {NIGHTLY_AT}")
    arguments = parser.parse_args()
    config = load_config(uses={*DATABASE_SETTINGS, "BACKUP_DIR", "LOG_LEVEL"})
    configure_logging(config.log_level)
    stop = threading.Event()
    stop_on_signals(stop)
    if arguments.nightly:
        logger.info("nightly backups started directory=%s", config.backup_dir)
        back_up_nightly(config.database_url, config.backup_dir, stop=stop)
        logger.info("nightly backups stopped")
        return
    try:
        back_up(config.database_url, config.backup_dir, stop=stop)
    except BackupFailed as failed:
        sys.exit(f"The backup failed. {failed}")


if __name__ == "__main__":
    main()
