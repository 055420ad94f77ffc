"""Which wanted titles the media server has: read in bulk, only differences are stored."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Set
from typing import NamedTuple

from wishlist_service import db
from wishlist_service.errors import MediaServerError
from wishlist_service.plex.media_server import MediaServer, Section, play_url
from wishlist_service.queries import locks, media_server
from wishlist_service.queries.media_server import Wanted

logger = logging.getLogger(__name__)


class Found(NamedTuple):
    """What the media server has of the wanted titles."""

    keys: dict[int, str]
    """The key that each of them has there, by its id."""
    sure: set[int]
    """Those of which it is certain that they are the wanted titles."""
    shown: dict[Section, set[str]]
    """The keys of the titles in each library, without dismissed titles."""


def check(database_url: str, server: MediaServer) -> Found:
    """Find out which wanted titles the media server has, and store it. Store nothing if a library cannot be read.

    Raises MediaServerError.
    """
    wanted = db.ask(database_url, media_server.list_wanted)
    found = _find(server, wanted)
    item_ids = [item[0] for item in wanted]
    available = [item_id in found.keys for item_id in item_ids]
    sure = [item_id in found.sure for item_id in item_ids]
    machine = _name(server) if found.keys else ""
    play_urls = [
        play_url(machine, found.keys[item_id]) if machine and item_id in found.keys else None for item_id in item_ids
    ]
    with db.connect(database_url, role="library") as conn, conn.transaction():
        locks.lock_wishlist(conn)
        changed = media_server.store_available(
            conn, item_ids=item_ids, available=available, sure=sure, play_urls=play_urls
        )
    logger.info(
        "media server read libraries=%s wanted=%s available=%s changed=%s",
        len(found.shown), len(item_ids), len(found.keys), changed,
    )  # fmt: skip
    return found


def _name(server: MediaServer) -> str:
    """Return the identifier of the server; empty if it does not tell it now: only links to it need that."""
    try:
        return server.machine_identifier()
    except MediaServerError as error:
        logger.info("no links to the media server reason=%r", str(error))
        return ""


def _find(server: MediaServer, wanted: Iterable[Wanted]) -> Found:
    """Read all libraries. Memory grows with the wanted titles only. Raises MediaServerError."""
    known: dict[str, dict[str, list[tuple[int, frozenset[str], bool]]]] = {
        "movie": defaultdict(list),
        "show": defaultdict(list),
    }
    for item_id, media_type, names, dismissed in wanted:
        title = (item_id, frozenset(names), dismissed)
        for name in names:
            known[media_type][name].append(title)

    found = Found({}, set(), {})
    for section in server.sections():
        keys = found.shown[section] = set()
        of_this_type = known[section.media_type]
        for key, there in server.titles(section):
            for item_id, names, dismissed in {title for name in there for title in of_this_type.get(name, ())}:
                if _contradicts(names, there):
                    continue
                found.keys.setdefault(item_id, key)
                if _is_sure(names, there) and item_id not in found.sure:
                    found.sure.add(item_id)
                    found.keys[item_id] = key
                if not dismissed:
                    keys.add(key)
    return found


def _contradicts(names: Set[str], there: Set[str]) -> bool:
    """Return whether external ids of one kind differ: both sides have some and share none. plex:// outweighs that.

    names: of the wanted title. there: of a title in a library.
    """
    agreeing = _kinds(names & there)
    return "plex" not in agreeing and bool((_kinds(names) & _kinds(there)) - agreeing - {"plex"})


def _is_sure(names: Set[str], there: Set[str]) -> bool:
    """Return whether plex:// agrees, or two external ids, or the only one of the wanted title."""
    common = names & there
    external = [name for name in names if not name.startswith("plex://")]
    return "plex" in _kinds(common) or len(common) >= 2 or (len(common) == 1 and len(external) == 1)


def _kinds(names: Set[str]) -> set[str]:
    return {name.partition("://")[0] for name in names}
