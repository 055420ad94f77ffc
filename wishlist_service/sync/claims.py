"""Who may sync whom: the locks that keep runs apart.

A run that was asked for excludes all others. Scheduled ones go on side by side and claim people one by one.
All locks live on the connection that also does the run's writing: a run that lost them cannot write, and
a killed one leaves its people free and nothing to clean up.
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

MOST_PEOPLE: Final = 50  # of a scheduled run: with many people runs end, and their due times drift apart
_NOW: Final = timedelta(0)
_LONGEST_AHEAD: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class Claim:
    """The right to sync: a connection that holds the locks, and the run opened with them."""

    conn: Connection
    run_id: int
    trigger: str
    people: Iterator[SyncUser]
    """Each is claimed when they are asked for, and theirs is the connection's next statement."""
    due_again_in: timedelta
    """For all people of the run: a household stays together, groups of many people drift apart."""
    claimed_ids: set[int] = field(default_factory=set[int])
    """Whom a scheduled run has locked."""


def claim(config: Config, *, trigger: str, user_id: int | None = None) -> Claim:
    """Exclude all other runs and open one over everybody active, or over one person.

    Raises SyncRunning, NotFound for an unknown person, Conflict for a paused one, and OperationalError
    when the database is away.
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
                raise Conflict(f"{users[0].name} is not active. Set active to true first.")
        run_id = _open_run(conn, trigger=trigger, user_id=user_id)
    except BaseException:
        conn.close()
        raise
    return Claim(conn, run_id, trigger, iter(users), _draw_due_again(config))


def claim_due(config: Config) -> Claim | None:
    """Claim somebody who is due and open a run; None, and nothing written, if nobody is or others have them all.

    The run takes along who is due a little later, so that a household is one run.
    Raises SyncRunning while a run that was asked for goes on, and OperationalError when the database is away.
    """
    ahead = min(_LONGEST_AHEAD, timedelta(hours=config.sync_interval_hours) / 20)
    claimed_ids: set[int] = set()
    conn = db.connect(config.database_url, role="sync")
    try:
        first = None
        _note_language(conn, config)
        if sync_users.is_anybody_due(conn):
            _exclude_others(conn, scheduled=True)
            first = _claim_person(conn, ahead=_NOW, claimed_ids=claimed_ids)
        if first is None:
            conn.close()
            return None
        run_id = _open_run(conn, trigger="scheduled", user_id=None)
    except BaseException:
        conn.close()
        raise
    people = _claim_people(conn, first, ahead=ahead, claimed_ids=claimed_ids)
    return Claim(conn, run_id, "scheduled", people, _draw_due_again(config), claimed_ids=claimed_ids)


def release(claimed: Claim, user: SyncUser) -> None:
    """Let others have the person: what became of them is committed."""
    if user.id in claimed.claimed_ids:
        locks.unlock_person(claimed.conn, user_id=user.id)
        claimed.claimed_ids.remove(user.id)


def _exclude_others(conn: Connection, *, scheduled: bool = False) -> None:
    # Between a run's lock and its row, and between its end and its connection's, there is a
    # moment with nothing to name: look again until one or the other is there.
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
        locks.lock_run(conn, run_id=run_id)  # before others see the row: without its lock it looks interrupted
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
        # Whoever had them may have finished after the statement began to look, and before it locked.
        if person := sync_users.find_due_user(conn, user_id=user_id, ahead=ahead):
            claimed_ids.add(user_id)
            return person
        locks.unlock_person(conn, user_id=user_id)
    return None


def _draw_due_again(config: Config) -> timedelta:
    return timedelta(hours=config.sync_interval_hours) * random.uniform(0.9, 1.1)
