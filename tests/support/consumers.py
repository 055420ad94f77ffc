"""How the programs that subscribe to our lists read them: their rules, as strict as theirs, and what they do with it.

Modelled on the parsers of Radarr, Sonarr and Kometa: what they refuse raises Refused, what they skip is left out.
"""

import json
import re
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from ruamel.yaml import YAML
from werkzeug.test import TestResponse


class Refused(Exception):
    """The program takes nothing of this list, and keeps what it has."""


def radarr_custom_list(reply: TestResponse) -> list[int]:
    """The TMDb ids that "Custom Lists" imports."""
    if reply.mimetype == "text/html":
        raise Refused("a web page")
    body = json.loads(reply.text or "null")
    if isinstance(body, dict) and "errors" in body:
        error = body["errors"][0]
        assert isinstance(error["status"], int)
        raise Refused(f"{error['title']}: {error['detail']}")
    if reply.status_code != 200:
        raise Refused(f"status {reply.status_code}")
    ids: list[int] = []
    for item in _list(body):
        number(item, "id")
        for name in ("popularity", "vote_average", "vote_count"):
            number(item, name)
        for name in ("adult", "video"):
            if not isinstance(item.get(name, False), bool):
                raise Refused(f"{name} is no bool")
        if item.get("id", 0) > 0 and item["id"] not in ids:
            ids.append(item["id"])
    return ids


def sonarr_custom_list(reply: TestResponse) -> list[tuple[str, int]]:
    """Title and TVDB id of what "Custom List" imports."""
    if reply.status_code != 200:
        raise Refused(f"status {reply.status_code}")
    shows = [(item.get("title"), number(item, "tvdbId")) for item in _list(json.loads(reply.text))]
    for item in json.loads(reply.text):
        number(item, "tmdbId")
    return [(title, tvdb_id) for title, tvdb_id in shows if tvdb_id]


def plex_rss(reply: TestResponse, *, category: str) -> list[tuple[str, str]]:
    """Title and guid of what "Plex Watchlist RSS" imports: category movie for Radarr, show for Sonarr."""
    if reply.status_code != 200 or reply.mimetype == "text/html":
        raise Refused(f"status {reply.status_code}")
    known = {
        "movie": r"(?:imdb://tt\d{7,8}|tmdb://\d+|\d+)",
        "show": r"(?:tvdb://\d+|imdb://tt\d{7,8}|tmdb://\d+|\d+)",
    }
    found: list[tuple[str, str]] = []
    for item in ElementTree.fromstring(reply.data).findall("./channel/item"):
        if item.findtext("category") == category and re.fullmatch(known[category], item.findtext("guid") or ""):
            found.append((item.findtext("title") or "", item.findtext("guid") or ""))
    return found


def another_radarr(reply: TestResponse, *, tags: set[int] = frozenset(), root: str = "") -> list[int]:  # pyright: ignore
    """The TMDb ids that the list type "Radarr" imports, if it is to take only some tags or a root folder."""
    items = _program(reply)
    for item in items:
        for name in ("tmdbId", "year", "qualityProfileId"):
            number(item, name)
        if tags and not isinstance(item.get("tags"), list):
            raise Refused("a film without tags")
    return [
        item["tmdbId"]
        for item in items
        if (not tags or tags & set(item["tags"])) and item["path"].lower().startswith(root.lower())
    ]


def another_sonarr(reply: TestResponse, *, tags: set[int] = frozenset()) -> list[int]:  # pyright: ignore
    """The TVDB ids that the list type "Sonarr" imports."""
    items = _program(reply)
    for item in items:
        for name in ("tvdbId", "year", "qualityProfileId", "languageProfileId"):
            number(item, name)
        assert [season["seasonNumber"] for season in item["seasons"]] == []
    return [item["tvdbId"] for item in items if not tags or tags & set(item["tags"])]


def options_of_dialog(reply: TestResponse, name: str) -> list[tuple[int, str]]:
    """What a dialog of either program lets one choose from."""
    return sorted((number(item, "id"), item[name]) for item in _program(reply))


def kometa_address(url: str) -> str:
    """The address that Kometa really asks for a collection file of this URL."""
    return url if url.endswith((".yml", ".yaml")) else f"{url}.yml"


def kometa_collections(reply: TestResponse, *, library: str) -> dict[str, dict[str, list[Any]]]:
    """Builders and ids of the collections that Kometa can make in a movie or a show library."""
    if reply.status_code >= 400:
        raise Refused(f"status {reply.status_code}")
    document = YAML(typ="safe").load(reply.text)
    if not document or not document.get("collections"):
        raise Refused("no collections")
    fit = {"movie": {"tmdb_movie", "imdb_id"}, "show": {"tvdb_show", "tmdb_show", "imdb_id"}}[library]
    found: dict[str, dict[str, list[Any]]] = {}
    for name, collection in document["collections"].items():
        builders = {key: ids for key, ids in collection.items() if key != "sync_mode"}
        assert all(builders.values()), "a builder without ids is an error"
        assert collection["sync_mode"] == "sync"
        if builders.keys() <= fit:
            found[name] = builders
    return found


def number(item: dict[str, Any], name: str) -> Any:
    """A number that must not be null; 0 if it is not there, as those programs have it."""
    value = item.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"{name} is {value!r}")
    return value


def path_of(url: str) -> str:
    """What is asked of the server for this URL; credentials in it are refused by their parser."""
    parts = urlsplit(url)
    assert parts.scheme.startswith("http")
    assert "@" not in parts.netloc
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _program(reply: TestResponse) -> list[dict[str, Any]]:
    if reply.status_code >= 300:
        raise Refused("API Key is invalid" if reply.status_code == 401 else f"status {reply.status_code}")
    return _list(json.loads(reply.text))


def _list(body: Any) -> list[dict[str, Any]]:
    if body is None:
        return []
    if not isinstance(body, list):
        raise Refused("no list")
    return body
