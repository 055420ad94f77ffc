"""Taking titles off people's watchlists at Plex, and adding one when its person asks for it.

Plex is asked first, outside any transaction, then the change is stored. A sync that read the watchlist before must
not store what it read: record_list_change() prevents that.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from wishlist_service.errors import PlexChanged, RateLimited, SyncError, TitleUnknown, Unreachable
from wishlist_service.models import Wisher
from wishlist_service.plex.client import PlexClient
from wishlist_service.process.retries import draw_jitter
from wishlist_service.queries import locks, merging, records, sync_users, wishes
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

_ONLY_THEY: Final = (
    "Only {name} can change this watchlist: it is read through somebody else. Send {name} a sign-in link."
)

Connect = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True)
class Outcome:
    """The result for one person's watchlist."""

    id: int
    name: str
    outcome: str
    """removed, would_be_removed, not_on_list or failed."""
    state: str | None = None
    """If it failed at Plex: the error as a sync_state."""
    detail: str | None = None


def take_off(
    connect: Connect, plex: PlexClient, cipher: TokenCipher, wishers: Sequence[Wisher], *, dry_run: bool = False
) -> list[Outcome]:
    """Take the title off each person's watchlist, and end each wish once Plex confirms it.

    Plex gets one request for each person and record of the title, and no more once it does not answer or asks to slow
    down.
    """
    outcomes: list[Outcome] = []
    away: SyncError | None = None
    for wisher in wishers:
        if wisher.wants and wisher.plex_token is None:
            outcomes.append(Outcome(wisher.id, wisher.name, "failed", detail=_ONLY_THEY.format(name=wisher.name)))
            continue
        if not wisher.wants or dry_run:
            outcomes.append(Outcome(wisher.id, wisher.name, "would_be_removed" if wisher.wants else "not_on_list"))
            continue
        try:
            if away:
                raise away
            _remove_records(plex, cipher, wisher)
        except SyncError as error:
            away = error if isinstance(error, RateLimited | Unreachable) else None
            outcomes.append(Outcome(wisher.id, wisher.name, "failed", error.state, str(error)))
            logger.warning(
                "title not taken off a watchlist user=%s uid=%s state=%s reason=%r",
                wisher.id, wisher.uid, error.state, str(error),
            )  # fmt: skip
            if len(wisher.uids) > 1:  # some may be off
                with connect() as conn:
                    sync_users.record_list_change(conn, user_id=wisher.id)
            continue
        _end_wish(connect, wisher)
        outcomes.append(Outcome(wisher.id, wisher.name, "removed"))
        logger.info("title taken off a watchlist user=%s uid=%s", wisher.id, wisher.uid)
    return outcomes


def add_own(connect: Connect, plex: PlexClient, cipher: TokenCipher, wisher: Wisher) -> None:
    """Put the title on the watchlist of the person who asks for it, and store the wish once the watchlist shows it.

    Raises a SyncError. Then nothing is stored here, and the next sync stores what Plex shows.
    """
    token = cipher.decrypt(wisher.plex_token or "", owner=wisher.id)
    plex.add_to_watchlist(token, wisher.uid)
    entry = plex.find_on_watchlist(token, [wisher.uid])
    if entry is None:
        raise PlexChanged("Plex confirmed the change, but does not show the title on the watchlist.")
    with connect() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        wanted = {item_id for item_id, _ in merging.list_present_wishes(conn, user_id=wisher.id)}
        # asked for now, because the title may have been joined with another one meanwhile
        item_ids = set(records.find_item_ids(conn, uids=[entry.uid]).values())
        merging.add_wishes(conn, user_id=wisher.id, positions=dict.fromkeys(item_ids - wanted, entry.position))
        records.show_newest(conn, item_ids=records.add_rows(conn, user_id=wisher.id, entries=[entry]))
        sync_users.record_list_change(conn, user_id=wisher.id)
    logger.info("title put on a watchlist user=%s uid=%s", wisher.id, entry.uid)


