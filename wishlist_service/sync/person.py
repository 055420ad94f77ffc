"""One person's part of a sync: reads from Plex, then stores in one short transaction."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from psycopg import Connection, Rollback
from psycopg.errors import DiskFull

from wishlist_service import db
from wishlist_service.errors import Miscounted, OtherAccount, PlexError, RateLimited, SyncError
from wishlist_service.models import PlexAccount, SyncUser, UserResult, Watchlist
from wishlist_service.plex.client import PlexClient
from wishlist_service.process.retries import retry_in
from wishlist_service.queries import locks, merging, records, sync_runs, sync_users, users, wishlist
from wishlist_service.sync import through, titles
from wishlist_service.sync.decide import decide, describe
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

FULL_READ_EVERY: Final = timedelta(days=1)
ODD_ROWS_BLOCK_FOR: Final = timedelta(days=1)
ACCOUNT_READ_EVERY: Final = timedelta(days=1)
RETRIED: Final = ("unreachable", "plex_changed", "rate_limited", "error")  # as is_retried() in sql/


@dataclass(frozen=True)
class Times:
    """When a person is read next: after `due_again_in`, None for when it was due before, and after a failure sooner."""

    due_again_in: timedelta | None
    retry_jitter: float
    retry_at_most: timedelta


OnPage = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Read:
    """What was read for one person. `watchlist` None means not modified."""

    watchlist: Watchlist | None
    account: PlexAccount | None


def read_user(
    user: SyncUser,
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    database_url: str,
    on_page: OnPage,
    etag: str | None = None,
    look: bool = False,
) -> Read:
    """Read one person's watchlist from Plex. Raises a SyncError.

    database_url: needed only to switch to a member of a Plex Home.
    etag: of the list as known; None reads it in full. look: the account is asked only if that is required.
    """
    read = partial(_read_with, user, plex, on_page=on_page, etag=etag, look=look)
    match user.source:
        case "home":
            return through.read_member(user, plex, cipher, read, database_url=database_url)
        case "friend":
            on_rows = partial(on_page, user.name)
            return Read(through.read_friend(user, plex, cipher, etag=etag, on_rows=on_rows), None)
        case _:
            return read(cipher.decrypt(user.plex_token or "", owner=user.id))


def _read_with(user: SyncUser, plex: PlexClient, token: str, *, on_page: OnPage, etag: str | None, look: bool) -> Read:
    watchlist_read = plex.watchlist(token, etag=etag, miscount=user.miscount, progress=partial(on_page, user.name))
    if look:
        account_due = not user.account_checked and not (watchlist_read is None and user.sync_state == "other_account")
    else:
        account_due = not user.account_checked or datetime.now(UTC) - user.account_read_at >= ACCOUNT_READ_EVERY
    return Read(watchlist_read, _ask_account(user, plex, token) if account_due else None)


def known_etag(user: SyncUser) -> str | None:
    """Return the ETag of the list; None if it must be read in full, since the last full read is a day old."""
    if user.list_read_at is None or datetime.now(UTC) - user.list_read_at >= FULL_READ_EVERY:
        return None
    return user.list_etag


def _ask_account(user: SyncUser, plex: PlexClient, token: str) -> PlexAccount | None:
    """Return the account of the token, None if Plex does not say now. Raises a PlexError if it is required."""
    try:
        return plex.account(token)
    except PlexError:
        # A new token: if it is of another account, its watchlist would replace this person's.
        if user.plex_uuid is not None and not user.account_checked:
            raise
        return None


def store_user(
    conn: Connection,
    user: SyncUser,
    outcome: Callable[[], Read],
    *,
    run_id: int,
    due_again_in: timedelta,
    retry_jitter: float = 1,
    retry_at_most: timedelta = timedelta.max,
) -> UserResult:
    """Store one person's read, which `outcome` returns or raises, and when the next one is due."""
    times = Times(due_again_in, retry_jitter, retry_at_most)
    result = _store(conn, user, outcome, run_id=run_id, times=times)
    _log(user, result, run_id=run_id)
    return result


