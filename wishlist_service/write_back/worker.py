"""The scheduler's changes at Plex, in a thread of their own, so that no sync waits for them.

The thread has its own clients: when Plex asks it to slow down, the sync goes on. Several schedulers share the work.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, Final

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import MediaServerError, RateLimited, Unreachable
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.media_server import MediaServer
from wishlist_service.process.retries import draw_jitter, retry_in
from wishlist_service.queries import media_server, sync_runs, sync_users, wishes
from wishlist_service.tokens import TokenCipher
from wishlist_service.write_back import availability, watchlists

logger = logging.getLogger(__name__)

TURN_SECONDS: Final = 60
KEEPING_SECONDS: Final = 3600  # then the media server has its turn
LIBRARY_EVERY: Final = timedelta(hours=1)
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

    def start(self) -> None:
        """Take a turn every minute in the background, if a setting asks for changes."""
        if self._config.remove_after_sync or self._config.plex_server_url:
            # a daemon: it may be cut off at any moment
            threading.Thread(target=self._loop, daemon=True, name="write-back").start()

    def turn(self) -> None:
        """Do what is due. The first turn also tries again what failed before."""
        if not self._begun:
            self._begun = self._attempt("the beginning", self._begin)
        self._attempt("taking titles off watchlists", self._keep)
        self._attempt("reading the media server", self._read_media_server)

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
            self.turn()
            left = self._again_at - time.monotonic()
            self._stop.wait(min(TURN_SECONDS, left) if left > 0 else TURN_SECONDS)

    def _begin(self) -> None:
        with db.connect(self._url, role="write-back") as conn:
            wishes.retry_keeping_at_once(conn)
            media_server.retry_at_once(conn)

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

    def _read_media_server(self) -> None:
        """Read it if it is due. If that fails, or what follows from it, the next try is due soon."""
        if not (self._config.plex_server_url and db.ask(self._url, media_server.claim_look, interval=LIBRARY_EVERY)):
            return
        found: list[availability.Found] = []
        done = self._attempt("the media server", lambda: found.append(availability.check(self._url, self._server)))
        if found:
            done = self._attempt("the collections", partial(self._collect, found[0]))
            done = self._attempt("taking available titles off", self._remove_available) and done
        if done:
            db.ask(self._url, media_server.record_success)
        else:
            seconds = db.ask(self._url, media_server.put_off, jitter=draw_jitter())
            logger.info("the media server is read again in_seconds=%.0f", seconds)

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
            # asked again, because this may take an hour: by now a person may be paused, erased or have a new token
            able = [wisher for wisher in ask(uid=uid, grace=GRACE) if wisher.id not in refused]
            outcomes = watchlists.take_off(connect, self._plex, self._cipher, able)
            states = {outcome.state for outcome in outcomes}
            refused |= {outcome.id for outcome in outcomes if outcome.state in ("token_rejected", "token_unreadable")}
            if states & {"rate_limited", "unreachable"}:
                raise Unreachable("Plex does not answer, or asks to slow down.")
            if self._stop.wait(self._config.page_pause_seconds):
                return