def take_off_own(connect: Connect, plex: PlexClient, cipher: TokenCipher, wisher: Wisher) -> None:
    """Take the title off the watchlist of the person who asks for it, and end the wish once the watchlist shows it.

    Raises a SyncError, as add_own().
    """
    _remove_records(plex, cipher, wisher)
    if plex.find_on_watchlist(cipher.decrypt(wisher.plex_token or "", owner=wisher.id), wisher.uids):
        raise PlexChanged("Plex confirmed the change, but still shows the title on the watchlist.")
    _end_wish(connect, wisher)
    logger.info("title taken off a watchlist user=%s uid=%s", wisher.id, wisher.uid)


def keep_one(conn: Connection, plex: PlexClient, cipher: TokenCipher, *, except_ids: set[int]) -> bool:
    """Take one title off its person's watchlist and keep the wish. Return False if none is left to take off.

    The wish is marked as kept before Plex is asked, so no sync takes its absence for a removal. It also stays due until
    Plex confirms that the title is off. Only after a 429 to the first try is the title certainly still there, so the
    mark is removed. People in `except_ids` are skipped; a person whose token fails is added to it.
    Raises RateLimited and Unreachable.
    """
    with conn.transaction():
        locks.lock_wishlist(conn)
        wisher = wishes.claim_to_keep(conn, except_ids=sorted(except_ids))
        if wisher is None:
            return False
        sync_users.record_list_change(conn, user_id=wisher.id)  # if killed from here on, the next read is a full one
    failed = None
    try:
        # one try: after a try without an answer, a 429 would not prove that the title is still there
        _remove_records(plex, cipher, wisher)
        records.forget_rows(conn, user_id=wisher.id, uids=wisher.uids)
        logger.info("wish kept and taken off its watchlist user=%s uid=%s", wisher.id, wisher.uid)
    except (RateLimited, Unreachable) as error:
        failed = error
        raise
    except SyncError as error:
        if not isinstance(error, TitleUnknown):
            failed = error
            except_ids.add(wisher.id)
        logger.warning(
            "wish kept but still on its watchlist user=%s uid=%s reason=%r", wisher.id, wisher.uid, str(error)
        )
        if error.state in ("token_rejected", "token_unreadable"):
            sync_users.make_due(conn, user_id=wisher.id)  # the sync shows the error to everyone
    finally:
        with conn.transaction():
            locks.lock_wishlist(conn)
            if failed is None:
                wishes.confirm_keeping(conn, user_id=wisher.id, uid=wisher.uid)
            else:
                wishes.put_off_keeping(conn, user_id=wisher.id, uid=wisher.uid, jitter=draw_jitter())
            if isinstance(failed, RateLimited):
                wishes.give_up_keeping(conn, user_id=wisher.id, uid=wisher.uid)
            # what a sync read of the watchlist meanwhile is out of date
            sync_users.record_list_change(conn, user_id=wisher.id)
    return True


def _end_wish(connect: Connect, wisher: Wisher) -> None:
    """Store that the title is off the watchlist."""
    with connect() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        # asked for now, because the title may have been joined with another one meanwhile
        item_ids = set(records.find_item_ids(conn, uids=wisher.uids).values())
        merging.remove_wishes(conn, user_id=wisher.id, item_ids=item_ids)
        records.forget_rows(conn, user_id=wisher.id, uids=wisher.uids)
        sync_users.record_list_change(conn, user_id=wisher.id)


def _remove_records(plex: PlexClient, cipher: TokenCipher, wisher: Wisher) -> None:
    """Take every record of the title that is there off the person's watchlist. Raises a SyncError.

    TitleUnknown is raised after the others were taken off.
    """
    token = cipher.decrypt(wisher.plex_token or "", owner=wisher.id)
    unknown: TitleUnknown | None = None
    for uid in wisher.uids:
        try:
            plex.remove_from_watchlist(token, uid, tries=1)
        except TitleUnknown as error:
            unknown = error
    if unknown:
        raise unknown
