"""python -m wishlist_service.scheduler: the sidecar that syncs every few hours and keeps tokens alive."""

import argparse
import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import OperationalError
from psycopg.errors import UndefinedTable
from schedule import Scheduler

from wishlist_service import db, sync
from wishlist_service.config import Config, load_config
from wishlist_service.errors import SyncFailure, SyncRunning
from wishlist_service.logs import configure_logging
from wishlist_service.plex import PlexClient
from wishlist_service.queries import sync_runs, sync_users
from wishlist_service.tokens import TokenCipher, warn_of_unreadable

logger = logging.getLogger("wishlist_service.scheduler")  # __name__ is __main__ when run

RETRY_SECONDS: Final = 60
NEWCOMERS_SECONDS: Final = 60
OVERDUE_SECONDS: Final = 600
LONGEST_WAIT_SECONDS: Final = 60  # then look at the clock again, it may have been set


class Sidecar:
    """The jobs and what they need. A job never raises: schedule would end, or run it at every tick."""

    def __init__(self, config: Config, *, stop: threading.Event, alive_file: Path | None = None) -> None:
        self._url = config.database_url
        self._interval = timedelta(hours=config.sync_interval_hours)
        self._stop = stop
        self._alive_file = alive_file
        self._put_off_since: float | None = None
        self._cipher = TokenCipher(config.token_encryption_keys)
        self._plex = PlexClient(
            config, client_identifier=lambda: db.ask(self._url, sync_users.get_client_identifier), stop=stop
        )
        self._jobs = Scheduler()
        self._noted: datetime | None = None

    def loop(self) -> None:
        """Run until `stop` is set: at once when idle, after the person being synced otherwise."""
        warn_of_unreadable(self._url, self._cipher)
        self._plan()
        while not self._stop.is_set():
            self._show_alive()
            self._jobs.run_pending()
            self._note_next_run()
            idle = self._jobs.idle_seconds or 0
            self._stop.wait(min(max(idle, 0), LONGEST_WAIT_SECONDS))

    def _plan(self) -> None:
        seconds = self._interval.total_seconds()
        job = self._jobs.every(int(seconds * 0.9)).to(int(seconds * 1.1)).seconds.do(self._sync).tag("sync")
        # A restart neither syncs again at once nor puts the next sync off.
        last = self._last_finish()
        job.next_run = (last + self._interval if last else datetime.now(UTC)).astimezone().replace(tzinfo=None)
        self._jobs.every(NEWCOMERS_SECONDS).seconds.do(self._sync_newcomers)
        self._jobs.every(1).hours.do(self._ping).next_run = datetime.now()

    def _last_finish(self) -> datetime | None:
        try:
            return db.ask(self._url, sync_runs.find_last_finish)
        except Exception as error:  # not migrated yet, or away: the sync itself will say so and try again
            logger.warning("last sync unknown reason=%s", str(error).strip())
            return None

    def _sync(self) -> None:
        """One sync; another try in a minute if it could not even begin."""
        self._jobs.clear("retry")
        try:
            self._run()
            self._put_off_since = None
            return
        except SyncRunning as running:
            self._put_off_since = None
            logger.info("sync put off, another is running run=%s", running.run_id)
        except OperationalError as error:
            logger.error("sync put off, the database is away reason=%s", str(error).strip())
        except UndefinedTable:
            logger.error("sync put off, the database has no tables yet, run: python -m wishlist_service.migrate")
        except Exception:
            logger.exception("sync put off, unexpected error")
        self._put_off_since = self._put_off_since or time.monotonic()
        # cleared by the next _sync, which this very job runs
        self._jobs.every(RETRY_SECONDS).seconds.do(self._sync).tag("sync", "retry")

    def _run(self, *, user_id: int | None = None) -> None:
        claimed = sync.claim(self._url, trigger="scheduled", user_id=user_id)
        sync.run(
            claimed,
            self._plex,
            self._cipher,
            stop=self._stop,
            on_result=lambda _result: self._show_alive(),
            on_page=lambda _name, _rows, _total: self._show_alive(),
        )

    def _show_alive(self) -> None:
        """Touch the file that the container's health check looks at, unless the sync is overdue."""
        overdue = self._put_off_since is not None and time.monotonic() - self._put_off_since > OVERDUE_SECONDS
        if self._alive_file and not overdue:
            self._alive_file.touch()

    def _sync_newcomers(self) -> None:
        """Read the lists of people who were added or got a new token, so that nobody waits for the next sync."""
        try:
            for user_id in db.ask(self._url, sync_users.list_unread_user_ids):
                if self._stop.is_set():
                    return
                self._run(user_id=user_id)
        except Exception as error:  # in a minute again; the sync over everybody tells what is wrong
            logger.info("newcomers put off reason=%r", str(error).strip())

    def _ping(self) -> None:
        """Use each token that was not used for a day, so that Plex does not let it lapse."""
        try:
            for user_id, name, ciphertext in db.ask(self._url, sync_users.list_users_to_ping):
                if self._stop.is_set():
                    return
                try:
                    self._plex.ping(self._cipher.decrypt(ciphertext, owner=user_id))
                except SyncFailure as failure:
                    logger.warning("ping failed user=%s name=%s reason=%s", user_id, name, failure)
                db.ask(self._url, sync_users.record_ping, user_id=user_id)
        except Exception as error:
            logger.warning("pings put off reason=%s", str(error).strip())

    def _note_next_run(self) -> None:
        """Tell the API when the next sync is due."""
        local = self._jobs.get_next_run("sync")
        due = local.astimezone(UTC) if local else None
        if due is None or due == self._noted:
            return
        try:
            db.ask(self._url, sync_runs.record_next_run, next_run_at=due)
            self._noted = due
        except Exception as error:
            logger.warning("next sync not noted reason=%s", str(error).strip())


def main() -> None:
    """Run the sidecar until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.scheduler", description=__doc__)
    parser.add_argument("--alive-file", type=Path, metavar="FILE", help="touched while all is well, for a health check")
    arguments = parser.parse_args()
    config = load_config()
    configure_logging(config.log_level)
    stop = threading.Event()
    sync.stop_on_signals(stop)
    logger.info("scheduler started interval_hours=%g", config.sync_interval_hours)
    Sidecar(config, stop=stop, alive_file=arguments.alive_file).loop()
    logger.info("scheduler stopped")


if __name__ == "__main__":
    main()
