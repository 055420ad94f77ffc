"""Who may sync whom: the locks that keep runs apart.

A requested run waits until the others have ended, and excludes all others. Scheduled runs and looks may run side by
side, and claim people one by one. All locks
belong to the connection that also writes: a run that loses them cannot write, and a killed one leaves none behind.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import Conflict, NotFound, SyncRunning
from wishlist_service.models import SyncRun, SyncUser
from wishlist_service.process.retries import draw_jitter
from wishlist_service.queries import locks, sync_runs, sync_users

logger = logging.getLogger(__name__)

MOST_PEOPLE: Final = 50  # of a scheduled run, so that it ends, and the due times of many people spread
_LONGEST_AHEAD: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Claim:
    """The right to sync: a connection with the locks, and its open run."""

    conn: Connection
    run_id: int
    trigger: str
    people: Iterator[SyncUser]
    """Claims each person when it yields them."""
    database_url: str = field(repr=False)
    due_again_in: timedelta
    """The same for all people of the run: a few people stay together, groups of many spread."""
    waits: bool = False
    """Whether the run must wait for others to end before it may read."""
    retry_at_most: timedelta = timedelta.max
    retry_jitter: float = field(default_factory=draw_jitter)
    began_at: float = field(default_factory=time.monotonic)
    claimed_ids: set[int] = field(default_factory=set[int])
    """The people locked by a scheduled run."""


def claim(config: Config, *, trigger: str, user_id: int | None = None) -> Claim:
    """Open a run for all active people, or for one person. It waits until the other runs have ended, see begin().

    Raises SyncRunning while another such run waits or runs, NotFound for an unknown user, Conflict for a paused one,
    and OperationalError if the database cannot be reached.
    """
    conn = db.connect(config.database_url, role="sync")
    try:
        _be_the_only_request(conn)
        if user_id is not None:
            user = sync_users.find_sync_user(conn, user_id=user_id)
            if user is None:
                raise NotFound(f"No user has id {user_id}.")
            if not user.active:
                raise Conflict(f"{user.name} is paused. Set active to true first.")
        waits = not locks.try_sync_lock(conn)
        run_id = _open_run(conn, trigger=trigger, user_id=user_id, status="waiting" if waits else "running")
    except BaseException:
        conn.close()
        raise
    people = _list_requested(conn, config, user_id)
    return Claim(
        conn,
        run_id,
        trigger,
        people,
        config.database_url,
        _draw_due_again(config),
        waits=waits,
        retry_at_most=_interval(config),
    )


def begin(claimed: Claim, *, stop: threading.Event) -> bool:
    """Wait until the run excludes all others. Return False if `stop` was set before."""
    if claimed.waits:
        while not locks.wait_for_sync_lock(claimed.conn, seconds=1):
            if stop.is_set():
                return False
        sync_runs.begin_run(claimed.conn, run_id=claimed.run_id)
    return True


def claim_due(config: Config) -> Claim | None:
    """Claim a person who is due and open a run. Return None if there is none, or if other runs claimed them all.

    The run also claims people who are due a little later, so that a few people share one run.
    Raises SyncRunning while a requested run is running, and OperationalError if the database cannot be reached.
    """
    ahead = min(_LONGEST_AHEAD, _interval(config) / 20)
    claimed_ids: set[int] = set()
    conn = db.connect(config.database_url, role="sync")
    try:
        first = None
        note_language(conn, config)
        if sync_users.is_anybody_due(conn):
            _share_with_others(conn)
            first = _claim_person(conn, ahead=timedelta(0), claimed_ids=claimed_ids)
        if first is None:
            conn.close()
            return None
        run_id = _open_run(conn, trigger="scheduled", user_id=None, status="running")
    except BaseException:
        conn.close()
        raise
    people = _claim_people(conn, first, ahead=ahead, claimed_ids=claimed_ids)
    due_again_in, longest = _draw_due_again(config), _interval(config)
    return Claim(
        conn, run_id, "scheduled", people, config.database_url, due_again_in,
        retry_at_most=longest, claimed_ids=claimed_ids,
    )  # fmt: skip


def release(claimed: Claim, user: SyncUser) -> None:
    """Release the lock of the person, whose result is committed."""
    if user.id in claimed.claimed_ids:
        locks.unlock_person(claimed.conn, user_id=user.id)
        claimed.claimed_ids.remove(user.id)


def _be_the_only_request(conn: Connection) -> None:
    _take(lambda: locks.try_request_lock(conn), lambda: sync_runs.find_requested_run(conn))


def _share_with_others(conn: Connection) -> None:
    _take(lambda: locks.try_sync_lock(conn, shared=True), lambda: sync_runs.find_running_run(conn))


def _take(try_lock: Callable[[], bool], find_run: Callable[[], SyncRun | None]) -> None:
    # A starting run has its lock before its row, and an ending one closes its row before its lock.
    # Try again until there is a free lock, or a run to name.
    for _ in range(50):
        if try_lock():
            return
        if running := find_run():
            raise SyncRunning(running.id)
        time.sleep(0.02)
    raise SyncRunning(None)


def _list_requested(conn: Connection, config: Config, user_id: int | None) -> Iterator[SyncUser]:
    """Yield the people of a run that somebody asked for, as they are when it begins."""
    note_language(conn, config)
    for user in sync_users.list_active_users(conn):
        if user_id in (None, user.id):
            yield user


def note_language(conn: Connection, config: Config) -> None:
    """If PLEX_LANGUAGE is another than before, have everything be read again."""
    if sync_users.get_language(conn) == config.plex_language:
        return
    with conn.transaction():
        locks.lock_wishlist(conn)
        sync_users.change_language(conn, language=config.plex_language)
    logger.info("language changed, titles and details are read again language=%s", config.plex_language)


def _open_run(conn: Connection, *, trigger: str, user_id: int | None, status: str) -> int:
    with conn.transaction():
        if left_open := sync_runs.interrupt_running_runs(conn):
            logger.warning("sync run of a killed process closed count=%s", left_open)
        run_id = sync_runs.add_run(conn, trigger=trigger, user_id=user_id, status=status)
        locks.lock_run(conn, run_id=run_id)  # before others see the row: without the lock it looks interrupted
    return run_id


def _claim_people(conn: Connection, first: SyncUser, *, ahead: timedelta, claimed_ids: set[int]) -> Iterator[SyncUser]:
    had = {first.id}  # a retry that falls due meanwhile waits for the next run
    yield first
    for _ in range(MOST_PEOPLE - 1):
        if sync_runs.is_one_waiting(conn):  # it reads everybody who is left
            return
        person = _claim_person(conn, ahead=ahead, claimed_ids=claimed_ids, had=had)
        if person is None:
            return
        had.add(person.id)
        yield person


def _claim_person(
    conn: Connection, *, ahead: timedelta, claimed_ids: set[int], had: Set[int] = frozenset()
) -> SyncUser | None:
    while (
        user_id := sync_users.claim_due_user_id(
            conn, ahead=ahead, claimed_ids=list(claimed_ids | had), lock_class=locks.PERSON_LOCKS
        )
    ) is not None:
        # Another run may have read the person after this statement began and before it took the lock.
        if person := sync_users.find_due_user(conn, user_id=user_id, ahead=ahead):
            claimed_ids.add(user_id)
            return person
        locks.unlock_person(conn, user_id=user_id)
    return None


def _interval(config: Config) -> timedelta:
    return timedelta(hours=config.sync_interval_hours)


def _draw_due_again(config: Config) -> timedelta:
    return _interval(config) * random.uniform(0.9, 1.1)
