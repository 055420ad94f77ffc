"""What the scheduler gives back to Plex if it is asked for, in a thread that no sync waits for.

It has connections of its own: when Plex asks it to slow down, the sync goes on. Several schedulers share the work.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property, partial
from typing import Final

from psycopg import OperationalError
from psycopg.errors import UndefinedTable

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
GRACE: Final = timedelta(days=1)  # both the title in a library and the wish are this old before it is taken off


class GivingBack:
    """The work of one scheduler; a turn never raises."""

    def __init__(self, config: Config, cipher: TokenCipher, *, stop: threading.Event, retry_seconds: float = 1) -> None:
        self._config = config
        self._url = config.database_url
        self._cipher = cipher
        self._stop = stop
        self._retry_seconds = retry_seconds

    def start(self) -> None:
        """Take a turn every minute from now on, in the background, if anything is asked for."""
        if self._config.remove_after_sync or self._config.plex_server_url:
            # a daemon: whatever it is doing may break off at any moment
            threading.Thread(target=self._loop, daemon=True, name="giving-back").start()

    def turn(self) -> None:
        """Do what is due."""
        self._attempt(self._keep)
        self._attempt(self._look_through)

    @cached_property
    def _client_identifier(self) -> str:
        return db.ask(self._url, sync_users.get_client_identifier)

    @cached_property
    def _plex(self) -> PlexClient:
        return PlexClient(
            self._config,
            client_identifier=self._client_identifier,
            stop=self._stop,
            retry_seconds=self._retry_seconds,
        )

    @cached_property
    def _server(self) -> MediaServer:
        return MediaServer(
            self._config,
            client_identifier=self._client_identifier,
            stop=self._stop,
            retry_seconds=self._retry_seconds,
        )

    def _attempt(self, job: Callable[[], None]) -> None:
        """One job; what stops it must not stop the others."""
        try:
            job()
        except MediaServerError as error:
            logger.error('media server not done with, tried again in an hour reason="%s"', error)
        except (RateLimited, Unreachable) as error:
            logger.warning('taking titles off watchlists put off reason="%s"', error)
        except (OperationalError, UndefinedTable) as error:
            logger.error("giving back put off, the database is away reason=%r", str(error).strip())
        except Exception:
            logger.exception("giving back put off, unexpected error")

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
        with db.connect(self._url, role="give-back") as conn:
            while not self._stop.is_set() and time.monotonic() < until:
                running = sync_runs.find_running_run(conn)
                if running and running.trigger != "scheduled":  # it reads people who are not due, too
                    return
                if not watchlists.keep_one(conn, self._plex, self._cipher, except_ids=failed):
                    return
                self._stop.wait(self._config.page_pause_seconds)

    def _look_through(self) -> None:
        """Find out what the media server has, and do what follows from it."""
        if not (self._config.plex_server_url and db.ask(self._url, media_server.claim_look, interval=LIBRARY_EVERY)):
            return
        found = availability.check(self._url, self._server)
        self._attempt(partial(self._collect, found))
        self._attempt(self._remove_available)

    def _collect(self, found: availability.Found) -> None:
        if self._config.plex_collection:
            availability.show_in_collections(self._server, self._config.plex_collection, found)

    def _remove_available(self) -> None:
        if not self._config.remove_when_available:
            return
        connect = partial(db.connect, self._url, role="give-back")
        ask = partial(db.ask, self._url, media_server.list_wishers_of_available)
        refused: set[int] = set()
        for uid in dict.fromkeys(wisher.uid for wisher in ask(uid=None, grace=GRACE)):
            # asked again: all of it takes an hour, and somebody may be paused, erased or have another token by now
            able = [wisher for wisher in ask(uid=uid, grace=GRACE) if wisher.id not in refused]
            outcomes = watchlists.take_off(connect, self._plex, self._cipher, able)
            states = {outcome.state for outcome in outcomes}
            refused |= {outcome.id for outcome in outcomes if outcome.state in ("token_rejected", "token_unreadable")}
            if states & {"rate_limited", "unreachable"} or self._stop.wait(self._config.page_pause_seconds):
                return
