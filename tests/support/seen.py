"""A page of the service as a browser takes it apart."""

from html.parser import HTMLParser
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Element:
    """An element: its name, its attributes, and all the text inside."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]


class Seen(HTMLParser):
    """The elements of a page in their order."""

    def __init__(self, reply: TestResponse) -> None:
        super().__init__()
        assert reply.mimetype == "text/html", reply.text
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(reply.text)
        self.close()
        assert self._open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().name == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, name: str, /, **attributes: str) -> list[Element]:
        """The elements of this name that have these attributes; class_ stands for class."""
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.name == name and all(element.attributes.get(key) == value for key, value in wanted.items())
        ]

    def one(self, name: str, /, **attributes: str) -> Element:
        """The only such element."""
        [element] = self.all(name, **attributes)
        return element

    @property
    def titles(self) -> list[str]:
        """The titles on the wall."""
        return [element.text for element in self.all("span", class_="name")]

    def fields(self, *names: str) -> dict[str, list[Any]]:
        """What a form of these fields would send, by name; only what is filled."""
        chosen = [
            (element["name"], element.attributes.get("value", ""))
            for element in self.all("input")
            if "checked" in element.attributes or element["type"] not in ("checkbox", "radio")
        ]
        return {name: [value for key, value in chosen if key == name and value] for name in names}


def browse(client: FlaskClient, path: str = "/") -> Seen:
    """The page at a path."""
    reply = client.get(path, follow_redirects=True)
    assert reply.status_code == 200, reply.text
    return Seen(reply)


def follow(client: FlaskClient, reply: TestResponse) -> Seen:
    """The page that a form has led to."""
    assert reply.status_code == 303, reply.text
    return browse(client, reply.location)
