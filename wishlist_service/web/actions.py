"""What both the API and the pages do for people: decide about titles, begin a sync."""

import logging
import threading

from psycopg import OperationalError

from wishlist_service.errors import Conflict, NotFound
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import locks, merging, wishes
from wishlist_service.sync import claims
from wishlist_service.sync.run import run_sync
from wishlist_service.web.context import Context, context, read
from wishlist_service.write_back import watchlists
from wishlist_service.write_back.watchlists import Outcome

logger = logging.getLogger(__name__)


def set_dismissed(uids: list[str], *, dismissed: bool) -> None:
    """Dismiss the title, or undo it."""
    with context().pool.connection() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        wishes.set_dismissed(conn, uids=uids, dismissed=dismissed)


def take_off(uids: list[str], user_ids: list[int] | None, *, dry_run: bool) -> list[Outcome]:
    """What becomes of taking the title off the watchlists of these people; None: of all who want it."""
    shared = context()
    wishers = read(wishes.list_wishers, uids=uids, user_ids=user_ids)
    return watchlists.take_off(shared.pool.connection, shared.plex, shared.cipher, wishers, dry_run=dry_run)


def all_failed(outcomes: list[Outcome]) -> bool:
    """Whether there was something to do, and none of it was done."""
    return bool(outcomes) and all(outcome.outcome == "failed" for outcome in outcomes)


def end_kept_wish(uids: list[str], user_id: int) -> None:
    """End a wish that is kept. Raises NotFound, and Conflict for one that is on the watchlist."""
    with context().pool.connection() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        wish = wishes.find_wish(conn, uids=uids, user_id=user_id)
        if wish is None:
            raise NotFound(f"User {user_id} does not want {' or '.join(uids)}.")
        uid, kept, name = wish
        if not kept:
            raise Conflict(
                f"The title is on the watchlist of {name}, so the next sync would bring the wish back. Take it off "
                f"there, or have it taken off: DELETE /api/wishlist/{uid}/watchlists?user={user_id}"
            )
        merging.remove_wishes(conn, user_id=user_id, uids=[uid])


def begin_sync(*, user_id: int | None = None) -> tuple[int, threading.Thread]:
    """Begin a sync of everybody or one person: the run's id, and the thread that does it. Raises what claim() does."""
    shared = context()
    plex = shared.plex  # before anybody is claimed: the first time it asks the database
    claimed = claims.claim(shared.config, trigger="manual", user_id=user_id)
    # no daemon: a worker that is told to end waits for the person being synced
    thread = threading.Thread(target=_run, args=(claimed, plex, shared), name=f"sync-run-{claimed.run_id}")
    thread.start()
    return claimed.run_id, thread


def _run(claimed: claims.Claim, plex: PlexClient, shared: Context) -> None:
    try:
        run_sync(claimed, plex, shared.cipher, stop=shared.stop)
    except OperationalError as error:
        logger.error("sync run broke off, the database is away run=%s reason=%r", claimed.run_id, str(error).strip())
    except Exception:
        logger.exception("sync run broke off run=%s", claimed.run_id)
