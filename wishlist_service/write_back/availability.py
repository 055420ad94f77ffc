"""Which wanted titles the media server has, and what came there: read in bulk, only differences are stored."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from wishlist_service.errors import MediaServerError
from wishlist_service.plex.media_server import MediaServer, Section, Title, play_url
from wishlist_service.queries import locks, media_server
from wishlist_service.queries.media_server import KnownSection, Wanted

logger = logging.getLogger(__name__)

_TYPES: Final = {"movie", "show"}


@dataclass
class Copy:
    """What the libraries have of one wanted title.

    key: on the server. sure: whether it is certain that this is the wanted title. seasons: the maximum of all copies.
    known: whether a library has it that was read before; only of such libraries: known_seasons, the maximum there,
    followed_seasons, the maximum of the copies that the names of the last look find, added_at, the first time, and
    read_at, when the one was read that was read first. new: whether it has come since the last look to all libraries
    that have it.
    """

    key: str
    sure: bool = False
    seasons: int | None = None
    known: bool = False
    known_seasons: int | None = None
    followed_seasons: int | None = None
    added_at: int | None = None
    read_at: datetime | None = None
    new: bool = True


@dataclass(frozen=True)
class Found:
    """What the media server has of the wanted titles.

    copies: by the id of the title. shown: the keys of the titles in each library that was read, without dismissed
    titles. largest_keys: the largest key of any title in each of these libraries.
    """

    copies: dict[int, Copy] = field(default_factory=dict[int, Copy])
    shown: dict[Section, set[str]] = field(default_factory=dict[Section, set[str]])
    largest_keys: dict[Section, int] = field(default_factory=dict[Section, int])


def look(
    conn: Connection,
    server: MediaServer,
    *,
    now: datetime,
    looked_at: datetime | None,
    whole: bool,
    collection: bool,
    interval: timedelta,
) -> Found | None:
    """Read the libraries if they or the wanted titles have changed, and store what differs.

    Stores nothing if a library cannot be read. Returns None, after one request and no write, if nothing has changed.

    now: by the clock of the database. looked_at: when the last look began, as far as the caller knows it.
    whole: read everything anyway. collection: a change of what is dismissed or no longer wanted counts, too.
    interval: until the next look. Raises MediaServerError.
    """
    sections = server.sections()
    known = {section.id: section for section in media_server.list_sections(conn)}
    media_types = (
        _TYPES
        if whole
        else _changed(sections, known) | {*media_server.list_types_to_compare(conn, collection=collection)}
    )
    if not media_types:
        return None
    wanted = media_server.list_wanted(conn, media_types=sorted(media_types))
    found = _find(server, [section for section in sections if section.media_type in media_types], known, wanted)
    machine = _name(server) if found.copies else ""
    titles = [_as_stored(title, found.copies.get(title.id), machine) for title in wanted]
    arrivals = [news for title in wanted if (news := _find_news(title, found.copies.get(title.id)))]
    with conn.transaction():
        locks.lock_wishlist(conn)
        changed = media_server.store_available(conn, titles=titles)
        media_server.store_compared(conn, titles=titles)
        media_server.forget_unwanted(conn, media_types=sorted(media_types))
        if arrivals:
            media_server.add_arrivals(conn, arrivals=arrivals, looked_at=looked_at)
        media_server.store_sections(
            conn,
            sections=[
                {
                    "id": section.id,
                    "content_changed_at": section.content_changed_at,
                    "largest_key": found.largest_keys.get(section),
                }
                for section in sections
            ],
            read_at=now,
        )
        media_server.plan_look(conn, whole=whole, interval=interval)
    logger.info(
        "media server read libraries=%s wanted=%s available=%s changed=%s",
        len(found.shown), len(wanted), len(found.copies), changed,
    )  # fmt: skip
    return found


def _changed(sections: Iterable[Section], known: Mapping[str, KnownSection]) -> set[str]:
    """Return the types of the libraries that have changed since they were read. One that is gone may be of any."""
    if known.keys() - {section.id for section in sections}:
        return _TYPES
    return {
        section.media_type
        for section in sections
        if section.id not in known
        or section.content_changed_at is None
        or section.content_changed_at != known[section.id].content_changed_at
    }


def _name(server: MediaServer) -> str:
    """Return the identifier of the server; empty if it does not tell it now: only links to it need that."""
    try:
        return server.machine_identifier()
    except MediaServerError as error:
        logger.info("no links to the media server reason=%r", str(error))
        return ""


def _as_stored(title: Wanted, there: Copy | None, machine: str) -> dict[str, Any]:
    return {
        "id": title.id,
        "available": there is not None,
        "sure": there is not None and there.sure,
        "play_url": play_url(machine, there.key) if machine and there else None,
        "names": title.names,
        "dismissed": title.dismissed,
        "seasons": there.seasons if there else None,
        "left": _was_there(title) and there is None,
        "came": there is not None and not _was_there(title) and not title.left_lately,
    }


def _was_there(title: Wanted) -> bool:
    """Return whether the last look found the title. Of one that nobody wanted then, it is not known."""
    return bool(title.available and title.compared)


def _find_news(title: Wanted, there: Copy | None) -> dict[str, Any] | None:
    """Return what came of the title since the last look, for queries.media_server.add_arrivals(); None if nothing.

    A title whose names were not compared before may have been there for long, so it only counts if its key is new.
    """
    if there is None or not there.known:
        return None
    new_seasons = 0
    if title.available or title.left_lately:
        if not (title.seasons and there.followed_seasons and there.followed_seasons > title.seasons):
            return None
        new_seasons = there.followed_seasons - title.seasons
    elif not (title.compared == title.names or there.new):
        return None
    return {
        "id": title.id,
        "seasons": there.known_seasons,
        "new_seasons": new_seasons,
        "added_at": None if new_seasons else there.added_at,
        "read_at": there.read_at and there.read_at.isoformat(),
    }


def _find(
    server: MediaServer, sections: Iterable[Section], known: Mapping[str, KnownSection], wanted: Sequence[Wanted]
) -> Found:
    """Read these libraries. Memory grows with the wanted titles only. Raises MediaServerError."""
    by_name: dict[str, dict[str, list[tuple[Wanted, frozenset[str]]]]] = {
        "movie": defaultdict(list),
        "show": defaultdict(list),
    }
    for title in wanted:
        names = frozenset(title.names)
        for name in names:
            by_name[title.media_type][name].append((title, names))

    found = Found()
    for section in sections:
        keys = found.shown[section] = set()
        found.largest_keys[section] = 0
        of_this_type, before = by_name[section.media_type], known.get(section.id)
        for there in server.titles(section):
            found.largest_keys[section] = max(found.largest_keys[section], int(there.key))
            matching = {pair[0].id: pair for name in there.ids for pair in of_this_type.get(name, ())}
            for title, names in matching.values():
                if _contradicts(names, there.ids):
                    continue
                followed = not there.ids.isdisjoint(title.compared)
                _count(found.copies.setdefault(title.id, Copy(there.key)), there, before, followed=followed)
                if not found.copies[title.id].sure and _is_sure(names, there.ids):
                    found.copies[title.id].sure = True
                    found.copies[title.id].key = there.key
                if not title.dismissed:
                    keys.add(there.key)
    return found


def _count(copy: Copy, there: Title, before: KnownSection | None, *, followed: bool) -> None:
    """Add a title of a library to what is there.

    before: what is known of the library, None if it was never read. followed: whether the last look would have found
    the title by the same names.
    """
    copy.seasons = max(copy.seasons or 0, there.seasons or 0) or None
    copy.new &= before is not None and int(there.key) > before.largest_key
    if before:
        copy.known = True
        copy.known_seasons = max(copy.known_seasons or 0, there.seasons or 0) or None
        if followed:
            copy.followed_seasons = max(copy.followed_seasons or 0, there.seasons or 0) or None
        copy.added_at = min(filter(None, (copy.added_at, there.added_at)), default=None)
        copy.read_at = min(copy.read_at or before.read_at, before.read_at)


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
