"""python -m wishlist_service.scheduler: the sidecar that syncs, tells news, asks for details and keeps tokens alive.

Several may share one database: each person is read, each message sent, each title asked about by one of them.
"""

import argparse
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

from psycopg import OperationalError
from psycopg.errors import UndefinedTable
from schedule import Scheduler

from wishlist_service import db
from wishlist_service.config import Config, load_config
from wishlist_service.errors import DatabaseRefused, SyncFailure, SyncRunning
from wishlist_service.notify.worker import Notifications
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.titles import PlexTitles
from wishlist_service.process import stopping
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries import sync_users
from wishlist_service.queries.schema import compare_schema
from wishlist_service.sync import claims
from wishlist_service.sync.details import Details
from wishlist_service.sync.run import run_sync
from wishlist_service.tokens import TokenCipher, warn_of_unreadable
from wishlist_service.write_back.worker import WriteBack

logger = logging.getLogger("wishlist_service.scheduler")  # __name__ is __main__ when run

LOOK_SECONDS: Final = 60  # how often, at least, to look who is due
SYNCING_SECONDS: Final = 3600  # then the tokens have their turn, however many people are due
PINGING_SECONDS: Final = 60  # then the syncs have theirs; who is left is pinged an hour later
OVERDUE_SECONDS: Final = 600
LONGEST_WAIT_SECONDS: Final = 60  # then look at the clock again, it may have been set


class Sidecar:
    """The jobs and what they need. A job never raises: schedule would end, or run it at every tick."""

    def __init__(self, config: Config, *, stop: threading.Event, alive_file: Path | None = None) -> None:
        self._config = config
        self._url = config.database_url
        self._stop = stop
        self._alive_file = alive_file
        self._interval = timedelta(hours=config.sync_interval_hours)
        self._prepared = False
        self._put_off_since: float | None = None
        self._cipher = TokenCipher(config.token_encryption_keys)
        self._notifications = Notifications(config, self._cipher, stop=stop, on_sent=self._show_alive)
        self._jobs = Scheduler()
        look_seconds = max(1, int(min(LOOK_SECONDS, config.sync_interval_hours * 3600 / 10)))
        self._jobs.every(look_seconds).seconds.do(self._sync).next_run = datetime.now()
        for what, look in (("news", self._notifications.look), ("details", lambda: self._details.look())):
            self._jobs.every(look_seconds).seconds.do(self._look, what, look).next_run = datetime.now()
        self._jobs.every(1).hours.do(self._ping).next_run = datetime.now()

    def loop(self) -> None:
        """Run until `stop` is set: at once when idle, after the person being synced otherwise."""
        warn_of_unreadable(self._url, self._cipher)
        WriteBack(self._config, self._cipher, stop=self._stop).start()
        while not self._stop.is_set():
            self._show_alive()
            self._jobs.run_pending()
            idle = self._jobs.idle_seconds or 0
            self._stop.wait(min(max(idle, 0), LONGEST_WAIT_SECONDS))
        self._notifications.close()

    def _sync(self) -> None:
        """Read who is due, run after run; another look at the next turn if that could not even begin."""
        until = time.monotonic() + SYNCING_SECONDS
        try:
            self._prepare()
            while not self._stop.is_set() and time.monotonic() < until and self._run():
                pass
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

    def _prepare(self) -> None:
        """Once: the due times in the database may stem from another interval, and what is here is no news."""
        if self._prepared:
            return
        if people := db.ask(self._url, sync_users.bring_forward, interval=self._interval):
            logger.info("interval was shortened, due times brought forward users=%s", people)
        self._notifications.start()
        self._prepared = True

    def _run(self) -> bool:
        """One sync of some who are due; False if there was nobody to read."""
        plex = self._plex  # before anybody is claimed: the first time it asks the database
        claimed = claims.claim_due(self._config)
        if claimed is None:
            return False
        run_sync(
            claimed,
            plex,
            self._cipher,
            stop=self._stop,
            on_result=lambda _result: self._show_alive(),
            on_page=lambda _name, _rows, _total: self._show_alive(),
        )
        return True

    def _look(self, what: str, look: Callable[[], None]) -> None:
        """Tell people the news, or ask Plex for details that lists do not tell; what fails waits for the next turn."""
        try:
            look()
        except (OperationalError, UndefinedTable) as error:
            logger.warning("%s put off reason=%s", what, str(error).strip())
        except Exception:
            logger.exception("%s put off, unexpected error", what)

    @cached_property
    def _client_identifier(self) -> str:
        return db.ask(self._url, sync_users.get_client_identifier)

    @cached_property
    def _plex(self) -> PlexClient:
        return PlexClient(self._config, client_identifier=self._client_identifier, stop=self._stop)

    @cached_property
    def _details(self) -> Details:
        titles = PlexTitles(self._config, client_identifier=self._client_identifier, stop=self._stop)
        return Details(self._config, titles, self._cipher, stop=self._stop, on_asked=self._show_alive)

    def _show_alive(self) -> None:
        """Touch the file that the container's health check looks at, unless the sync is overdue."""
        overdue = self._put_off_since is not None and time.monotonic() - self._put_off_since > OVERDUE_SECONDS
        if self._alive_file and not overdue:
            self._alive_file.touch()

    def _ping(self) -> None:
        """Use each token that was not used for a day, so that Plex does not let it lapse."""
        until = time.monotonic() + PINGING_SECONDS
        try:
            while not self._stop.is_set() and time.monotonic() < until:
                claimed = db.ask(self._url, sync_users.claim_ping)
                if claimed is None:
                    return
                user_id, name, ciphertext = claimed
                try:
                    self._plex.ping(self._cipher.decrypt(ciphertext, owner=user_id))
                except SyncFailure as failure:
                    logger.warning("ping failed user=%s name=%s reason=%s", user_id, name, failure)
                self._show_alive()
        except Exception as error:
            logger.warning("pings put off reason=%s", str(error).strip())


def main() -> None:
    """Run the sidecar until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.scheduler", description=__doc__)
    parser.add_argument("--alive-file", type=Path, metavar="FILE", help="touched while all is well, for a health check")
    arguments = parser.parse_args()
    config = load_config()
    configure_logging(config.log_level)
    stop = threading.Event()
    stopping.stop_on_signals(stop)
    try:
        with suppress(OperationalError):  # while the database is away, the syncs wait
            db.ask(config.database_url, compare_schema)
    except DatabaseRefused as refused:
        sys.exit(str(refused))
    logger.info("scheduler started interval_hours=%g", config.sync_interval_hours)
    Sidecar(config, stop=stop, alive_file=arguments.alive_file).loop()
    logger.info("scheduler stopped")


if __name__ == "__main__":
    main()
