"""python -m wishlist_service.scheduler: looks, syncs, sends messages, asks Plex for details, keeps tokens alive.

It also deletes old runs. Several schedulers may share one database. Each person, message and title is handled by one
of them.
"""

import argparse
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from psycopg import Connection, OperationalError
from psycopg.errors import UndefinedTable
from schedule import Scheduler

from wishlist_service import db
from wishlist_service.config import Config, load_config
from wishlist_service.errors import DatabaseRefused, ServerRefused, SyncError, SyncRunning
from wishlist_service.notify.worker import Notifications
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.titles import PlexTitles
from wishlist_service.process import stopping
from wishlist_service.process.clock import Clock
from wishlist_service.process.logs import configure_logging
from wishlist_service.queries import clocks, details, locks, sync_runs, sync_users
from wishlist_service.queries.events import delete_left_over
from wishlist_service.queries.requirements import check_server
from wishlist_service.queries.schema import compare_schema
from wishlist_service.sync import claims
from wishlist_service.sync.details import Details
from wishlist_service.sync.looks import Looks
from wishlist_service.sync.run import run_sync
from wishlist_service.tokens import TokenCipher, warn_of_unreadable
from wishlist_service.write_back.worker import WriteBack

logger = logging.getLogger("wishlist_service.scheduler")  # __name__ is __main__ when run

TURN_SECONDS: Final = 60  # the maximum between two turns, at which the scheduler finds out who is due
SHORTEST_TURN_SECONDS: Final = 5
AWAY_SECONDS: Final = 2  # between two questions whether a database that was away is back
SYNCING_SECONDS: Final = 3600  # then the tokens have their turn, even if more people are due
PINGING_SECONDS: Final = 60  # then the syncs have their turn; the other tokens are used an hour later
OVERDUE_SECONDS: Final = 600
MAXIMUM_WAIT_SECONDS: Final = 10  # until it is noticed that somebody new is due, or that the clock was set


