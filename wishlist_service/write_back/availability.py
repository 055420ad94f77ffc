"""Which wanted titles are in the household's libraries: found out in bulk, stored as what differs."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from wishlist_service import db
from wishlist_service.plex.media_server import MediaServer, Section
from wishlist_service.queries import locks, media_server
from wishlist_service.queries.media_server import Wanted

logger = logging.getLogger(__name__)


@dataclass
class Found:
    """What is there of the wanted titles."""

    item_ids: set[int] = field(default_factory=set[int])
    shown: dict[Section, set[str]] = field(default_factory=dict[Section, set[str]])
    """By library the keys, there, of those that are not dismissed."""


def find(server: MediaServer, wanted: Iterable[Wanted]) -> Found:
    """Read all libraries, keeping of them only the keys of what is wanted. Raises MediaServerError."""
    known_by: dict[str, dict[str, list[tuple[int, bool]]]] = {"movie": defaultdict(list), "show": defaultdict(list)}
    for item_id, uid, media_type, imdb_id, tmdb_id, tvdb_id, dismissed in wanted:
        external = (("imdb", imdb_id), ("tmdb", tmdb_id), ("tvdb", tvdb_id))
        for name in (uid, *(f"{kind}://{number}" for kind, number in external if number)):
            known_by[media_type][name].append((item_id, dismissed))

    found = Found()
    for section in server.sections():
        keys = found.shown[section] = set()
        of_this_type = known_by[section.media_type]
        for key, names in server.titles(section):
            for item_id, dismissed in (item for name in names for item in of_this_type.get(name, ())):
                found.item_ids.add(item_id)
                if not dismissed:
                    keys.add(key)
    return found


def check(database_url: str, server: MediaServer) -> Found:
    """Look which wanted titles are there, and store it: all or, if anything cannot be read, nothing.

    Raises MediaServerError.
    """
    wanted = db.ask(database_url, media_server.list_wanted)
    found = find(server, wanted)
    item_ids = [item[0] for item in wanted]
    with db.connect(database_url, role="library") as conn, conn.transaction():
        locks.lock_wishlist(conn)
        changed = media_server.store_available(
            conn, item_ids=item_ids, available=[item_id in found.item_ids for item_id in item_ids]
        )
    logger.info(
        "media server looked through libraries=%s wanted=%s available=%s changed=%s",
        len(found.shown), len(item_ids), len(found.item_ids), changed,
    )  # fmt: skip
    return found


def show_in_collections(server: MediaServer, name: str, found: Found) -> None:
    """Have a collection of this name in each library hold what is wanted there. Raises MediaServerError."""
    for section, keys in found.shown.items():
        came, went = server.keep_collection(section, name, keys)
        if came or went:
            logger.info("collection changed library=%r added=%s removed=%s", section.title, came, went)
