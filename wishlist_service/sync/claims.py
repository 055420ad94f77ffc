"""Who may sync whom: the locks that keep runs apart.

A requested run excludes all others. Scheduled runs may run side by side, and claim people one by one. All locks
belong to the connection that also writes: a run that loses them cannot write, and a killed one leaves none behind.
"""

import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import Conflict, SyncRunning
from wishlist_service.models import SyncUser
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
    claimed_ids: set[int] = field(default_factory=set[int])
    """The people locked by a scheduled run."""


def claim(config: Config, *, trigger: str, user_id: int | None = None) -> Claim:
    """Exclude all other runs and open one for all active people, or for one person.

    Raises SyncRunning, NotFound for an unknown user, Conflict for a paused one, and OperationalError if the database
    cannot be reached.
    """
    conn = db.connect(config.database_url, role="sync")
    try:
        _exclude_others(conn)
        _note_language(conn, config)
        if user_id is None:
            users = sync_users.list_active_users(conn)
        else:
            users = [sync_users.get_sync_user(conn, user_id=user_id)]
            if not users[0].active:
                raise Conflict(f"{users[0].name} is paused. Set active to true first.")
        run_id = _open_run(conn, trigger=trigger, user_id=user_id)
    except BaseException:
        conn.close()
        raise
    return Claim(conn, run_id, trigger, iter(users), config.database_url, _draw_due_again(config))


def claim_due(config: Config) -> Claim | None:
    """Claim a person who is due and open a run. Return None if there is none, or if other runs claimed them all.

    The run also claims people who are due a little later, so that a few people share one run.
    Raises SyncRunning while a requested run is running, and OperationalError if the database cannot be reached.
    """
    ahead = min(_LONGEST_AHEAD, timedelta(hours=config.sync_interval_hours) / 20)
    claimed_ids: set[int] = set()
    conn = db.connect(config.database_url, role="sync")
    try:
        first = None
        _note_language(conn, config)
        if sync_users.is_anybody_due(conn):
            _exclude_others(conn, scheduled=True)
            first = _claim_person(conn, ahead=timedelta(0), claimed_ids=claimed_ids)
        if first is None:
            conn.close()
            return None
        run_id = _open_run(conn, trigger="scheduled", user_id=None)
    except BaseException:
        conn.close()
        raise
    people = _claim_people(conn, first, ahead=ahead, claimed_ids=claimed_ids)
    return Claim(
        conn, run_id, "scheduled", people, config.database_url, _draw_due_again(config), claimed_ids=claimed_ids
    )


def release(claimed: Claim, user: SyncUser) -> None:
    """Release the lock of the person, whose result is committed."""
    if user.id in claimed.claimed_ids:
        locks.unlock_person(claimed.conn, user_id=user.id)
        claimed.claimed_ids.remove(user.id)


def _exclude_others(conn: Connection, *, scheduled: bool = False) -> None:
    # A starting run has its lock before its row, and an ending one closes its row before its lock.
    # Try again until there is a free lock, or a run to name.
    for _ in range(50):
        if locks.try_sync_lock(conn, shared=scheduled):
            return
        if running := sync_runs.find_running_run(conn):
            raise SyncRunning(running.id)
        time.sleep(0.02)
    raise SyncRunning(None)


def _note_language(conn: Connection, config: Config) -> None:
    if sync_users.get_language(conn) == config.plex_language:
        return
    with conn.transaction():
        locks.lock_wishlist(conn)
        sync_users.change_language(conn, language=config.plex_language)
    logger.info("language changed, titles and details are read again language=%s", config.plex_language)


def _open_run(conn: Connection, *, trigger: str, user_id: int | None) -> int:
    with conn.transaction():
        if left_open := sync_runs.interrupt_running_runs(conn):
            logger.warning("sync run of a killed process closed count=%s", left_open)
        run_id = sync_runs.add_run(conn, trigger=trigger, user_id=user_id)
        locks.lock_run(conn, run_id=run_id)  # before others see the row: without the lock it looks interrupted
    return run_id


def _claim_people(conn: Connection, first: SyncUser, *, ahead: timedelta, claimed_ids: set[int]) -> Iterator[SyncUser]:
    yield first
    for _ in range(MOST_PEOPLE - 1):
        person = _claim_person(conn, ahead=ahead, claimed_ids=claimed_ids)
        if person is None:
            return
        yield person


def _claim_person(conn: Connection, *, ahead: timedelta, claimed_ids: set[int]) -> SyncUser | None:
    while (
        user_id := sync_users.claim_due_user_id(
            conn, ahead=ahead, claimed_ids=list(claimed_ids), lock_class=locks.PERSON_LOCKS
        )
    ) is not None:
        # Another run may have read the person after this statement began and before it took the lock.
        if person := sync_users.find_due_user(conn, user_id=user_id, ahead=ahead):
            claimed_ids.add(user_id)
            return person
        locks.unlock_person(conn, user_id=user_id)
    return None


def _draw_due_again(config: Config) -> timedelta:
    return timedelta(hours=config.sync_interval_hours) * random.uniform(0.9, 1.1)
