"""Looks: between full reads, Plex is asked for page 1 of each watchlist, so that a change shows within minutes.

Of several schedulers on one database, the one that holds an advisory lock does all looks. A look at an unchanged list
writes nothing. What must be remembered of it stays in memory, and is stored twice an hour.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import SyncError
from wishlist_service.models import SyncUser
from wishlist_service.plex.client import PlexClient
from wishlist_service.process.retries import draw_jitter
from wishlist_service.queries import locks, looks
from wishlist_service.sync.person import Read, read_user, store_look
from wishlist_service.sync.run import LISTS_AT_A_TIME
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

STORED_AFTER_SECONDS: Final = (1800, 2100)
TAKEN_OVER_WITHIN_SECONDS: Final = 20
AWAY_SECONDS: Final = 5  # until the database is asked again after an error
LONGEST_TURN_SECONDS: Final = 10  # until people are noticed who were read for the first time, or paused
FRIENDS_EVERY_SECONDS: Final = 900  # their lists come whole, with no short answer for "unchanged"
BUSY_SECONDS: Final = 5  # until a person is looked at whom another run has

UNCHANGED: Final = ("ok", "held", "other_account")  # that stay as they are while the list does

Version = tuple[object, ...]


class Looks:
    """The looks of one scheduler.

    plex: returns the client of the scheduler's runs, so that looks keep to its cooldowns. May ask the database.
    """

    def __init__(
        self, config: Config, plex: Callable[[], PlexClient], cipher: TokenCipher, *, stop: threading.Event
    ) -> None:
        self._config = config
        self._plex = plex
        self._cipher = cipher
        self._stop = stop
        self._interval = config.look_minutes * 60
        self._pool = ThreadPoolExecutor(LISTS_AT_A_TIME, thread_name_prefix="plex-look")
        self._planned: dict[int, float] = {}
        """When each person is looked at next, by the monotonic clock."""
        self._reading: dict[Future[Read], SyncUser] = {}
        self._round: set[int] = set()
        """Who is still to be looked at until everybody was."""
        self._etags: dict[int, tuple[Version, str | None]] = {}
        """The ETag of each list as last looked at, and the stored state that it belongs to."""
        self._friends: set[int] = set()
        """Who is read as a friend, and less often."""
        self._seen: dict[int, tuple[str | None, float]] = {}
        """The token and time of the last look at each unchanged list."""
        self._store_at = 0.0

    def start(self) -> threading.Thread | None:
        """Look in the background until `stop` is set; return the thread, None if looks are turned off."""
        if not self._interval:
            return None
        thread = threading.Thread(target=self._loop, name="looks")
        thread.start()
        return thread

    def _loop(self) -> None:
        told = ""
        while not self._stop.is_set():
            try:
                with db.connect(self._config.database_url, role="looks") as conn:
                    told = ""
                    self._serve(conn)
            except db.EXPECTED as error:  # the syncs meet it, too, and give it its weight in the log
                reason = str(error).strip()
                if reason != told:
                    logger.info("looks put off reason=%r", reason)
                told = reason
            except Exception:
                logger.exception("looks put off, unexpected error")
            self._reading.clear()  # their locks went with the connection
            self._stop.wait(AWAY_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self, conn: Connection) -> None:
        """Take turns while this scheduler is the one that looks."""
        locks.notice_end_soon(conn)
        while not locks.try_turn(conn, locks.LOOKS_LOCK):
            if self._stop.wait(TAKEN_OVER_WITHIN_SECONDS):
                return
        plex = self._plex()
        self._planned.clear()
        self._round.clear()
        self._plan_storing()
        while not self._stop.is_set():
            self._turn(conn, plex)
        self._store_seen(conn)

    def _turn(self, conn: Connection, plex: PlexClient) -> None:
        """Begin the looks that are due, and wait until one ends or the next is due."""
        cooldown = plex.cooldown_seconds()
        if cooldown:
            self._planned.clear()  # otherwise all would be looked at at once when it ends
        else:
            self._plan(looks.list_looked_at(conn))
            while len(self._reading) < LISTS_AT_A_TIME and (user_id := self._find_next()) is not None:
                self._begin(conn, plex, user_id)
        seconds = cooldown or min(self._planned.values(), default=float("inf")) - time.monotonic()
        seconds = min(max(seconds, 0.05), LONGEST_TURN_SECONDS, self._interval)
        if self._reading:
            for future in wait(self._reading, timeout=min(seconds, 1), return_when=FIRST_COMPLETED).done:
                self._end(conn, future)
        else:
            self._stop.wait(seconds)
        if time.monotonic() >= self._store_at:
            self._store_seen(conn)

    def _plan(self, user_ids: dict[int, str]) -> None:
        """Spread people who were not planned yet over the interval, and forget those who are gone.

        user_ids: with their source. A round is complete without friends, whose turn comes less often.
        """
        now = time.monotonic()
        self._friends = {user_id for user_id, source in user_ids.items() if source == "friend"}
        for gone in self._planned.keys() - user_ids.keys():
            del self._planned[gone]
        new = [user_id for user_id in user_ids if user_id not in self._planned]
        random.shuffle(new)
        for place, user_id in enumerate(new):
            self._planned[user_id] = now + self._seconds(user_id) * (place + random.random()) / len(new)
        self._round &= user_ids.keys() - self._friends
        self._round = self._round or user_ids.keys() - self._friends

    def _seconds(self, user_id: int) -> float:
        """Return how often this person is looked at."""
        return max(self._interval, FRIENDS_EVERY_SECONDS) if user_id in self._friends else self._interval

    def _find_next(self) -> int | None:
        """Return the person whose look is due the longest."""
        under_way = {user.id for user in self._reading.values()}
        due = {at: user_id for user_id, at in self._planned.items() if at <= time.monotonic()}
        return next((due[at] for at in sorted(due) if due[at] not in under_way), None)

    def _begin(self, conn: Connection, plex: PlexClient, user_id: int) -> None:
        now = time.monotonic()
        self._planned[user_id] = now + self._seconds(user_id) * random.uniform(0.9, 1)
        if not locks.try_look(conn, user_id=user_id):  # a run has this person, or somebody asked for a run
            self._planned[user_id] = now + min(self._interval, BUSY_SECONDS)
            return
        # only now, since a run may have read the person before the lock was taken
        user = looks.find_looked_at(conn, user_id=user_id)
        if user is None:
            locks.end_look(conn, user_id=user_id)
            return
        version, etag = self._etags.get(user_id, (None, None))
        if version != _version(user):
            etag = user.list_etag
        reading = self._pool.submit(
            read_user, user, plex, self._cipher,
            database_url=self._config.database_url, on_page=_ignore, etag=etag, look=True,
        )  # fmt: skip
        self._reading[reading] = user

    def _end(self, conn: Connection, future: Future[Read]) -> None:
        """Store what the look changes, if anything."""
        user = self._reading.pop(future)
        try:
            if not self._stop.is_set():
                self._store(conn, user, future)
        finally:
            locks.end_look(conn, user_id=user.id)
        self._round.discard(user.id)
        if not self._round:
            looks.show_round(conn)

    def _store(self, conn: Connection, user: SyncUser, future: Future[Read]) -> None:
        error = future.exception()
        read = None if error else future.result()
        if read:
            nothing = read.watchlist is None and read.account is None and user.sync_state in UNCHANGED
        else:
            nothing = isinstance(error, SyncError) and (error.state, str(error)) == (user.sync_state, user.sync_detail)
        if not nothing:
            after = store_look(
                conn, user, future.result, retry_jitter=draw_jitter(),
                retry_at_most=timedelta(hours=self._config.sync_interval_hours),
            )  # fmt: skip
            etag = read.watchlist.page_etag if read and read.watchlist else None
            self._etags[user.id] = (_version(after or user), etag)
        self._seen[user.id] = (user.plex_token, time.monotonic())

    def _store_seen(self, conn: Connection) -> None:
        """Store when people were last looked at."""
        now = time.monotonic()
        seen = [(user_id, token, now - at) for user_id, (token, at) in self._seen.items()]
        if seen:
            with conn.transaction():
                locks.lock_wishlist(conn)
                looks.store_seen(conn, seen=seen)
        self._seen.clear()
        self._plan_storing()

    def _plan_storing(self) -> None:
        self._store_at = time.monotonic() + random.uniform(*STORED_AFTER_SECONDS)


def _version(user: SyncUser) -> Version:
    """Return what changes when anything but a look reads the list."""
    return user.plex_token, user.list_changes, user.list_read_at, user.list_etag


def _ignore(_name: str, _rows: int, _total: int) -> None:
    pass
