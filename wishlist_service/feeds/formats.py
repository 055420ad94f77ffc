"""Titles, as GET /api/wishlist shows them, in the formats of programs that subscribe to lists. Pure functions.

The fields and spellings come from the source of each program. docs/architecture.md says why they are as they are.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from wishlist_service.models import Feed

Title = Mapping[str, Any]

_NAME: Final = "Household wishlist"
_DESCRIPTION: Final = "What the household wants, from everyone's Plex watchlist."
# Characters that XML 1.0 does not allow, not even escaped.
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_IMDB_ID: Final = re.compile(r"tt\d{7,8}", re.ASCII)


def plex_rss(titles: Iterable[Title], *, home: str, address: str) -> Feed:
    """Return all titles in the form of Plex's own RSS feed of a watchlist, for Radarr and Sonarr.

    They read only the first `guid` and the first `category` of an item, so each item has one. Titles without an id
    that they know are left out. home, address: those of the service and of the feed.
    """
    items = [
        _rss_item(title, name=title["title"], guid=guid) if (guid := _external_guid(title)) else "" for title in titles
    ]
    return Feed(_rss(items, home=home, address=address), skipped=items.count(""))


def news_rss(titles: Iterable[Title], *, home: str, address: str) -> str:
    """Return additions as RSS for feed readers. The guid of an item is the uid that it had first."""
    items = [_rss_item(title, name=_with_year(title), guid=title["first_uid"]) for title in titles]
    return _rss(items, home=home, address=address)


def news_json(titles: Iterable[Title], *, home: str, address: str) -> str:
    """Return additions as JSON Feed 1.1."""
    items: list[dict[str, Any]] = []
    for title in titles:
        item = {
            "id": title["first_uid"],
            "url": title["plex_url"],
            "title": _with_year(title),
            "content_text": wanted_by(title),
            "image": title["poster_url"],
            "date_published": title["added_at"],
            "tags": [title["media_type"], *title["genres"]],
        }
        items.append({name: value for name, value in item.items() if value is not None})
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _NAME,
        "description": _DESCRIPTION,
        "home_page_url": home,
        "feed_url": address,
        "items": items,
    }
    return json.dumps(feed, ensure_ascii=False)


def kometa(titles: Iterable[Title]) -> Feed:
    """Return a collection file for Kometa: one collection of the movies, one of the shows.

    Kometa takes a builder without ids for an error, so there is none. A file without collections is an error, too,
    and leaves the collections of the library as they are.
    """
    ids: dict[str, dict[str, list[str]]] = {
        "movie": {"tmdb_movie": [], "imdb_id": []},
        "show": {"tvdb_show": [], "tmdb_show": [], "imdb_id": []},
    }
    skipped = 0
    for title in titles:
        builders, show = ids[title["media_type"]], title["media_type"] == "show"
        if show and title["tvdb_id"]:
            builders["tvdb_show"].append(str(title["tvdb_id"]))
        elif title["tmdb_id"]:
            builders["tmdb_show" if show else "tmdb_movie"].append(str(title["tmdb_id"]))
        elif title["imdb_id"]:
            builders["imdb_id"].append(f'"{title["imdb_id"]}"')
        else:
            skipped += 1
    lines = ["collections:"]
    for media_type, builders in ids.items():
        if any(builders.values()):
            lines.append(f"  Wanted {media_type}s:")
            lines += [f"    {builder}: [{', '.join(found)}]" for builder, found in builders.items() if found]
            lines.append("    sync_mode: sync")
    if len(lines) == 1:
        lines = ["collections: {}"]
    return Feed("\n".join(lines) + "\n", skipped)


def tag_labels(people: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    """Return a tag for each person. Radarr and Sonarr allow a to z, 0 to 9 and the hyphen in a label."""
    labels: dict[str, int] = {}
    for user_id, name in people:
        plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
        label = re.sub("[^a-z0-9]+", "-", plain).strip("-") or f"person-{user_id}"
        while label in labels:
            label += f"-{user_id}"
        labels[label] = user_id
    return [{"id": user_id, "label": label} for label, user_id in labels.items()]


def wanted_by(title: Title) -> str:
    """Return a sentence that names who wants the title."""
    return f"Wanted by {', '.join(person['name'] for person in title['wanted_by'])}"


def _external_guid(title: Title) -> str | None:
    """Return the id that both programs read; None if there is none."""
    if title["media_type"] == "movie":
        best = title["tmdb_id"] and f"tmdb://{title['tmdb_id']}"
    else:
        best = title["tvdb_id"] and f"tvdb://{title['tvdb_id']}"
    if not best and title["imdb_id"] and _IMDB_ID.fullmatch(title["imdb_id"]):
        best = f"imdb://{title['imdb_id']}"
    return best or (title["tmdb_id"] and f"tmdb://{title['tmdb_id']}")


def _with_year(title: Title) -> str:
    return f"{title['title']} ({title['year']})" if title["year"] else title["title"]


def _rss(items: list[str], *, home: str, address: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">\n'
        "<channel>\n"
        f"<title>{_NAME}</title>\n"
        f"<link>{_text(home)}</link>\n"
        f"<description>{_DESCRIPTION}</description>\n"
        f'<atom:link rel="self" type="application/rss+xml" href={quoteattr(_NO_XML.sub("", address))}/>\n'
        f"{''.join(items)}"
        "</channel>\n"
        "</rss>\n"
    )


def _rss_item(title: Title, *, name: str, guid: str) -> str:
    added_at = format_datetime(datetime.fromisoformat(title["added_at"]), usegmt=True)
    link = f"<link>{_text(title['plex_url'])}</link>" if title["plex_url"] else ""
    return (
        f"<item><title>{_text(name)}</title>{link}"
        f'<guid isPermaLink="false">{_text(guid)}</guid>'
        f"<category>{title['media_type']}</category>"
        f"<pubDate>{added_at}</pubDate>"
        f"<description>{_text(wanted_by(title))}</description></item>\n"
    )


def _text(value: str) -> str:
    return escape(_NO_XML.sub("", value))