def store_look(
    conn: Connection, user: SyncUser, outcome: Callable[[], Read], *, retry_jitter: float, retry_at_most: timedelta
) -> SyncUser | None:
    """Store what a look changes, as a run of its own, and return the person as they are then.

    Returns None, and stores nothing, if it changes nothing. The next full read is due when it was before, unless the
    look failed.
    """
    began_at = time.monotonic()
    times = Times(None, retry_jitter, retry_at_most)
    with conn.transaction() as everything:
        run_id = sync_runs.add_run(conn, trigger="look", user_id=user.id)
        result = _store(conn, user, outcome, run_id=run_id, times=times)
        after = sync_users.find_sync_user(conn, user_id=user.id)
        if after is None or result.outcome == "skipped" or (_is_same(user, after) and result.outcome != "changed"):
            raise Rollback(everything)
        sync_runs.finish_run(
            conn,
            run_id=run_id,
            status="failed" if result.failed else "succeeded",
            total_items=wishlist.count_current_items(conn),
            plex_requests={},
            took=timedelta(seconds=time.monotonic() - began_at),
        )
        _log(user, result, run_id=run_id)
        return after
    return None


def _is_same(before: SyncUser, after: SyncUser) -> bool:
    """Return whether the two differ in nothing but times and the ETag."""
    irrelevant = {"list_etag", "last_attempt_at", "odd_rows_since"}
    return all(getattr(before, each) == getattr(after, each) for each in vars(after).keys() - irrelevant)


def _store(conn: Connection, user: SyncUser, outcome: Callable[[], Read], *, run_id: int, times: Times) -> UserResult:
    fail = partial(_fail, conn, user, run_id=run_id, times=times)
    try:
        return _merge(conn, user, outcome(), run_id=run_id, due_again_in=times.due_again_in)
    except SyncError as error:
        return fail(error.state, str(error), error=error)
    except DiskFull:
        return fail(SyncError.state, "The disk of the database is full. Nothing was changed; free some space there.")
    except db.EXPECTED as error:
        if conn.broken:
            raise  # the database cannot be reached, which is no error of this person
        return fail(SyncError.state, f"{db.explain(error)} Nothing was changed.")
    except Exception:
        level = logging.INFO if user.sync_state == SyncError.state else logging.ERROR
        logger.log(level, "sync of a user failed unexpectedly run=%s user=%s", run_id, user.id, exc_info=True)
        return fail(SyncError.state, "An unexpected error, see the log. Nothing was changed.")


def _log(user: SyncUser, result: UserResult, *, run_id: int) -> None:
    """Log the result: a warning if it is a trouble, and new."""
    if result.failed:
        logger.log(
            logging.INFO if result.outcome == user.sync_state else logging.WARNING,
            "user not synced run=%s user=%s name=%r state=%s detail=%r",
            run_id, user.id, user.name, result.outcome, result.detail,
        )  # fmt: skip
    else:
        logger.log(
            logging.WARNING if result.outcome == "held" != user.sync_state else logging.INFO,
            "user synced run=%s user=%s name=%r outcome=%s titles=%s added=%s removed=%s%s",
            run_id, user.id, user.name, result.outcome, result.titles, result.added, result.removed,
            f" detail={result.detail!r}" if result.detail else "",
        )  # fmt: skip


def _fail(
    conn: Connection,
    user: SyncUser,
    state: str,
    detail: str,
    *,
    run_id: int,
    times: Times,
    error: SyncError | None = None,
) -> UserResult:
    again_in = times.due_again_in
    if state in RETRIED:
        again_in = retry_in(user.failures + 1, jitter=times.retry_jitter, at_most=times.retry_at_most)
    told, asked = False, True
    if isinstance(error, RateLimited):
        told, asked = error.told, error.asked
        again_in = error.wait if told or not asked else max(again_in or error.wait, error.wait)
    result = UserResult(user_id=user.id, name=user.name, outcome=state, detail=detail)
    with conn.transaction():
        sync_users.record_failure(
            conn,
            user=user,
            result=result,
            miscount=error.memory if isinstance(error, Miscounted) else None,
            again_in=again_in,
            asked=asked,
            told_to_wait=told,
        )
        sync_runs.add_result(conn, run_id=run_id, result=result)
    return result


