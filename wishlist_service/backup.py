"""python -m wishlist_service.backup: back up the database into a file in BACKUP_DIR, once or every night."""

import argparse
import errno
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

from psycopg import Error, OperationalError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from schedule import Scheduler

from wishlist_service import db
from wishlist_service.config import DATABASE_SETTINGS, load_config, postgres_environment
from wishlist_service.db import ask, connect
from wishlist_service.postgres.programs import ProgramFailed, find_pg_dump, find_pg_restore, run
from wishlist_service.process.clock import Clock
from wishlist_service.process.logs import configure_logging
from wishlist_service.process.stopping import stop_on_signals
from wishlist_service.queries import server

logger = logging.getLogger("wishlist_service.backup")  # __name__ is __main__ when run

KEPT: Final = 7
NIGHTLY_AT: Final = "03:30"  # local time
RETRY_SECONDS: Final = 3600
MAXIMUM_WAIT_SECONDS: Final = 60  # someone may set the clock
SET_CLOCK: Final = timedelta(minutes=1)  # less is the clock being kept right
STARTING_SECONDS: Final = 60  # for the start of a database and its first migration

_NAME: Final = "wishlist-%Y-%m-%dT%H%M%SZ.dump"
_PARTIAL: Final = ".partial"


class BackupFailed(Exception):
    """No backup was written. The message says why."""


def back_up(database_url: str, directory: Path, *, stop: threading.Event) -> None:
    """Write one backup into the directory, and delete all but the newest. Make the directory if it is missing.

    Raises BackupFailed, also if `stop` is set meanwhile, and leaves no file then.
    """
    started = time.monotonic()
    try:
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        _remove_left_overs(directory)
        backup = directory / datetime.now(UTC).strftime(_NAME)
        size = _write(backup, database_url, stop=stop)
        logger.info("backup written file=%s bytes=%s ms=%.0f", backup.name, size, (time.monotonic() - started) * 1000)
        for path in [path for _, path in _backups(directory) if path != backup][KEPT - 1 :]:
            try:
                path.unlink()
            except OSError as error:  # the new backup is there all the same
                logger.warning("old backup cannot be deleted file=%s reason=%s", path.name, error.strerror)
    except Error as error:
        raise BackupFailed(db.explain(error)) from error
    except ProgramFailed as error:
        raise BackupFailed(str(error)) from error
    except OSError as error:
        raise BackupFailed(f"{error.filename or directory}: {error.strerror}.") from error


def _write(backup: Path, database_url: str, *, stop: threading.Event) -> int:
    """Write the backup and return its size in bytes. The file gets its name when it is complete."""
    partial = backup.with_name(backup.name + _PARTIAL)
    descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with suppress(OSError):  # some shares have no rights, or do not let them be changed
            os.fchmod(descriptor, 0o600)  # whatever the umask is
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _dump(database_url, partial, stop=stop)
        _check(partial, stop=stop)
        _flush(descriptor)
        size = os.fstat(descriptor).st_size
        partial.rename(backup)  # from here on the backup is there, so nothing may raise
        with suppress(OSError):
            _flush_directory(backup.parent)
        return size
    finally:
        with suppress(OSError):
            os.close(descriptor)
        with suppress(OSError):  # the next backup tries again
            partial.unlink(missing_ok=True)


