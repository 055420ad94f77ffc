"""What a list does not tell: asked of Plex title by title, between the syncs and never in their way.

When somebody put a title on their list is asked for new wishes, once; summary, genres and missing external ids
for each title, until Plex tells.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import RateLimited, SyncFailure
from wishlist_service.models import TitleDetails, TitleQuestion
from wishlist_service.plex.titles import PlexTitles
from wishlist_service.queries import details, locks, sync_users
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

TIMES_A_RUN: Final = 20
TITLES_A_LOOK: Final = 50
ASKING_SECONDS: Final = 50  # then the scheduler's other jobs have their turn
FAILED_AGAIN_IN: Final = timedelta(days=1)


class Details:
    """The questions of one scheduler. Of several, one at a time asks."""

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

    def look(self) -> None:
        """Ask some of what is due; end early when a list is to be read, the program stops, or Plex says so.

        Raises OperationalError when the database goes away; what was not stored is asked again.
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
        """Ask when the new wishes of a run were made; False if no more is to be asked now."""
        left = details.list_new_wishes(conn, run_id=run_id, limit=TIMES_A_RUN)
        times: list[tuple[TitleQuestion, datetime]] = []
        slow_down = False
        while left and not slow_down and self._may_ask(conn):
            question = left.pop(0)
            try:
                told = self._titles.watchlisted_at(self._token(question), question.uid)
            except SyncFailure as failure:
                logger.info("time of a wish not told run=%s item=%s reason=%s", run_id, question.item_id, failure)
                slow_down = isinstance(failure, RateLimited)
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
        """Ask about titles until one meets trouble: that one is asked about another day, the rest at the next look."""
        told: list[tuple[int, TitleDetails | None, timedelta | None]] = []
        for question in details.list_titles_due(conn, limit=TITLES_A_LOOK):
            if not self._may_ask(conn):
                break
            try:
                found = self._titles.details(self._token(question), question.uid)
            except SyncFailure as failure:
                logger.info("details of a title not told item=%s reason=%s", question.item_id, failure)
                if not isinstance(failure, RateLimited):
                    told.append((question.item_id, None, FAILED_AGAIN_IN))
                break
            told.append((question.item_id, found, None))
        if told:
            # all at once: each write makes every reply that is kept be made anew
            with conn.transaction():
                locks.lock_wishlist(conn)
                details.store_details(conn, told=told)

    def _may_ask(self, conn: Connection) -> bool:
        """After a pause: whether there is still time for a question."""
        self._on_asked()
        in_time = time.monotonic() < self._until
        return in_time and not self._stop.wait(self._pause_seconds) and not sync_users.is_anybody_due(conn)

    def _token(self, question: TitleQuestion) -> str:
        return self._cipher.decrypt(question.plex_token, owner=question.user_id)
