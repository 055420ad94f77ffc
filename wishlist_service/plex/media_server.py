"""The Plex media server: what its libraries have, and our collection there.

Every call returns a complete answer or raises a MediaServerError, whose sentence says how to fix it.
"""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from wishlist_service.config import Config
from wishlist_service.errors import MediaServerError, PlexChanged, RateLimited, Unreachable
from wishlist_service.plex.bodies import TooLarge
from wishlist_service.plex.http import TRIES, PlexHttp, Reply
from wishlist_service.plex.watchlist_pages import Page

logger = logging.getLogger(__name__)

PAGE_SIZE: Final = 100
_SMALLEST_PAGE: Final = 10
_TYPES: Final = {"movie": "1", "show": "2"}
# titles that were matched by agents that are older than Plex's guids, or that do not know them
_AGENT_GUID: Final = re.compile(
    r"com\.plexapp\.agents\.([a-z]+)://(?:(imdb|tmdb|tvdb)-)?(tt\d{1,12}|\d{1,10})(?:\?.*)?", re.ASCII
)
_AGENT_NUMBERS: Final = {
    "imdb": None,
    "themoviedb": "tmdb",
    "xbmcnfo": "tmdb",
    "thetvdb": "tvdb",
    "thetvdbdvdorder": "tvdb",
    "xbmcnfotv": "tvdb",
    "hama": None,
}
"""Whose numbers each agent's guids hold, if they do not say it themselves."""
_LARGEST_MISCOUNT: Final = 5


@dataclass(frozen=True)
class Section:
    """A library of movies or of shows.

    id: stays the same if the library is renamed; another library never gets it.
    content_changed_at: differs after each change of its titles; None if the server does not tell.
    """

    key: str
    media_type: str
    title: str
    id: str
    content_changed_at: int | None


class Title(NamedTuple):
    """A title of a library.

    ids: plex://movie/…, and imdb://…, tmdb://… and tvdb://…, which are unique only with the media type.
    seasons: of a show; None if the server does not tell. added_at: when it came there, in seconds since 1970.
    """

    key: str
    ids: set[str]
    seasons: int | None
    added_at: int | None


class _PageTooLarge(MediaServerError):
    """Fewer rows are to be asked for."""