def _dump(database_url: str, file: Path, *, stop: threading.Event) -> None:
    with connect(database_url, role="backup") as conn:
        pg_dump = find_pg_dump(server_version=conn.info.server_version // 10_000)
        password = conn.info.password
        ours = server.get_dump_options(conn)
    # Every user of the machine can see the arguments. So the password goes into the environment. There is no
    # variable for the password of a client's key.
    address = conninfo_to_dict(database_url)
    for secret in ("password", "sslpassword"):
        address.pop(secret, None)
    if "role" not in str(address.get("options")):  # pg_dump needs none of the others, and some poolers refuse them
        address.pop("options", None)
    run(
        pg_dump,
        *ours,
        *("--format=custom", "--no-owner", "--no-privileges", "--no-password"),
        f"--dbname={make_conninfo('', **address)}",
        f"--file={file}",
        stop=stop,
        env=postgres_environment() | {"PGPASSWORD": password},
    )


def _check(file: Path, *, stop: threading.Event) -> None:
    """Raise ProgramFailed unless pg_restore can read the dump and finds the people in it."""
    with tempfile.TemporaryFile() as listing:
        run(find_pg_restore(), "--format=custom", "--list", str(file), stdout=listing, stop=stop)
        listing.seek(0)
        if not re.search(rb" TABLE DATA .+ plex_users ", listing.read()):
            raise ProgramFailed("The dump has no table plex_users. Run: python -m wishlist_service.migrate")


def _flush(descriptor: int) -> None:
    """Write the file to the disk. Raises OSError if that failed, but not if the file system knows no such thing."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):
            raise


def _flush_directory(directory: Path) -> None:
    # so that the new name is on the disk
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left_overs(directory: Path) -> None:
    """Delete the unfinished files of killed backups."""
    for path in directory.glob(f"*{_PARTIAL}"):
        if _made_at(path.with_suffix("")):
            # a running backup holds the lock
            with suppress(OSError), path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def _backups(directory: Path) -> list[tuple[datetime, Path]]:
    """Return the backups with their times, newest first, without those that a wrong clock dated ahead."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = [(made_at, path) for path in directory.glob("*.dump") if (made_at := _made_at(path))]
    return sorted((made for made in found if made[0] < tomorrow), reverse=True)


def _made_at(path: Path) -> datetime | None:
    """Return the time in the name of a backup, or None for another file."""
    try:
        made_at = datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return made_at if made_at.strftime(_NAME) == path.name else None  # strptime also accepts 2026-1-2


def back_up_nightly(database_url: str, directory: Path, *, stop: threading.Event) -> None:
    """Back up every night until `stop` is set. Begin at once if the newest backup is older than a day."""
    jobs = Scheduler()
    clock = Clock()

    def job() -> None:
        """Back up, and try again in an hour if that failed. Never raises, because `schedule` would end."""
        jobs.clear("retry")
        try:
            back_up(database_url, directory, stop=stop)
            return
        except BackupFailed as error:
            if stop.is_set():
                return
            logger.error("backup failed reason=%r", str(error))
        except Exception:
            logger.exception("backup failed, unexpected error")
        jobs.every(RETRY_SECONDS).seconds.do(job).tag("retry")

    def plan() -> None:
        """Plan the next night. Back up at once if the newest backup is older than a day."""
        jobs.clear("nightly")
        jobs.every().day.at(NIGHTLY_AT).do(job).tag("nightly")
        backups = _backups(directory)
        if not backups or datetime.now(UTC) - backups[0][0] > timedelta(days=1):
            _wait_for_tables(database_url, stop=stop)
            job()

    plan()
    logger.info("waiting for the night at=%s", NIGHTLY_AT)
    while not stop.is_set():
        if abs(step := clock.step()) > SET_CLOCK:  # a night that the old clock planned may be years away
            for retry in jobs.get_jobs("retry"):
                retry.next_run = (retry.next_run or datetime.now()) + step
            plan()
        jobs.run_pending()
        stop.wait(min(max(jobs.idle_seconds or 0, 0), MAXIMUM_WAIT_SECONDS))


def _wait_for_tables(database_url: str, *, stop: threading.Event) -> None:
    """Wait up to STARTING_SECONDS for the database and its first migration."""
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and not stop.is_set():
        with suppress(OperationalError):
            if ask(database_url, server.has_tables):
                return
        stop.wait(1)


def main() -> None:
    """Back up once, or every night."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.backup", description=__doc__)
    parser.add_argument("--nightly", action="store_true", help=f"keep running and back up every night at {NIGHTLY_AT}")
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
    except BackupFailed as error:
        sys.exit(f"The backup failed. {error}")


if __name__ == "__main__":
    with db.exit_on_error():
        main()