def _merge(conn: Connection, user: SyncUser, read: Read, *, run_id: int, due_again_in: timedelta | None) -> UserResult:
    """Store the read. due_again_in: None for a look."""
    with conn.transaction():
        if read.watchlist is not None:
            locks.lock_wishlist(conn)
        if not sync_users.lock_unchanged_user(conn, user=user):
            return UserResult(user_id=user.id, name=user.name, outcome="skipped")
        if read.account:
            refuse_other_account(conn, user, read.account)
            sync_users.record_account(conn, user_id=user.id, account=read.account)
        if read.watchlist is None:
            sync_users.record_not_modified(conn, user_id=user.id, due_again_in=due_again_in)
            result = UserResult(user_id=user.id, name=user.name, outcome="unchanged", titles=user.list_size)
        else:
            merging.name_run(conn, run_id=run_id)
            result = _merge_list(conn, user, read.watchlist, due_again_in=due_again_in)
        sync_runs.add_result(conn, run_id=run_id, result=result)
    return result


def refuse_other_account(conn: Connection, user: SyncUser, account: PlexAccount) -> None:
    """Raise OtherAccount if another person has this account, or if this person has another account."""
    owner = users.find_account_owner(conn, uuid=account.uuid)
    if owner and owner[0] != user.id:
        raise OtherAccount(
            f"This token is of the Plex account {account.username}, which already belongs to {owner[1]}. "
            "Nothing was changed; remove one of the two people, or save the right token."
        )
    if user.plex_uuid not in (None, account.uuid):
        raise OtherAccount(
            f"This token is of the Plex account {account.username}, but this person's watchlist is read from "
            f"{user.plex_username}. Nothing was changed; save a token of {user.plex_username}."
        )


def _merge_list(conn: Connection, user: SyncUser, read: Watchlist, *, due_again_in: timedelta | None) -> UserResult:
    shown, changed = titles.find_titles(conn, read.entries)
    unreadable = records.find_item_ids_by_key(conn, keys=read.unreadable_keys)
    wishes = merging.list_present_wishes(conn, user_id=user.id)
    kept = frozenset(item_id for item_id, is_kept in wishes if is_kept)
    odd_rows_since = user.odd_rows_since or datetime.now(UTC)
    missed_before = frozenset(records.find_item_ids(conn, uids=user.missed).values())
    look = due_again_in is None  # it confirms no removal
    change = decide(
        [item_id for item_id, _ in wishes],
        set(shown.values()),
        read,
        unreadable=set(unreadable.values()),
        kept=kept,
        held_removals=None if look else user.held_removals,
        missed_before=missed_before,
        odd_rows_block=look or datetime.now(UTC) - odd_rows_since < ODD_ROWS_BLOCK_FOR,
    )
    if look:
        change = replace(change, missed=missed_before)
    note = describe(read)

    still_listed = None if change.held or read.miscount else {*shown, *unreadable}
    changed |= titles.store_rows(
        conn, user.id, read.entries, still_listed=still_listed, with_facts=user.source != "friend"
    )
    added = sorted(
        (entry for entry in read.entries if shown[entry.uid] in change.add), key=lambda entry: -entry.position
    )
    positions = {shown[entry.uid]: entry.position for entry in added}  # of several records, the one added last
    joined = merging.add_wishes(conn, user_id=user.id, positions=positions) if positions else 0
    listed_again = kept & set(shown.values())
    if listed_again:
        merging.end_keeping(conn, user_id=user.id, item_ids=listed_again)
    left = merging.remove_wishes(conn, user_id=user.id, item_ids=change.remove) if change.remove else 0
    etag = None if change.held or listed_again else read.etag
    sync_users.record_read(
        conn,
        user_id=user.id,
        list_etag=etag,
        list_size=read.size,
        list_note=note,
        odd_rows_since=odd_rows_since if read.unidentified else None,
        miscount=read.miscount.gap if read.miscount else None,
        change=change,
        due_again_in=due_again_in,
    )
    return UserResult(
        user_id=user.id,
        name=user.name,
        outcome="held" if change.held else "changed" if change.add or change.remove or changed else "unchanged",
        detail=change.held or note,
        titles=read.size,
        added=len(change.add),
        removed=len(change.remove),
        new_items=joined,
        updated_items=len(changed),
        removed_items=left,
    )
