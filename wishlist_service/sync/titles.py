"""Finds the titles that Plex's records are of, and joins titles that turn out to be one. Needs lock_wishlist()."""

import logging
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import Final

from psycopg import Connection

from wishlist_service.models import WatchlistEntry
from wishlist_service.queries import records
from wishlist_service.queries.records import Record
from wishlist_service.sync import identity
from wishlist_service.sync.identity import Known

logger = logging.getLogger(__name__)

ROWS_AT_A_TIME: Final = 500  # in one statement, since several copies of its text are in memory

Ids = frozenset[str]


def find_titles(conn: Connection, entries: Sequence[WatchlistEntry]) -> tuple[dict[str, int], set[int]]:
    """Return the id of the title of each entry by its uid, and which known titles changed. Adds unknown titles.

    New titles count as wanted by one person, so add_wishes() must follow in the same transaction.
    """
    changed: set[int] = set()
    for some in _portions(entries):
        told = records.list_new_or_changed(conn, entries=some)
        if not told:
            continue
        new_titles, of_these = store_records(
            conn, {entry.uid: entry.external_ids for entry in some if entry.uid in told}
        )
        changed |= of_these
        if new_titles:
            # the newest record of each title, which is the one with the largest uid, gives the facts
            newest = {uid: max(uids) for uids in new_titles for uid in uids}
            records.add_titles(conn, entries=[entry for entry in some if entry.uid in newest], titles=newest)
    return records.find_item_ids(conn, uids=[entry.uid for entry in entries]), changed


def store_rows(
    conn: Connection,
    user_id: int,
    entries: Sequence[WatchlistEntry],
    *,
    still_listed: Collection[str] | None,
    with_facts: bool,
) -> set[int]:
    """Store what the watchlist of the person shows, and its facts; return the ids of titles that changed.

    still_listed: the uids of all its rows; None while it is not certain that the others are gone.
    with_facts: False for a friend's list. It tells little, so it changes nothing of a title that is known.
    """
    changed: set[int] = set()
    affected: set[int] = set()
    if still_listed is not None:
        affected.update(records.remove_rows(conn, user_id=user_id, except_uids=still_listed))
    for some in _portions(entries):
        affected.update(records.add_rows(conn, user_id=user_id, entries=some))
    if affected:
        changed |= records.show_newest(conn, item_ids=affected)
    for some in _portions(entries) if with_facts else ():
        changed |= records.update_facts(conn, user_id=user_id, entries=some)
        records.update_rows(conn, user_id=user_id, entries=some)
    return changed


def store_records(
    conn: Connection, told: Mapping[str, Ids], *, renewed: Mapping[str, str] | None = None
) -> tuple[list[list[str]], set[int]]:
    """Store the external ids told of these records, and join what they show to be one title.

    renewed: by a uid that was asked for, the uid that Plex answered with. They are one title, unless an id differs.
    Returns the records of unknown titles, title by title, and the ids of known titles that changed.
    """
    known = _list_related(conn, told)
    of_title: dict[int, list[Record]] = {}
    for record in known.values():
        of_title.setdefault(record.item_id, []).append(record)
    ids = {uid: frozenset(record.external_ids) for uid, record in known.items()}
    ids |= {uid: told_ids for uid, told_ids in told.items() if told_ids or uid not in known}

    item_ids: list[int | None] = [*sorted(of_title)]  # the older title first
    titles = [_known([record.uid for record in of_title[item_id]], ids) for item_id in sorted(of_title)]
    unknown = sorted(told.keys() - known.keys())
    titles += [_known([uid], ids) for uid in unknown]
    item_ids += [None] * len(unknown)

    new_titles: list[list[str]] = []
    to_store: list[Record] = []
    affected: set[int] = set()
    for places in identity.group(titles, renewed=renewed):
        uids = [uid for place in places for uid in titles[place].uids]
        if told.keys().isdisjoint(uids):
            continue
        item_id, *others = [item_id for place in places if (item_id := item_ids[place]) is not None] or [None]
        if item_id is None:
            new_titles.append(uids)
            continue
        for other in others:
            if other is not None:
                records.join_items(conn, older=item_id, younger=other)
                logger.info("two titles are one item=%s joined=%s", item_id, other)
        affected.add(item_id)
        to_store += [
            Record(uid=uid, item_id=item_id, external_ids=sorted(ids[uid]))
            for uid in uids
            if uid in told and (uid not in known or ids[uid] != frozenset(known[uid].external_ids))
        ]
        _log_contradictions(item_id, uids, ids, told)
    if not affected:
        return new_titles, set()
    records.store_records(conn, records=to_store)
    return new_titles, records.show_newest(conn, item_ids=affected)


def _list_related(conn: Connection, told: Mapping[str, Ids]) -> dict[str, Record]:
    """Return the known ones of these records by uid, and all records of titles that share an id with them."""
    known: dict[str, Record] = {}
    asked: set[str] = set()
    uids: Collection[str] = told.keys()
    ids = {one for told_ids in told.values() for one in told_ids}
    while uids or ids:
        found = records.list_related(conn, uids=uids, ids=ids)
        known |= {record.uid: record for record in found}
        asked |= ids
        uids, ids = (), {one for record in found for one in record.external_ids} - asked
    return known


def _known(uids: Sequence[str], ids: Mapping[str, Ids]) -> Known:
    return Known(tuple(uids), frozenset[str]().union(*(ids[uid] for uid in uids)))


def _log_contradictions(item_id: int, uids: Sequence[str], ids: Mapping[str, Ids], told: Mapping[str, Ids]) -> None:
    for one, other in combinations(uids, 2):
        if (one in told or other in told) and identity.differ(ids[one], ids[other]):
            logger.warning(
                "two records of one title have different ids, they stay together item=%s uid=%s ids=%s other=%s ids=%s",
                item_id, one, ",".join(sorted(ids[one])), other, ",".join(sorted(ids[other])),
            )  # fmt: skip


def _portions(entries: Sequence[WatchlistEntry]) -> list[Sequence[WatchlistEntry]]:
    return [entries[start : start + ROWS_AT_A_TIME] for start in range(0, len(entries), ROWS_AT_A_TIME)]
