"""Which wanted titles are in the household's libraries: found out in bulk, stored as what differs."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Set
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
    sure: set[int] = field(default_factory=set[int])
    """Those that a watchlist can do without."""
    shown: dict[Section, set[str]] = field(default_factory=dict[Section, set[str]])
    """By library the keys, there, of those that are not dismissed."""


def find(server: MediaServer, wanted: Iterable[Wanted]) -> Found:
    """Read all libraries, keeping of them only the keys of what is wanted. Raises MediaServerError."""
    known_by: dict[str, dict[str, list[tuple[int, frozenset[str], bool]]]] = {
        "movie": defaultdict(list),
        "show": defaultdict(list),
    }
    for item_id, media_type, names, dismissed in wanted:
        title = (item_id, frozenset(names), dismissed)
        for name in names:
            known_by[media_type][name].append(title)

    found = Found()
    for section in server.sections():
        keys = found.shown[section] = set()
        of_this_type = known_by[section.media_type]
        for key, there in server.titles(section):
            for item_id, names, dismissed in {title for name in there for title in of_this_type.get(name, ())}:
                if contradicts(names, there):
                    continue
                found.item_ids.add(item_id)
                if is_sure(names, there):
                    found.sure.add(item_id)
                if not dismissed:
                    keys.add(key)
    return found


def contradicts(names: Set[str], there: Set[str]) -> bool:
    """Whether an external id differs: of one kind, two sets that share none. The same plex:// outweighs that.

    `names` are those of the wanted title, `there` those of one in a library.
    """
    common = names & there
    agreeing = _kinds(common)
    return "plex" not in agreeing and bool((_kinds(names) & _kinds(there)) - agreeing - {"plex"})


def is_sure(names: Set[str], there: Set[str]) -> bool:
    """Whether what does not contradict is surely the same: by plex://, by two ids, or by the only id of the title."""
    common = names & there
    external = [name for name in names if not name.startswith("plex://")]
    return "plex" in _kinds(common) or len(common) >= 2 or (len(common) == 1 and len(external) == 1)


def _kinds(names: Set[str]) -> set[str]:
    return {name.partition("://")[0] for name in names}


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
            conn,
            item_ids=item_ids,
            available=[item_id in found.item_ids for item_id in item_ids],
            surely=[item_id in found.sure for item_id in item_ids],
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
