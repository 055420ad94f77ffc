"""Decodes what Plex sends, limited in depth and number of values: a small body can become large in memory."""

import json
import re
from collections.abc import Callable
from typing import Any, Final
from xml.parsers import expat

from wishlist_service.errors import PlexChanged

MOST_BYTES: Final = 2_000_000  # of a body, unpacked
_MOST_VALUES: Final = 100_000
_DEEPEST: Final = 50
_JSON_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*\\?"?', re.DOTALL)  # or what there is of it
# expat's codes for: no element found, unclosed token, partial character, unclosed CDATA section
_XML_ENDED_EARLY: Final = (3, 5, 6, 20)


class TooLarge(PlexChanged):
    """The body is larger than MOST_BYTES."""

    def __init__(self) -> None:
        super().__init__(
            f"Plex sent a reply of more than {MOST_BYTES // 1_000_000} MB. Nothing was changed. "
            "Look for a newer version of this service."
        )


def decode(body: bytes, content_type: str) -> Any:
    """Return the body from JSON, or from XML in the same shape. Raises PlexChanged if it is neither or has too much."""
    try:
        if "html" in content_type:
            raise ValueError("an HTML page")
        if "xml" in content_type:
            return _from_xml(body)
        _refuse_too_much(body)
        return json.loads(body)
    except (ValueError, RecursionError, expat.ExpatError) as error:
        what = ascii(content_type)[:60] if content_type else "no content type"
        raise PlexChanged(
            f"Plex sent a reply that is not JSON ({what}, {len(body)} bytes). Nothing was changed. "
            "Look for a login page of this network, or for a newer version of this service."
        ) from error


def ends_early(body: bytes, content_type: str, decoded: Callable[[], Any]) -> bool:
    """Return whether the body is only the beginning of JSON or XML."""
    if "html" in content_type:
        return False
    try:
        decoded()
    except PlexChanged as error:
        if isinstance(error.__cause__, expat.ExpatError):
            return error.__cause__.code in _XML_ENDED_EARLY
        text = _JSON_STRING.sub(b"", body.strip())
        unclosed = text.count(b"{") + text.count(b"[") - text.count(b"}") - text.count(b"]")
        return not text or (text[:1] in b"{[" and unclosed > 0)
    return False


def _refuse_too_much(body: bytes) -> None:
    # roughly first, because to cut out the texts takes memory for each of them
    if body.count(b"[") + body.count(b"{") > _MOST_VALUES or body.count(b'"') > 4 * _MOST_VALUES:
        raise _too_much()
    text = _JSON_STRING.sub(b"", body)
    if text.count(b",") + text.count(b"[") + text.count(b"{") > _MOST_VALUES:
        raise _too_much()
    depth = 0
    for bracket in re.findall(rb"[][{}]", text):
        depth += 1 if bracket in b"[{" else -1
        if depth > _DEEPEST:
            raise _too_much()


def _from_xml(body: bytes) -> dict[str, Any]:
    root: dict[str, Any] = {}
    elements = [root]
    values = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal values
        values += 1 + len(attributes)
        if values > _MOST_VALUES or len(elements) > _DEEPEST:
            raise _too_much()
        # as in JSON, which has movies and shows in one list
        name = "Metadata" if tag in ("Video", "Directory") else tag
        parent, element = elements[-1], dict[str, Any](attributes)
        if parent is root:
            root[tag] = element
        elif isinstance(parent.get(name), list):
            parent[name].append(element)
        else:
            parent[name] = [element]
        elements.append(element)

    def refuse(*_: object) -> None:
        raise ValueError("a document type is not allowed")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: elements.pop()
    parser.StartDoctypeDeclHandler = refuse  # the parser finds it in every encoding
    parser.Parse(body, True)
    return root


def _too_much() -> PlexChanged:
    return PlexChanged(
        "Plex sent a reply with more values, or more deeply nested ones, than a watchlist has. Nothing was changed. "
        "Look for a newer version of this service."
    )