class Sidecar:
    """The jobs. None of them raises, because `schedule` would end or run it at every tick."""

    def __init__(self, config: Config, *, stop: threading.Event, alive_file: Path | None = None) -> None:
        self._config = config
        self._url = config.database_url
        self._stop = stop
        self._alive_file = alive_file
        self._shows_alive = True
        self._interval = timedelta(hours=config.sync_interval_hours)
        self._prepared = False
        self._away = False
        self._put_off_since: float | None = None
        self._put_off_for: int | None = None
        self._cipher = TokenCipher(config.token_encryption_keys)
        self._notifications = Notifications(config, self._cipher, stop=stop, on_sent=self._show_alive)
        self._plex_lock = threading.Lock()
        self._line = db.KeptConnection(config.database_url, role="scheduler")
        self._clock = Clock()
        self._jobs = Scheduler()
        turn_seconds = max(1, int(min(TURN_SECONDS, config.sync_interval_hours * 3600 / 10)))
        self._sync_job = self._jobs.every(turn_seconds).seconds.do(self._sync)
        for what, job in (("messages", self._notifications.look), ("details", self._ask_details)):
            self._jobs.every(turn_seconds).seconds.do(self._attempt, what, job)
        self._jobs.every(1).hours.do(self._attempt, "pings", self._ping)
        self._jobs.every(1).days.do(self._attempt, "deletion of old runs", self._delete_old)
        for planned in self._jobs.jobs:
            planned.next_run = datetime.now()

    def loop(self) -> None:
        """Run until `stop` is set. A person being synced is finished first."""
        warn_of_unreadable(self._url, self._cipher)
        WriteBack(self._config, self._cipher, stop=self._stop).start()
        looks = Looks(self._config, lambda: self._plex, self._cipher, stop=self._stop).start()
        while not self._stop.is_set():
            self._show_alive()
            step = self._clock.step()
            for job in self._jobs.jobs:  # planned by the clock that people set, run by the one that only counts
                job.next_run = (job.next_run or datetime.now()) + step
            self._jobs.run_pending()
            self._plan_sync()
            longest = AWAY_SECONDS if self._away else MAXIMUM_WAIT_SECONDS
            self._stop.wait(min(max(self._jobs.idle_seconds or 0, 0), longest))
        if looks:
            looks.join()
        self._line.close()

    def _sync(self) -> None:
        """Read the people who are due, run after run. If that fails, the next turn tries again."""
        until = time.monotonic() + SYNCING_SECONDS
        try:
            if not self._prepared:
                self._prepare()
            if any(vars(self._line.ask(clocks.find_times_ahead, interval=self._interval)).values()):
                self._line.ask(self._bring_forward)
            while not self._stop.is_set() and time.monotonic() < until and self._run():
                pass
            self._put_off_since = None
            return
        except SyncRunning as running:
            self._put_off_since = None
            if running.run_id != self._put_off_for:
                logger.info("sync put off, another is running run=%s", running.run_id)
            self._put_off_for = running.run_id
        except OperationalError as error:
            logger.error("sync put off, the database is away reason=%r", str(error).strip())
        except UndefinedTable:
            logger.error("sync put off, the database has no tables yet, run: python -m wishlist_service.migrate")
        except db.EXPECTED as error:
            logger.error("sync put off reason=%r", db.explain(error))
        except Exception:
            logger.exception("sync put off, unexpected error")
        self._put_off_since = self._put_off_since or time.monotonic()

    def _prepare(self) -> None:
        """Note the language, try again what failed before, and store the addresses that get messages."""
        self._line.ask(claims.note_language, self._config)
        if people := self._line.ask(sync_users.retry_at_once):
            logger.info("lists that could not be read are tried again users=%s", people)
        self._notifications.start()
        self._prepared = True

    def _bring_forward(self, conn: Connection) -> None:
        """Correct what a clock left behind that was ahead, or a longer interval."""
        with conn.transaction():
            locks.lock_wishlist(conn)
            people = clocks.bring_forward(conn, interval=self._interval)
        logger.info("times were too far ahead, brought forward users=%s", people)

    def _run(self) -> bool:
        """Sync some of the people who are due. Return False if there are none."""
        if not self._line.ask(sync_users.is_anybody_due):
            return False
        plex = self._plex  # before people are claimed, because it asks the database the first time
        if claimed := claims.claim_due(self._config):
            alive = self._show_alive
            run_sync(claimed, plex, self._cipher, stop=self._stop, on_result=alive, on_page=alive, on_wait=alive)
        return claimed is not None

    def _attempt(self, what: str, job: Callable[[], None]) -> None:
        """Run a job. If it fails, it waits for its next turn."""
        try:
            job()
        except db.EXPECTED as error:
            logger.warning("%s put off reason=%r", what, str(error).strip())
        except Exception:
            logger.exception("%s put off, unexpected error", what)

    def _ask_details(self) -> None:
        if self._line.ask(details.is_anything_due):
            self._details.look()

    def _plan_sync(self) -> None:
        """Have the next turn come when the next list is due, if that is sooner. After a failover it comes at once."""
        shortest = 0 if self._away else SHORTEST_TURN_SECONDS
        try:
            left = self._line.ask(sync_users.find_seconds_until_due)
            self._away = False
        except OperationalError:
            self._away = True
            return
        except db.EXPECTED:
            return
        now, last, planned = datetime.now(), self._sync_job.last_run, self._sync_job.next_run
        if left is not None and last and planned:
            due = max(now + timedelta(seconds=left), last + timedelta(seconds=shortest))
            self._sync_job.next_run = min(planned, due)

    @cached_property
    def _client_identifier(self) -> str:
        return db.ask(self._url, sync_users.get_client_identifier)

    @property
    def _plex(self) -> PlexClient:
        """The client of runs and looks, which share its cooldowns."""
        with self._plex_lock:
            return self._shared_plex

    @cached_property
    def _shared_plex(self) -> PlexClient:
        return PlexClient(self._config, client_identifier=self._client_identifier, stop=self._stop, patient=True)

    @cached_property
    def _details(self) -> Details:
        titles = PlexTitles(self._config, client_identifier=self._client_identifier, stop=self._stop)
        return Details(self._config, titles, self._cipher, stop=self._stop, on_asked=self._show_alive)

    def _delete_old(self) -> None:
        """Delete old runs, and what is left of erased people. One scheduler at a time does."""
        with db.connect(self._url, role="scheduler") as conn:
            if locks.try_turn(conn, locks.DELETION_LOCK):
                runs = sync_runs.delete_old_runs(conn, keep=timedelta(days=self._config.keep_runs_days))
                events = delete_left_over(conn)
                if runs or events:
                    logger.info("deleted runs=%s events_of_erased_people=%s", runs, events)

    def _show_alive(self, *_progress: object) -> None:
        """Touch the file for the container's health check, unless the sync is overdue."""
        overdue = self._put_off_since is not None and time.monotonic() - self._put_off_since > OVERDUE_SECONDS
        if self._alive_file and not overdue:
            try:
                self._alive_file.touch()
                self._shows_alive = True
            except OSError as error:  # a full disk must not end the syncs
                if self._shows_alive:
                    logger.warning("the file for the health check cannot be written reason=%s", error.strerror)
                self._shows_alive = False

    def _ping(self) -> None:
        """Use each token that was not used for a day, so that it does not expire."""
        until = time.monotonic() + PINGING_SECONDS
        while not self._stop.is_set() and time.monotonic() < until:
            if self._plex.cooldown_seconds() or self._line.ask(sync_users.is_anybody_due):  # reads come first
                return
            claimed = self._line.ask(sync_users.claim_ping)
            if claimed is None:
                return
            user_id, name, ciphertext = claimed
            try:
                self._plex.ping(self._cipher.decrypt(ciphertext, owner=user_id))
            except SyncError as error:
                logger.warning("ping failed user=%s name=%r reason=%r", user_id, name, str(error))
            self._show_alive()


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.scheduler", description=__doc__)
    parser.add_argument(
        "--alive-file", type=Path, metavar="FILE", help="touch this file while everything works, for a health check"
    )
    arguments = parser.parse_args()
    config = load_config(may_lack="API_KEY")
    configure_logging(config.log_level)
    stop = threading.Event()
    stopping.stop_on_signals(stop)
    try:
        # while the database is away, the syncs wait
        with suppress(OperationalError), db.connect(config.database_url, role="check") as conn:
            check_server(conn, partial(db.connect, config.database_url, role="check"))
            compare_schema(conn)
    except (DatabaseRefused, ServerRefused) as refused:
        sys.exit(str(refused))
    logger.info("scheduler started interval_hours=%g look_minutes=%g", config.sync_interval_hours, config.look_minutes)
    Sidecar(config, stop=stop, alive_file=arguments.alive_file).loop()
    logger.info("scheduler stopped")


if __name__ == "__main__":
    with db.exit_on_error():
        main()
