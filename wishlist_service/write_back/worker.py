"""The scheduler's changes at Plex, and its looks at the media server, in threads of their own: no sync waits for them.

They have their own clients: when Plex asks them to slow down, the sync goes on. Several schedulers share the changes.
Of these, the one that holds an advisory lock does all looks.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import MediaServerError, RateLimited, Unreachable
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.media_server import MediaServer
from wishlist_service.process.retries import draw_jitter, retry_in
from wishlist_service.queries import locks, media_server, sync_runs, sync_users, wishes
from wishlist_service.queries.media_server import LibraryState
from wishlist_service.tokens import TokenCipher
from wishlist_service.write_back import availability, watchlists

logger = logging.getLogger(__name__)

TURN_SECONDS: Final = 60
KEEPING_SECONDS: Final = 3600  # then the media server has its turn
ASKED_SECONDS: Final = 5  # until it is noticed that the media server asked for a look
APART_SECONDS: Final = 30  # between the beginnings of two looks that the media server asked for
TAKEN_OVER_WITHIN_SECONDS: Final = 5
LONGEST_PLAN: Final = timedelta(hours=1)  # that is stored; what is longer is remembered
GRACE: Final = timedelta(days=1)  # an available title is taken off once it and the wish are this old


class WriteBack:
    """The changes at Plex of one scheduler. A turn never raises."""

    def __init__(self, config: Config, cipher: TokenCipher, *, stop: threading.Event, retry_seconds: float = 1) -> None:
        self._config = config
        self._url = config.database_url
        self._cipher = cipher
        self._stop = stop
        self._retry_seconds = retry_seconds
        self._begun = False
        self._failures = 0
        self._again_at = 0.0
        """When titles are next taken off watchlists after a failure, by the monotonic clock."""
        self._in_trouble: set[str] = set()
        # without an interval, a look comes after each full read of a list
        self._interval = timedelta(minutes=config.library_minutes) or timedelta(hours=config.sync_interval_hours)
        self._planned = min(timedelta(minutes=config.library_minutes), LONGEST_PLAN)
        self._asked_began: float | None = None
        """When the last look began that the media server asked for, by the monotonic clock."""
        self._look_at = 0.0
        """When the next look is due if the media server asks for none, by the monotonic clock. 0: now."""
        self._looked_at: datetime | None = None
        """When the last look began that succeeded, by the clock of the database."""
        self._found: availability.Found | None = None
        """What the last look found; None if nothing had changed."""

    def start(self) -> None:
        """Take turns in the background, as far as a setting asks for them."""
        # daemons: they may be cut off at any moment
        if self._config.remove_after_sync:
            threading.Thread(target=self._loop, daemon=True, name="write-back").start()
        if self._config.plex_server_url:
            threading.Thread(target=self._loop_looks, daemon=True, name="library").start()

    def turn(self) -> None:
        """Do once what is due."""
        self._take_off()
        self._attempt("reading the media server", self._look_once)

    def _take_off(self) -> None:
        """Take stored wishes off their watchlists. The first time, also try again what failed before."""
        if not self._begun:
            self._begun = self._attempt("the beginning", self._begin)
        self._attempt("taking titles off watchlists", self._keep)

    @cached_property
    def _options(self) -> dict[str, Any]:
        identifier = db.ask(self._url, sync_users.get_client_identifier)
        return {"client_identifier": identifier, "stop": self._stop, "retry_seconds": self._retry_seconds}

    @cached_property
    def _plex(self) -> PlexClient:
        return PlexClient(self._config, **self._options)

    @cached_property
    def _server(self) -> MediaServer:
        return MediaServer(self._config, **self._options)

    def _attempt(self, what: str, job: Callable[[], None]) -> bool:
        """Run one job; return whether it succeeded. Its error must not stop the others, and is a warning once."""
        try:
            job()
            self._in_trouble.discard(what)
            return True
        except MediaServerError as error:
            self._log(what, logging.ERROR, "media server failed reason=%r", str(error))
        except (RateLimited, Unreachable) as error:
            self._log(what, logging.WARNING, "taking titles off watchlists put off reason=%r", str(error))
        except db.EXPECTED as error:
            reason = str(error).strip()
            self._log(what, logging.ERROR, "changes at plex put off, the database is away reason=%r", reason)
        except Exception:
            logger.exception("changes at plex put off, unexpected error")
        return False

    def _log(self, what: str, level: int, text: str, reason: object) -> None:
        logger.log(logging.INFO if what in self._in_trouble else level, text, reason)
        self._in_trouble.add(what)

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._take_off()
            left = self._again_at - time.monotonic()
            self._stop.wait(min(TURN_SECONDS, left) if left > 0 else TURN_SECONDS)

    def _loop_looks(self) -> None:
        while not self._stop.is_set():
            self._attempt("reading the media server", self._serve)
            self._stop.wait(TAKEN_OVER_WITHIN_SECONDS)

    def _serve(self) -> None:
        """Look while this scheduler is the one that looks."""
        with db.connect(self._url, role="library") as conn:
            locks.notice_end_soon(conn)
            while not locks.try_turn(conn, locks.LIBRARY_LOCK):
                if self._stop.wait(TAKEN_OVER_WITHIN_SECONDS):
                    return
            media_server.bring_forward(conn, interval=self._planned)
            while not self._stop.is_set():
                self._look_if_due(conn)
                self._stop.wait(min(ASKED_SECONDS, self._interval.total_seconds()))

    def _look_once(self) -> None:
        with db.connect(self._url, role="library") as conn, locks.giving_back_locks(conn):
            if self._config.plex_server_url and locks.try_turn(conn, locks.LIBRARY_LOCK):
                self._look_if_due(conn)

    def _begin(self) -> None:
        with db.connect(self._url, role="write-back") as conn:
            wishes.retry_keeping_at_once(conn)
            media_server.bring_forward(conn, interval=self._planned)

    def _keep(self) -> None:
        """Take stored wishes off their watchlists, one after the other."""
        if not self._config.remove_after_sync or time.monotonic() < self._again_at:
            return
        until = time.monotonic() + KEEPING_SECONDS
        failed: set[int] = set()
        with db.connect(self._url, role="write-back") as conn:
            while not self._stop.is_set() and time.monotonic() < until:
                running = sync_runs.find_running_run(conn)
                if running and running.trigger != "scheduled":  # it also reads people who are not due
                    return
                try:
                    if not watchlists.keep_one(conn, self._plex, self._cipher, except_ids=failed):
                        return
                except (RateLimited, Unreachable):
                    self._failures += 1
                    self._again_at = time.monotonic() + retry_in(self._failures, jitter=draw_jitter()).total_seconds()
                    raise
                self._failures = 0
                self._stop.wait(self._config.page_pause_seconds)

    def _look_if_due(self, conn: Connection) -> None:
        """Look at the media server. If that fails, or what follows from it, the next try is due soon."""
        state = media_server.get_state(conn)
        if not self._is_due(state):
            return
        began = time.monotonic()
        media_server.note_look(conn)
        if state.asked:
            self._asked_began = began
        done = self._attempt("the media server", partial(self._look, conn, state))
        if done:
            self._looked_at, self._look_at = state.now, began + self._interval.total_seconds()
            if self._found:
                done = self._attempt("the collections", partial(self._collect, self._found))
            done = self._attempt("taking available titles off", self._remove_available) and done
        if done:
            media_server.record_success(conn)
        else:
            self._look_at = 0
            logger.info(
                "the media server is read again in_seconds=%.0f", media_server.put_off(conn, jitter=draw_jitter())
            )

    def _is_due(self, state: LibraryState) -> bool:
        if not state.has_titles:
            return False
        if state.asked and self._is_apart():
            return True
        if not state.due:
            return False
        if self._config.library_minutes:
            return time.monotonic() >= self._look_at
        return not (self._looked_at and self._look_at and state.read_at and state.read_at <= self._looked_at)

    def _is_apart(self) -> bool:
        """Return whether the last look that was asked for began long enough ago for another one."""
        return self._asked_began is None or time.monotonic() >= self._asked_began + APART_SECONDS

    def _look(self, conn: Connection, state: LibraryState) -> None:
        collection = bool(self._config.plex_collection)
        whole = state.whole_due or (collection and self._looked_at is None)  # the setting may be new
        self._found = availability.look(
            conn, self._server,
            now=state.now, looked_at=self._looked_at, whole=whole, collection=collection, interval=self._planned,
        )  # fmt: skip

    def _collect(self, found: availability.Found) -> None:
        """Put the wanted titles of each library into its collection, and take all others out."""
        if not self._config.plex_collection:
            return
        for section, keys in found.shown.items():
            added, removed = self._server.keep_collection(section, self._config.plex_collection, keys)
            if added or removed:
                logger.info("collection changed library=%r added=%s removed=%s", section.title, added, removed)

    def _remove_available(self) -> None:
        if not self._config.remove_when_available:
            return
        connect = partial(db.connect, self._url, role="write-back")
        ask = partial(db.ask, self._url, media_server.list_wishers_of_available)
        refused: set[int] = set()
        for uid in dict.fromkeys(wisher.uid for wisher in ask(uid=None, grace=GRACE)):
            if self._is_apart() and db.ask(self._url, media_server.get_state).asked:
                return  # the rest follows after the look
            # asked again, because this may take an hour: by now a person may be paused, erased or have a new token
            able = [wisher for wisher in ask(uid=uid, grace=GRACE) if wisher.id not in refused]
            outcomes = watchlists.take_off(connect, self._plex, self._cipher, able)
            states = {outcome.state for outcome in outcomes}
            refused |= {outcome.id for outcome in outcomes if outcome.state in ("token_rejected", "token_unreadable")}
            if states & {"rate_limited", "unreachable"}:
                raise Unreachable("Plex does not answer, or asks to slow down.")
            if self._stop.wait(self._config.page_pause_seconds):
                return
