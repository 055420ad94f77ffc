"""The sync: each person's list page by page, then each title on its own, one commit at the end."""

from typing import Any

import httpx
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bench.reference.tables import PlexUser, WishlistItem, WishlistItemSource, settings, utc_now

PAGE_SIZE = 100


def sync_everybody(session: Session) -> dict[str, Any]:
    """Sync every active person and return the numbers of the run."""
    fetched = added = updated = processed = 0
    errors: list[str] = []
    with httpx.Client(timeout=20) as plex:
        for user in session.scalars(select(PlexUser).where(PlexUser.active).order_by(PlexUser.id)).all():
            try:
                rows = read_watchlist(plex, user.plex_token)
            except (httpx.HTTPError, KeyError, ValueError) as error:
                errors.append(f"{user.name}: {error}")
                continue
            for row in rows:
                if store_row(session, user, row):
                    added += 1
                else:
                    updated += 1
            fetched += len(rows)
            processed += 1
    session.commit()
    return {
        "users_processed": processed,
        "items_fetched": fetched,
        "new_items": added,
        "updated_items": updated,
        "total_items": session.scalar(select(func.count()).select_from(WishlistItem)),
        "errors": errors,
    }


def read_watchlist(plex: httpx.Client, token: str) -> list[dict[str, Any]]:
    """All rows of a person's list."""
    rows: list[dict[str, Any]] = []
    while True:
        reply = plex.get(
            f"{settings.plex_discover_url}/library/sections/watchlist/all",
            params={"X-Plex-Container-Start": len(rows), "X-Plex-Container-Size": PAGE_SIZE},
            headers={"X-Plex-Token": token, "Accept": "application/json"},
        )
        reply.raise_for_status()
        container = reply.json()["MediaContainer"]
        page = container.get("Metadata", [])
        rows += page
        if not page or len(rows) >= container["totalSize"]:
            return rows


def store_row(session: Session, user: PlexUser, row: dict[str, Any]) -> bool:
    """Store one row of a person's list. Return True if the title is new."""
    now = utc_now()
    item = session.scalar(select(WishlistItem).where(WishlistItem.uid == row["guid"]))
    is_new = item is None
    if item is None:
        item = WishlistItem(uid=row["guid"], title=row["title"], year=row.get("year"), added_at=now, last_seen_at=now)
        session.add(item)
        session.flush()
    else:
        item.title = row["title"]
        item.year = row.get("year")
        item.last_seen_at = now

    source = session.scalar(
        select(WishlistItemSource).where(WishlistItemSource.item_id == item.id, WishlistItemSource.user_id == user.id)
    )
    if source is None:
        session.add(WishlistItemSource(item_id=item.id, user_id=user.id, first_added_at=now, last_seen_at=now))
    else:
        source.last_seen_at = now
    return is_new
