"""What this service changes on people's watchlists at Plex: it takes titles off them, and never adds any.

Plex is asked first, outside any transaction, and what it did is stored then. A sync that read the list before
must not store what it read: record_list_change() sees to that.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from psycopg import Connection

from wishlist_service.errors import RateLimited, SyncFailure, TitleUnknown, Unreachable
from wishlist_service.models import Wisher
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import locks, merging, sync_users, wishes
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

Connect = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of taking a title off one person's watchlist."""

    id: int
    name: str
    outcome: str
    """removed, would_be_removed, not_on_list or failed."""
    state: str | None = None
    """Of a failure: the word that sync_state has for it."""
    detail: str | None = None


def take_off(
    connect: Connect, plex: PlexClient, cipher: TokenCipher, wishers: Sequence[Wisher], *, dry_run: bool = False
) -> list[Outcome]:
    """Take the title off these people's watchlists, and have them no longer want it: those of whom Plex says so.

    Plex is asked once for each; when it is away nobody else is asked for.
    """
    outcomes: list[Outcome] = []
    away: SyncFailure | None = None
    for wisher in wishers:
        became = partial(Outcome, id=wisher.id, name=wisher.name)
        if not wisher.wants or dry_run:
            outcomes.append(became(outcome="would_be_removed" if wisher.wants else "not_on_list"))
            continue
        try:
            if away:
                raise away
            plex.remove_from_watchlist(cipher.decrypt(wisher.plex_token, owner=wisher.id), wisher.uid, tries=1)
        except SyncFailure as failure:
            away = failure if isinstance(failure, RateLimited | Unreachable) else None
            outcomes.append(became(outcome="failed", state=failure.state, detail=str(failure)))
            logger.warning(
                'title not taken off a watchlist user=%s uid=%s state=%s reason="%s"',
                wisher.id, wisher.uid, failure.state, failure,
            )  # fmt: skip
            continue
        with connect() as conn, conn.transaction():
            locks.lock_wishlist(conn)
            merging.remove_wishes(conn, user_id=wisher.id, uids=[wisher.uid])
            sync_users.record_list_change(conn, user_id=wisher.id)
        outcomes.append(became(outcome="removed"))
        logger.info("title taken off a watchlist user=%s uid=%s", wisher.id, wisher.uid)
    return outcomes


def keep_one(conn: Connection, plex: PlexClient, cipher: TokenCipher, *, except_ids: set[int]) -> bool:
    """Take one title off its person's list and keep the wish; False if there is none, of nobody in `except_ids`.

    The wish counts as kept before Plex is asked: whatever happens then, no sync takes its absence for a removal.
    If it stays on the list after all, a later read finds it there and it is tried again. Only if Plex asks to slow
    down it is certain to be there still, and kept no longer.
    Somebody whose token fails joins `except_ids`. Raises RateLimited and Unreachable.
    """
    with conn.transaction():
        locks.lock_wishlist(conn)
        wisher = wishes.claim_to_keep(conn, except_ids=sorted(except_ids))
        if wisher is None:
            return False
        sync_users.record_list_change(conn, user_id=wisher.id)  # killed from here on, the next read is a full one
    try:
        # once: after a try without an answer, a 429 to the next one would not tell that the title is on the list
        plex.remove_from_watchlist(cipher.decrypt(wisher.plex_token, owner=wisher.id), wisher.uid, tries=1)
        logger.info("wish kept and taken off its watchlist user=%s uid=%s", wisher.id, wisher.uid)
    except RateLimited:
        with conn.transaction():
            locks.lock_wishlist(conn)
            wishes.give_up_keeping(conn, user_id=wisher.id, uid=wisher.uid)
        raise
    except Unreachable:
        raise
    except SyncFailure as failure:
        if not isinstance(failure, TitleUnknown):
            except_ids.add(wisher.id)
        logger.warning(
            'wish kept but still on its watchlist user=%s uid=%s reason="%s"', wisher.id, wisher.uid, failure
        )
        if failure.state in ("token_rejected", "token_unreadable"):
            sync_users.make_due(conn, user_id=wisher.id)  # which will say so to everybody
    finally:  # and what was read of the list meanwhile is out of date
        sync_users.record_list_change(conn, user_id=wisher.id)
    return True