class MediaServer:
    """The server that PLEX_SERVER_URL names."""

    def __init__(
        self, config: Config, *, client_identifier: str, stop: threading.Event, retry_seconds: float = 1
    ) -> None:
        self._url = config.plex_server_url
        self._headers = {"X-Plex-Token": config.plex_server_token}
        self._http = PlexHttp(config, client_identifier=client_identifier, stop=stop, retry_seconds=retry_seconds)

    def sections(self) -> list[Section]:
        """Return the libraries of movies and shows, at least one."""
        rows = self._container("/library/sections", {}).get("Directory") or []
        found = [
            Section(
                key=str(row.get("key")),
                media_type=row["type"],
                title=str(row.get("title")),
                id=str(row.get("uuid") or row.get("key")),
                content_changed_at=_number(row.get("contentChangedAt")),
            )
            for row in rows
            if isinstance(row, Mapping) and row.get("type") in _TYPES
        ]
        if not found or any(not _is_key(section.key) for section in found):
            raise MediaServerError(
                "The media server shows no library of movies or shows. Set PLEX_SERVER_TOKEN to the token of its owner."
            )
        return found

    def titles(self, section: Section) -> Iterator[Title]:
        """Yield each title of the library, page by page."""
        for row in self._rows(f"/library/sections/{section.key}/all", includeGuids="1"):
            guids = [row.get("guid"), *(guid.get("id") for guid in row.get("Guid") or [] if isinstance(guid, Mapping))]
            yield Title(
                key=_key(row),
                ids={_modern(guid) for guid in guids if isinstance(guid, str)},
                seasons=_number(row.get("childCount")) if section.media_type == "show" else None,
                added_at=_number(row.get("addedAt")),
            )

    def keep_collection(self, section: Section, name: str, keys: set[str]) -> tuple[int, int]:
        """Make the library's collection of this name hold exactly these titles; return how many were added and removed.

        The collection is made when it is first needed. Other collections do not change.
        """
        collection = self._find_collection(section, name)
        present = (
            {_key(row) for row in self._rows(f"/library/collections/{collection}/items")} if collection else set[str]()
        )
        came, went = sorted(keys - present, key=int), sorted(present - keys, key=int)
        uri = f"server://{self.machine_identifier()}/com.plexapp.plugins.library/library/metadata/" if came else ""
        for start in range(0, len(came), PAGE_SIZE):
            items = {"uri": uri + ",".join(came[start : start + PAGE_SIZE])}
            if collection is None:
                about = {"type": _TYPES[section.media_type], "title": name, "smart": "0", "sectionId": section.key}
                # one try: after a timeout, a second one might make a second collection
                self._ask("POST", "/library/collections", about | items, tries=1)
                collection = self._find_collection(section, name)
            else:
                self._ask("PUT", f"/library/collections/{collection}/items", items)
        for key in went:
            self._ask("DELETE", f"/library/collections/{collection}/items/{key}", {}, or_gone=True)
        return len(came), len(went)

    def _find_collection(self, section: Section, name: str) -> str | None:
        found = [row for row in self._rows(f"/library/sections/{section.key}/collections") if row.get("title") == name]
        if any(str(row.get("smart")) in ("1", "True") for row in found):
            raise MediaServerError(
                f"The library {section.title} has a smart collection named as PLEX_COLLECTION. It was not changed; "
                "rename one of the two."
            )
        return min((_key(row) for row in found), key=int, default=None)

    def machine_identifier(self) -> str:
        """Return what the server calls itself."""
        identifier = str(self._container("/identity", {}).get("machineIdentifier"))
        if not re.fullmatch(r"[0-9A-Za-z-]{8,100}", identifier):
            raise _not_understood("/identity")
        return identifier

    def _rows(self, path: str, **query: str) -> Iterator[Mapping[str, Any]]:
        """The rows of all pages. A total that is wrong by a few is no matter if the same rows come twice."""
        keys: list[str] = []
        total = 0
        for page in self._pages(path, query):
            total = page.total
            keys += (str(row.get("ratingKey")) for row in page.rows)
            yield from page.rows
        if len(keys) == total:
            return
        wrong = abs(total - len(keys)) > _LARGEST_MISCOUNT
        if wrong or keys != [str(row.get("ratingKey")) for page in self._pages(path, query) for row in page.rows]:
            raise MediaServerError(f"The media server sent only a part of {path}. It is tried again.")
        logger.info("media server miscounts path=%r total=%s rows=%s", path, total, len(keys))

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Page]:
        received, total, size, page_size = 0, None, PAGE_SIZE, PAGE_SIZE
        # a full page may hide one more row than the total says
        while total is None or (received < total and size) or size == page_size:
            bounds = {"X-Plex-Container-Start": str(received), "X-Plex-Container-Size": str(page_size)}
            try:
                container = self._container(path, {**query, **bounds})
            except _PageTooLarge:
                if page_size == _SMALLEST_PAGE:
                    raise
                size = page_size = max(page_size // 2, _SMALLEST_PAGE)
                continue
            if "totalSize" not in container and len(container.get("Metadata") or []) < page_size:
                container = {**container, "totalSize": received + len(container.get("Metadata") or [])}
            try:
                page = Page.from_reply({"MediaContainer": container})
            except PlexChanged as error:
                raise _not_understood(path) from error
            if page.size != len(page.rows) or page.offset not in (None, received):
                raise MediaServerError(f"The media server sent only a part of {path}. It is tried again.")
            if received + len(page.rows) > page.total + _LARGEST_MISCOUNT:
                raise MediaServerError(f"The media server sent more of {path} than it counts. It is tried again.")
            if total not in (None, page.total):
                raise MediaServerError(f"{path} changed while it was read. It is tried again.")
            if not all(isinstance(row, Mapping) for row in page.rows):
                raise _not_understood(path)
            yield page
            received, total, size = received + len(page.rows), page.total, len(page.rows)

    def _container(self, path: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        try:
            body = self._ask("GET", path, query).decoded()
        except PlexChanged as error:
            raise _not_understood(path) from error
        container = body.get("MediaContainer") if isinstance(body, Mapping) else None
        if not isinstance(container, Mapping):
            raise _not_understood(path)
        return container

    def _ask(
        self, method: str, path: str, query: Mapping[str, str], *, tries: int = TRIES, or_gone: bool = False
    ) -> Reply:
        try:
            reply = self._http.ask(method, f"{self._url}{path}", headers=self._headers, query=dict(query), tries=tries)
        except Unreachable as error:
            raise MediaServerError(
                "The media server does not answer, or answers with an error. "
                "Check that it runs, and that this machine reaches it at PLEX_SERVER_URL."
            ) from error
        except TooLarge as error:
            raise _PageTooLarge(f"The media server sent too much for {path}. It is tried again.") from error
        except RateLimited as error:
            raise MediaServerError("The media server asks to slow down.") from error
        if reply.status in (401, 403):
            raise MediaServerError(
                f"The media server refuses PLEX_SERVER_TOKEN (HTTP {reply.status}). Set the token of its owner."
            )
        if reply.status not in (200, 201, 204) and not (or_gone and reply.status == 404):
            raise MediaServerError(
                f"The media server answered HTTP {reply.status} to {method} {path}. "
                "Check that PLEX_SERVER_URL is the address of a Plex Media Server."
            )
        return reply


def play_url(machine: str, key: str) -> str:
    """Return the address at which Plex plays the title with this key of this server."""
    return f"https://app.plex.tv/desktop/#!/server/{machine}/details?key=%2Flibrary%2Fmetadata%2F{key}"


def _key(row: Mapping[str, Any]) -> str:
    key = str(row.get("ratingKey"))
    if not _is_key(key):
        raise MediaServerError("The media server described a title in a way that this version does not understand.")
    return key


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _number(value: object) -> int | None:
    """Return a whole number, which XML writes as a text; None for anything else."""
    text = str(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _modern(guid: str) -> str:
    """The guid of an agent as the id that it stands for; others as they are."""
    found = _AGENT_GUID.fullmatch(guid)
    if not found or found[1] not in _AGENT_NUMBERS or (found[2] and found[1] != "hama"):
        return guid
    if found[3].startswith("tt"):
        return f"imdb://{found[3]}"
    kind = found[2] if found[1] == "hama" else _AGENT_NUMBERS[found[1]]
    return f"{kind}://{int(found[3])}" if kind in ("tmdb", "tvdb") else guid


def _not_understood(path: str) -> MediaServerError:
    return MediaServerError(
        f"The reply for {path} at PLEX_SERVER_URL is not that of a Plex Media Server. "
        "Check the address, and that no login page is in between."
    )
