"""The sync: every active person's watchlist read from Plex and merged into the wishlist.

Called by the API, the scheduler and `python -m wishlist_service.sync`, each with a claim: claims.py
sees to it that nobody is read by two at once.
"""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from typing import Final

from psycopg import OperationalError
from psycopg.errors import DiskFull, UndefinedTable

from wishlist_service import claims, db
from wishlist_service.claims import Claim
from wishlist_service.config import load_config
from wishlist_service.errors import SyncRunning
from wishlist_service.logs import configure_logging, within_run
from wishlist_service.models import SyncRun, SyncUser, UserResult
from wishlist_service.plex import PlexClient
from wishlist_service.queries import sync_runs, sync_users, wishlist
from wishlist_service.sync_user import OnPage, Read, read_user, store_user
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

LISTS_AT_A_TIME: Final = 2  # what Plex asked of tools like this one
STOP_SECONDS: Final = 8  # Docker kills after 10 unless told otherwise

OnResult = Callable[[UserResult], None]


def run(
    claimed: Claim,
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    stop: threading.Event,
    on_result: OnResult = lambda _result: None,
    on_page: OnPage = lambda _name, _rows, _total: None,
) -> SyncRun:
    """Sync the claimed people and return the finished run; the locks are given back.

    Once `stop` is set no further person is begun and the run ends as interrupted.
    Raises OperationalError when the database goes away; the run is then seen as interrupted.
    """
    started = time.monotonic()
    asked_before = plex.request_counts()
    with claimed.conn as conn, db.giving_back_locks(conn), within_run(claimed.run_id):
        logger.info("sync started run=%s trigger=%s", claimed.run_id, claimed.trigger)
        results: list[UserResult] = []
        for user, outcome in _read_ahead(claimed, plex, cipher, stop=stop, on_page=on_page):
            result = store_user(conn, user, outcome.result, run_id=claimed.run_id, due_again_in=claimed.due_again_in)
            claims.release(claimed, user)
            results.append(result)
            on_result(result)

        status = "interrupted" if stop.is_set() and next(claimed.people, None) else _status(results)
        total = wishlist.count_current_items(conn)
        asked = plex.request_counts() - asked_before
        sync_runs.finish_run(conn, run_id=claimed.run_id, status=status, total_items=total, plex_requests=asked)
        finished = sync_runs.get_run(conn, run_id=claimed.run_id)
        logger.log(
            logging.WARNING if finished.errors else logging.INFO,
            "sync finished run=%s status=%s new=%s updated=%s removed=%s total=%s errors=%s ms=%.0f",
            finished.id, status, finished.new_items, finished.updated_items, finished.removed_items,
            total, len(finished.errors), (time.monotonic() - started) * 1000,
        )  # fmt: skip
        return finished


def _status(results: list[UserResult]) -> str:
    failed = sum(result.failed for result in results)
    if not failed:
        return "succeeded"
    return "failed" if failed == len(results) else "partial"


def _read_ahead(
    claimed: Claim, plex: PlexClient, cipher: TokenCipher, *, stop: threading.Event, on_page: OnPage
) -> Iterator[tuple[SyncUser, "Future[Read]"]]:
    """Each person with what became of reading their list, as the reads finish.

    Reads LISTS_AT_A_TIME at once and holds no more than that in memory.
    """
    reading: dict[Future[Read], SyncUser] = {}
    with ThreadPoolExecutor(LISTS_AT_A_TIME, thread_name_prefix="plex-read") as pool:
        while True:
            while len(reading) < LISTS_AT_A_TIME and not stop.is_set() and (user := next(claimed.people, None)):
                read = partial(read_user, user, plex, cipher, asked_for=claimed.asked_for, on_page=on_page)
                reading[pool.submit(copy_context().run, read)] = user
            if not reading:
                return
            for future in wait(reading, return_when=FIRST_COMPLETED).done:
                yield reading.pop(future), future


def main() -> None:
    """One sync in the foreground: a line per person, exit status 1 if one could not be read."""
    argparse.ArgumentParser(prog="python -m wishlist_service.sync", description=__doc__).parse_args()
    config = load_config()
    configure_logging("DEBUG" if config.log_level == "DEBUG" else "ERROR", stream=sys.stderr)
    stop = threading.Event()
    stop_on_signals(stop)
    terminal = sys.stdout.isatty()

    def show_page(name: str, rows: int, total: int) -> None:
        if terminal:
            print(f"\r\033[K{name}: {rows} of {total} titles read", end="", flush=True)

    def show_result(result: UserResult) -> None:
        print(f"{chr(13)}\033[K" if terminal else "", _line(result), sep="", flush=True)

    try:
        identifier = db.ask(config.database_url, sync_users.get_client_identifier)
        plex = PlexClient(config, client_identifier=identifier, stop=stop)
        cipher = TokenCipher(config.token_encryption_keys)
        claimed = claims.claim(config, trigger="command")
        finished = run(claimed, plex, cipher, stop=stop, on_result=show_result, on_page=show_page)
    except SyncRunning as running:
        sys.exit(f"{running} Wait for it to end, then try again.")
    except UndefinedTable:
        sys.exit("The database has no tables yet. Run: python -m wishlist_service.migrate")
    except DiskFull:
        sys.exit("The disk of the database is full. What was not stored stays as it was; free some space there.")
    except OperationalError as error:
        sys.exit(f"The database is away: {str(error).strip()}")
    print(
        f"Run {finished.id} {finished.status}: {finished.total_items} titles on the wishlist, "
        f"{finished.new_items} new, {finished.updated_items} updated, {finished.removed_items} removed."
    )
    sys.exit(0 if finished.status == "succeeded" else 1)


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and the first Ctrl-C; a second Ctrl-C ends the program at once.

    A program that has not ended STOP_SECONDS later is waiting for Plex, with nothing written of that person:
    it ends as if killed, which loses nothing, but with exit status 0.
    """

    def handle(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # The main thread may be inside stop.wait(), holding the event's own lock: set it from another one.
        threading.Thread(target=stop.set).start()
        last_resort = threading.Timer(STOP_SECONDS, _end_at_once)
        last_resort.daemon = True
        last_resort.start()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # migrate has it wait until somebody listens


def _end_at_once() -> None:
    logger.warning("told to stop, what was still under way is left as it was")
    logging.shutdown()
    os._exit(0)


def _line(result: UserResult) -> str:
    if result.failed:
        return f"{result.name}: {result.outcome}. {result.detail}"
    if result.outcome == "skipped":
        return f"{result.name}: skipped, changed while the list was read"
    numbers = f"{result.titles} titles, {result.added} added, {result.removed} removed"
    return f"{result.name}: {result.outcome}, {numbers}" + (f". {result.detail}" if result.detail else "")


if __name__ == "__main__":
    main()
