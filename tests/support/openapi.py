"""The OpenAPI document, its operations as tests ask for them, and a household in which each of them has an answer."""

import json
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from tests.support.fake_actions import Actions
from tests.support.fake_friends import Friends
from tests.support.fake_home import Home, Member
from tests.support.fake_pins import Pins
from tests.support.fake_plex import FakePlex, row
from tests.support.household import API_KEY, Household, token_of
from tests.support.processes import free_port
from tests.support.sign_ins import add_pending_and_failed
from wishlist_service.api.docs import read_document
from wishlist_service.notify.addresses import prepare
from wishlist_service.people.invitations import make
from wishlist_service.queries.addresses import replace_addresses
from wishlist_service.queries.sessions import add_session
from wishlist_service.tokens import hash_of
from wishlist_service.web.sessions import COOKIE

OPENAPI = read_document()
FORMATS = Draft202012Validator.FORMAT_CHECKER
SESSION = "s" * 43
LANTERN = row("5d7768a1c4d3b2001f0a11e1", "The Lantern Keeper", year=2024)
HARBOUR = row("4a2b", "Harbour Lights", media_type="show", year=None, Guid=[])
ORCHARD = row("0c4d", "An Orchard in Winter", year=1999)


def deref(node: dict[str, Any]) -> dict[str, Any]:
    """The node itself, or the component it refers to."""
    *_, kind, name = node.get("$ref", "//").split("/")
    return OPENAPI["components"][kind][name] if name else node


def check_schema(value: Any, schema: dict[str, Any]) -> None:
    """Assert that a value is what a schema of the document says, formats included."""
    Draft202012Validator(schema | {"components": OPENAPI["components"]}, format_checker=FORMATS).validate(value)


@dataclass(frozen=True)
class Operation:
    """One operation of the document: asks for what its examples say, and checks what comes back."""

    path: str
    method: str

    def __str__(self) -> str:
        return self.spec["operationId"]

    @property
    def spec(self) -> dict[str, Any]:
        return OPENAPI["paths"][self.path][self.method]

    @property
    def is_for_people(self) -> bool:
        """Whether it takes no key, only the session of a person."""
        return self.spec.get("security") == [{"Session": []}]

    @property
    def bodies(self) -> dict[str, Any]:
        content = self.spec.get("requestBody", {"content": {}})["content"]
        return {name: example["value"] for media in content.values() for name, example in media["examples"].items()}

    def parameters(self, place: str) -> dict[str, Any]:
        """The first example of each parameter by name, as a query string spells it."""
        here = [parameter for parameter in map(deref, self.spec.get("parameters", [])) if parameter["in"] == place]
        values = {parameter["name"]: parameter["schema"]["examples"][0] for parameter in here}
        return {name: json.dumps(value) if isinstance(value, bool) else value for name, value in values.items()}

    def ask(self, client: FlaskClient, *, expect: int | None, path: Any = None, **changes: Any) -> Any:
        """The reply to the example request, changed as told; checked unless `expect` (the status) is None."""
        headers = {"X-API-Key": API_KEY} if {"ApiKey": []} in self.spec.get("security", []) else {}
        if self.is_for_people:
            client.set_cookie(COOKIE, SESSION)
            headers["Sec-Fetch-Site"] = "same-origin"
        request: dict[str, Any] = {"query_string": self.parameters("query"), "headers": headers}
        if self.bodies and "data" not in changes:
            request["json"] = next(iter(self.bodies.values()))
        if "multipart/form-data" in self.spec.get("requestBody", {"content": {}})["content"] and "data" not in changes:
            changes["data"] = changes.pop("json", request.pop("json"))
        url = self.path.format_map(self.parameters("path") | (path or {}))
        reply = client.open(url, method=self.method.upper(), **request | changes)
        client.delete_cookie(COOKIE)
        if expect:
            self._check_promise(reply, expect)
        return reply

    def _check_promise(self, reply: TestResponse, status: int) -> None:
        assert reply.status_code == status, reply.text
        promised = deref(self.spec["responses"][str(status)])
        assert promised.get("headers", {}).keys() <= dict(reply.headers).keys()
        if "content" not in promised:
            assert reply.data == b""
            return
        [(content_type, media)] = promised["content"].items()
        assert reply.mimetype == content_type
        check_schema(reply.json if reply.is_json else reply.text, media["schema"])
        assert content_type != "application/problem+json" or reply.json["status"] == status


def live_in(household: Household) -> None:
    """Ann, Ben and the paused Cleo; a shared, a removed and another item; a run that failed for Cleo, and one more.

    Ann is signed in with Plex, and has an address for messages. An invitation waits. Ann was read as Ben's friend
    before she had a token.
    """
    ann = household.add("Ann", [LANTERN, HARBOUR])
    household.add("Ben", [LANTERN, ORCHARD])
    household.add("Cleo", [])
    household.plex.people.pop("token-of-cleo-0123456789")
    household.sync()
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")
    household.conn.execute("UPDATE wishlist_items SET genres = '{Drama}', available = false")
    ann.rows.remove(HARBOUR)
    household.sync()
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now() WHERE user_id = 1 AND removed_at IS NULL")
    add_pending_and_failed(household)
    add_session(household.conn, id_hash=hash_of(SESSION), role="member", user_id=1, key_mac=None)
    make(household.conn, name="Fay")
    address = prepare(
        household.cipher, [f"json://127.0.0.1:{free_port()}/x"], name="", user_id=1, known=[], anywhere=True
    )
    replace_addresses(household.conn, user_id=1, addresses=address)
    household.conn.execute("UPDATE plex_users SET via_id = 2, via_source = 'friend' WHERE name = 'Ann'")


def know_those_who_live_in(plex: FakePlex) -> None:
    """What Plex knows of them after that, and of those whom the examples of the document name."""
    ann = plex.add(token_of("Ann"), username="ann", rows=[LANTERN])
    ben = plex.add(token_of("Ben"), username="ben", rows=[LANTERN, ORCHARD])
    plex.add(Operation("/api/users", "post").bodies["person"]["token"])
    plex.people[Operation("/api/users/{id}", "patch").bodies["new_token"]["token"]] = ann
    kim = plex.add("own-token-of-kim", username="kim")
    kim.uuid = Operation("/api/users", "post").bodies["member"]["plex_uuid"]
    Home(plex, ann).members[kim.uuid] = Member(kim, pin="1234", managed=True)
    Friends(plex).befriend(ann, ben)
    Actions(plex)
    Pins(plex)
