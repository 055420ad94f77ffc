"""One person's part of a sync: reads from Plex, then stores in one short transaction."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from psycopg import Connection
from psycopg.errors import DiskFull

from wishlist_service import db
from wishlist_service.errors import Miscounted, OtherAccount, PlexError, SyncError
from wishlist_service.models import PlexAccount, SyncUser, UserResult, Watchlist
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import locks, merging, records, sync_runs, sync_users, users
from wishlist_service.sync import titles
from wishlist_service.sync.decide import decide, describe
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

FULL_READ_EVERY: Final = timedelta(days=1)
ODD_ROWS_BLOCK_FOR: Final = timedelta(days=1)
ACCOUNT_READ_EVERY: Final = timedelta(days=1)

OnPage = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Read:
    """What was read for one person. `watchlist` None means not modified."""

    watchlist: Watchlist | None
    account: PlexAccount | None


def read_user(user: SyncUser, plex: PlexClient, cipher: TokenCipher, *, on_page: OnPage) -> Read:
    """Read one person's watchlist from Plex, without the database. Raises a SyncError."""
    token = cipher.decrypt(user.plex_token, owner=user.id)
    now = datetime.now(UTC)
    full_read_due = user.list_read_at is None or now - user.list_read_at >= FULL_READ_EVERY
    watchlist_read = plex.watchlist(
        token,
        etag=None if full_read_due else user.list_etag,
        miscount=user.miscount,
        progress=lambda rows, total: on_page(user.name, rows, total),
    )
    account_due = not user.account_checked or now - user.account_read_at >= ACCOUNT_READ_EVERY
    return Read(watchlist_read, _ask_account(user, plex, token) if account_due else None)


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
    conn: Connection, user: SyncUser, outcome: Callable[[], Read], *, run_id: int, due_again_in: timedelta
) -> UserResult:
    """Store one person's read, which `outcome` returns or raises, and when the next one is due."""
    fail = partial(_fail, conn, user, run_id=run_id, due_again_in=due_again_in)
    try:
        result = _merge(conn, user, outcome(), run_id=run_id, due_again_in=due_again_in)
    except Miscounted as error:
        result = fail(error.state, str(error), miscount=error.memory)
    except SyncError as error:
        result = fail(error.state, str(error))
    except DiskFull:
        result = fail(SyncError.state, "The disk of the database is full. Nothing was changed; free some space there.")
    except db.EXPECTED as error:
        if conn.broken:
            raise  # the database cannot be reached, which is no error of this person
        result = fail(SyncError.state, f"{db.explain(error)} Nothing was changed.")
    except Exception:
        logger.exception("sync of a user failed unexpectedly run=%s user=%s", run_id, user.id)
        result = fail(SyncError.state, "An unexpected error, see the log. Nothing was changed.")
    if result.failed:
        logger.warning(
            "user not synced run=%s user=%s name=%r state=%s detail=%r",
            run_id, user.id, user.name, result.outcome, result.detail,
        )  # fmt: skip
    else:
        logger.log(
            logging.WARNING if result.outcome == "held" else logging.INFO,
            "user synced run=%s user=%s name=%r outcome=%s titles=%s added=%s removed=%s%s",
            run_id, user.id, user.name, result.outcome, result.titles, result.added, result.removed,
            f" detail={result.detail!r}" if result.detail else "",
        )  # fmt: skip
    return result


def _fail(
    conn: Connection,
    user: SyncUser,
    state: str,
    detail: str,
    *,
    run_id: int,
    due_again_in: timedelta,
    miscount: str | None = None,
) -> UserResult:
    result = UserResult(user_id=user.id, name=user.name, outcome=state, detail=detail)
    with conn.transaction():
        sync_users.record_failure(conn, user=user, result=result, miscount=miscount, due_again_in=due_again_in)
        sync_runs.add_result(conn, run_id=run_id, result=result)
    return result


def _merge(conn: Connection, user: SyncUser, read: Read, *, run_id: int, due_again_in: timedelta) -> UserResult:
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


def _merge_list(conn: Connection, user: SyncUser, read: Watchlist, *, due_again_in: timedelta) -> UserResult:
    shown, changed = titles.find_titles(conn, read.entries)
    unreadable = records.find_item_ids_by_key(conn, keys=read.unreadable_keys)
    wishes = merging.list_present_wishes(conn, user_id=user.id)
    kept = frozenset(item_id for item_id, is_kept in wishes if is_kept)
    odd_rows_since = user.odd_rows_since or datetime.now(UTC)
    change = decide(
        [item_id for item_id, _ in wishes],
        set(shown.values()),
        read,
        unreadable=set(unreadable.values()),
        kept=kept,
        held_removals=user.held_removals,
        missed_before=set(records.find_item_ids(conn, uids=user.missed).values()),
        odd_rows_block=datetime.now(UTC) - odd_rows_since < ODD_ROWS_BLOCK_FOR,
    )
    note = describe(read)

    still_listed = None if change.held or read.miscount else {*shown, *unreadable}
    changed |= titles.store_rows(conn, user.id, read.entries, still_listed=still_listed)
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
