"""The sync: reads people's watchlists from Plex and merges them into the wishlist.

The API, the scheduler and `python -m wishlist_service.sync` call it, each with a claim of claims.py, so that no two
runs read the same person at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Final

from wishlist_service.models import SyncRun, SyncUser, UserResult
from wishlist_service.plex.client import PlexClient
from wishlist_service.process.logs import within_run
from wishlist_service.queries import locks, sync_runs, wishlist
from wishlist_service.sync import claims
from wishlist_service.sync.claims import Claim
from wishlist_service.sync.person import OnPage, Read, known_etag, read_user, store_user
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

LISTS_AT_A_TIME: Final = 2  # Plex asked tools like this one for it

WAITING_SECONDS: Final = 30  # Plex may ask to wait for minutes

OnResult = Callable[[UserResult], None]


def run_sync(
    claimed: Claim,
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    stop: threading.Event,
    on_result: OnResult = lambda _result: None,
    on_page: OnPage = lambda _name, _rows, _total: None,
    on_wait: Callable[[], None] = lambda: None,
) -> SyncRun:
    """Sync the claimed people, release the locks and return the finished run.

    A scheduled run reads each list in full. One that somebody asked for asks Plex whether a list has changed.
    on_wait: called now and then while Plex is waited for.
    Once `stop` is set, no other person is read, and the run ends as interrupted.
    Raises OperationalError if the database cannot be reached; the run then shows as interrupted.
    """
    with claimed.conn as conn, locks.giving_back_locks(conn), within_run(claimed.run_id):
        logger.info("sync started run=%s trigger=%s", claimed.run_id, claimed.trigger)
        results: list[UserResult] = []
        asked_before = plex.request_counts()
        begun = claims.begin(claimed, stop=stop)
        people = claimed.people if begun else iter(())
        for user, outcome in _read_ahead(claimed, people, plex, cipher, stop=stop, on_page=on_page, on_wait=on_wait):
            result = store_user(
                conn,
                user,
                outcome.result,
                run_id=claimed.run_id,
                due_again_in=claimed.due_again_in,
                retry_jitter=claimed.retry_jitter,
                retry_at_most=claimed.retry_at_most,
            )
            claims.release(claimed, user)
            results.append(result)
            on_result(result)

        left_out = not begun or (stop.is_set() and next(claimed.people, None))
        status = "interrupted" if left_out else _status(results)
        total = wishlist.count_current_items(conn)
        asked = plex.request_counts() - asked_before
        took = timedelta(seconds=time.monotonic() - claimed.began_at)
        sync_runs.finish_run(
            conn, run_id=claimed.run_id, status=status, total_items=total, plex_requests=asked, took=took
        )
        finished = sync_runs.get_run(conn, run_id=claimed.run_id)
        logger.info(
            "sync finished run=%s status=%s new=%s updated=%s removed=%s total=%s errors=%s ms=%.0f",
            finished.id, status, finished.new_items, finished.updated_items, finished.removed_items,
            total, len(finished.errors), took.total_seconds() * 1000,
        )  # fmt: skip
        return finished


def _status(results: list[UserResult]) -> str:
    failed = sum(result.failed for result in results)
    if not failed:
        return "succeeded"
    return "failed" if failed == len(results) else "partial"


def _read_ahead(
    claimed: Claim,
    people: Iterator[SyncUser],
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    stop: threading.Event,
    on_page: OnPage,
    on_wait: Callable[[], None],
) -> Iterator[tuple[SyncUser, "Future[Read]"]]:
    """Yield each person and their read as it ends. At most LISTS_AT_A_TIME are read, and in memory, at once."""
    reading: dict[Future[Read], SyncUser] = {}
    with ThreadPoolExecutor(LISTS_AT_A_TIME, thread_name_prefix="plex-read") as pool:
        while True:
            while len(reading) < LISTS_AT_A_TIME and not stop.is_set() and (user := next(people, None)):
                etag = None if claimed.trigger == "scheduled" else known_etag(user)
                read = partial(
                    read_user, user, plex, cipher, database_url=claimed.database_url, on_page=on_page, etag=etag
                )
                reading[pool.submit(copy_context().run, read)] = user
            if not reading:
                return
            done = wait(reading, timeout=WAITING_SECONDS, return_when=FIRST_COMPLETED).done
            if not done:
                on_wait()
            for future in done:
                yield reading.pop(future), future
