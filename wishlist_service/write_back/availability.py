"""Which wanted titles the media server has: read in bulk, only differences are stored."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from wishlist_service import db
from wishlist_service.plex.media_server import MediaServer, Section
from wishlist_service.queries import locks, media_server
from wishlist_service.queries.media_server import Wanted

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """What the media server has of the wanted titles."""

    item_ids: set[int]
    shown: dict[Section, set[str]]
    """The keys of the titles in each library, without dismissed titles."""


def check(database_url: str, server: MediaServer) -> Found:
    """Find out which wanted titles the media server has, and store it. Store nothing if a library cannot be read.

    Raises MediaServerError.
    """
    wanted = db.ask(database_url, media_server.list_wanted)
    found = _find(server, wanted)
    item_ids = [item[0] for item in wanted]
    available = [item_id in found.item_ids for item_id in item_ids]
    with db.connect(database_url, role="library") as conn, conn.transaction():
        locks.lock_wishlist(conn)
        changed = media_server.store_available(conn, item_ids=item_ids, available=available)
    logger.info(
        "media server read libraries=%s wanted=%s available=%s changed=%s",
        len(found.shown), len(item_ids), len(found.item_ids), changed,
    )  # fmt: skip
    return found


def _find(server: MediaServer, wanted: Iterable[Wanted]) -> Found:
    """Read all libraries. Memory grows with the wanted titles only. Raises MediaServerError."""
    known: dict[str, dict[str, list[tuple[int, bool]]]] = {"movie": defaultdict(list), "show": defaultdict(list)}
    for item_id, uid, media_type, imdb_id, tmdb_id, tvdb_id, dismissed in wanted:
        external = (("imdb", imdb_id), ("tmdb", tmdb_id), ("tvdb", tvdb_id))
        for name in (uid, *(f"{kind}://{number}" for kind, number in external if number)):
            known[media_type][name].append((item_id, dismissed))

    found = Found(set(), {})
    for section in server.sections():
        keys = found.shown[section] = set()
        of_this_type = known[section.media_type]
        for key, names in server.titles(section):
            for item_id, dismissed in (item for name in names for item in of_this_type.get(name, ())):
                found.item_ids.add(item_id)
                if not dismissed:
                    keys.add(key)
    return found
