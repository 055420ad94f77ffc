"""Asks Plex, title by title and between syncs, for what a watchlist does not say.

For each new wish once: when the person put it on their watchlist. For each title, until nothing is missing: summary,
genres, date and external ids.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import RateLimited, SyncError
from wishlist_service.models import TitleDetails
from wishlist_service.plex.titles import PlexTitles
from wishlist_service.process.retries import draw_jitter, retry_in
from wishlist_service.queries import details, locks, records, sync_users
from wishlist_service.queries.details import TitleQuestion
from wishlist_service.sync import titles
from wishlist_service.sync.identity import media_type_of
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

TIMES_A_RUN: Final = 20
TITLES_A_LOOK: Final = 50
ASKING_SECONDS: Final = 50  # then the scheduler runs its other jobs


class Details:
    """The requests of one scheduler. Of several schedulers, one at a time sends them."""

    def __init__(
        self,
        config: Config,
        titles: PlexTitles,
        cipher: TokenCipher,
        *,
        stop: threading.Event,
        on_asked: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = config.database_url
        self._pause_seconds = config.page_pause_seconds
        self._titles = titles
        self._cipher = cipher
        self._stop = stop
        self._on_asked = on_asked
        self._until = 0.0
        self._failed: dict[int, tuple[int, float]] = {}
        """Of items whose question failed: how often in a row, and when to ask again by the monotonic clock."""

    def look(self) -> None:
        """Ask for some of what is due. End early if a sync is due, the program stops, or Plex asks to slow down.

        Raises OperationalError if the database cannot be reached; what was not stored is asked for again.
        """
        self._until = time.monotonic() + ASKING_SECONDS
        with db.connect(self._url, role="details") as conn, locks.giving_back_locks(conn):
            if not locks.try_turn(conn, locks.DETAILS_LOCK):
                return
            while run_id := details.find_run_with_times_due(conn):
                if not self._ask_times(conn, run_id):
                    return
            self._ask_details(conn)

    def _ask_times(self, conn: Connection, run_id: int) -> bool:
        """Ask when the new wishes of a run were made; return False to stop asking for now."""
        left = details.list_new_wishes(conn, run_id=run_id, limit=TIMES_A_RUN)
        times: list[tuple[TitleQuestion, datetime]] = []
        slow_down = False
        while left and not slow_down and self._may_ask(conn):
            question = left.pop(0)
            try:
                told = self._titles.watchlisted_at(self._token(question), question.uid)
            except SyncError as error:
                logger.info("time of a wish not read run=%s item=%s reason=%r", run_id, question.item_id, str(error))
                slow_down = isinstance(error, RateLimited)
            else:
                times += [(question, told)] if told else []
        with conn.transaction():
            if times:
                locks.lock_wishlist(conn)
                details.store_times(conn, times=times)
            if slow_down or not left:
                details.end_times(conn, run_id=run_id)
        return not (slow_down or left)

    def _ask_details(self, conn: Connection) -> None:
        """Ask about titles until an error. The title with the error is asked about again after 1, 2, 4 ... minutes.

        The rest waits for the next look. Nothing of a failure is stored: a new scheduler asks at once.
        """
        now = time.monotonic()
        waiting = [item_id for item_id, (_failures, again_at) in self._failed.items() if again_at > now]
        told: list[tuple[str, TitleDetails | None]] = []
        for question in details.list_titles_due(conn, except_ids=waiting, limit=TITLES_A_LOOK):
            if not self._may_ask(conn):
                break
            try:
                found = self._titles.details(self._token(question), question.uid)
            except SyncError as error:
                logger.info("details of a title not read item=%s reason=%r", question.item_id, str(error))
                if not isinstance(error, RateLimited):
                    self._put_off(question.item_id)
                break
            self._failed.pop(question.item_id, None)
            told.append((question.uid, found))
        if told:
            # in one write, since each write voids all cached replies
            with conn.transaction():
                locks.lock_wishlist(conn)
                details.store_details(conn, told=_store_records(conn, told))

    def _put_off(self, item_id: int) -> None:
        failures = self._failed.get(item_id, (0, 0.0))[0] + 1
        again_in = retry_in(failures, jitter=draw_jitter())
        self._failed[item_id] = (failures, time.monotonic() + again_in.total_seconds())

    def _may_ask(self, conn: Connection) -> bool:
        """Pause, then return whether there is time for another request."""
        self._on_asked()
        in_time = time.monotonic() < self._until
        return in_time and not self._stop.wait(self._pause_seconds) and not sync_users.is_anybody_due(conn)

    def _token(self, question: TitleQuestion) -> str:
        return self._cipher.decrypt(question.plex_token, owner=question.user_id)


def _store_records(
    conn: Connection, told: Sequence[tuple[str, TitleDetails | None]]
) -> list[tuple[str, TitleDetails | None]]:
    """Store the external ids of the pages, and return what is told of the titles that were asked about.

    The page of another record tells of the same title, unless an id differs: then it tells nothing.
    """
    ids: dict[str, frozenset[str]] = {}
    renewed: dict[str, str] = {}
    for uid, page in told:
        if page and page.uid and media_type_of(page.uid) == media_type_of(uid):
            ids[page.uid] = page.external_ids
            if page.uid != uid:
                ids.setdefault(uid, frozenset())
                renewed[uid] = page.uid
    titles.store_records(conn, ids, renewed=renewed)
    item_ids = records.find_item_ids(conn, uids=[*ids, *(uid for uid, _ in told)])
    return [
        (uid, page if page and page.uid and item_ids.get(page.uid) == item_ids.get(uid) else None)
        for uid, page in told
        if uid in item_ids
    ]
