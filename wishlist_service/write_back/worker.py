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
from wishlist_service.queries import media_server, sync_runs, sync_users
from wishlist_service.tokens import TokenCipher
from wishlist_service.write_back import availability, watchlists

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60
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

    def start(self) -> None:
        """Take a turn every minute in the background, if a setting asks for changes."""
        if self._config.remove_after_sync or self._config.plex_server_url:
            # a daemon: it may be cut off at any moment
            threading.Thread(target=self._loop, daemon=True, name="write-back").start()

    def turn(self) -> None:
        """Do what is due."""
        self._attempt(self._keep)
        self._attempt(self._read_media_server)

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

    def _attempt(self, job: Callable[[], None]) -> None:
        """Run one job. Its error must not stop the others."""
        try:
            job()
        except MediaServerError as error:
            logger.error("media server failed, next try in an hour reason=%r", str(error))
        except (RateLimited, Unreachable) as error:
            logger.warning("taking titles off watchlists put off reason=%r", str(error))
        except db.EXPECTED as error:
            logger.error("changes at plex put off, the database is away reason=%r", str(error).strip())
        except Exception:
            logger.exception("changes at plex put off, unexpected error")

    def _loop(self) -> None:
        while not self._stop.is_set():
            self.turn()
            self._stop.wait(LOOK_SECONDS)

    def _keep(self) -> None:
        """Take stored wishes off their watchlists, one after the other."""
        if not self._config.remove_after_sync:
            return
        until = time.monotonic() + KEEPING_SECONDS
        failed: set[int] = set()
        with db.connect(self._url, role="write-back") as conn:
            while not self._stop.is_set() and time.monotonic() < until:
                running = sync_runs.find_running_run(conn)
                if running and running.trigger != "scheduled":  # it also reads people who are not due
                    return
                if not watchlists.keep_one(conn, self._plex, self._cipher, except_ids=failed):
                    return
                self._stop.wait(self._config.page_pause_seconds)

    def _read_media_server(self) -> None:
        if not (self._config.plex_server_url and db.ask(self._url, media_server.claim_look, interval=LIBRARY_EVERY)):
            return
        found = availability.check(self._url, self._server)
        self._attempt(partial(self._collect, found))
        self._attempt(self._remove_available)

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
            if states & {"rate_limited", "unreachable"} or self._stop.wait(self._config.page_pause_seconds):
                return
