"""The OpenAPI document tells the truth: every request and reply in it is tried on the real service."""

import json
import re
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from psycopg import Connection
from werkzeug.test import TestResponse

from tests.support.fake_plex import FakePlex, row
from tests.support.household import API_KEY, Household, make_config
from tests.support.sign_ins import add_pending_and_failed
from wishlist_service.api.docs import read_document
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.web.listing import make_cursor

OPENAPI = read_document()
FORMATS = Draft202012Validator.FORMAT_CHECKER
LANTERN = row("5d7768a1c4d3b2001f0a11e1", "The Lantern Keeper", year=2024)
HARBOUR = row("4a2b", "Harbour Lights", media_type="show", year=None, Guid=[])
MEANT_WRONG: dict[int, dict[str, Any]] = {
    400: {"data": "{", "content_type": "application/json"},
    401: {"headers": {}},
    410: {"query_string": {"after": make_cursor("events", "asc", ["2026-01-01T00:00:00+00:00", 9000])}},
    413: {"data": " " * 70_000, "content_type": "application/json"},
    415: {"data": "{}"},
    422: {"query_string": {"nonsense": "1"}, "json": {"nonsense": 1}},
}


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
        headers = {"X-API-Key": API_KEY} if "security" in self.spec else {}
        request: dict[str, Any] = {"query_string": self.parameters("query"), "headers": headers}
        if self.bodies and "data" not in changes:
            request["json"] = next(iter(self.bodies.values()))
        url = self.path.format_map(self.parameters("path") | (path or {}))
        reply = client.open(url, method=self.method.upper(), **request | changes)
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


OPERATIONS = [Operation(path, method) for path, methods in OPENAPI["paths"].items() for method in methods]
SUCCESSES = [(op, name) for op in OPERATIONS for name in op.bodies or [None]]
ERRORS = [(op, int(status)) for op in OPERATIONS for status in op.spec["responses"] if status[0] == "4"]


@pytest.fixture
def lived_in(household: Household, plex: FakePlex) -> Household:
    """Ann, Ben and the paused Cleo; a shared, a removed and another item; a run that failed for Cleo, and one more."""
    ann = household.add("Ann", [LANTERN, HARBOUR])
    household.add("Ben", [LANTERN, row("0c4d", "An Orchard in Winter", year=1999)])
    household.add("Cleo", [])
    plex.people.pop("token-of-cleo-0123456789")
    household.sync()
    household.conn.execute("UPDATE plex_users SET active = false WHERE name = 'Cleo'")
    household.conn.execute("UPDATE wishlist_items SET genres = '{Drama}', available = false")
    ann.rows.remove(HARBOUR)
    household.sync()
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now() WHERE user_id = 1 AND removed_at IS NULL")
    add_pending_and_failed(household)
    plex.add(Operation("/api/users", "post").bodies["person"]["token"])
    plex.people[Operation("/api/users/{id}", "patch").bodies["new_token"]["token"]] = ann
    return household


def test_the_document_is_valid_and_describes_exactly_the_routes_there_are(client: FlaskClient) -> None:
    routes = {
        (re.sub("<.+?>", "{}", rule.rule), method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith(("pages.", "docs.page", "docs.asset"))
    }

    OpenAPIV31SpecValidator(client.get("/openapi.json").json).validate()
    described = {(re.sub("{.+?}", "{}", op.path), op.method) for op in OPERATIONS}

    assert described == routes


@pytest.mark.parametrize(("op", "body"), SUCCESSES, ids=str)
def test_each_example_request_gets_the_promised_reply(
    lived_in: Household, client: FlaskClient, op: Operation, body: str | None
) -> None:
    reply = op.ask(client, expect=int(min(op.spec["responses"])), **{"json": op.bodies[body]} if body else {})

    assert not isinstance(reply.json, dict) or reply.json.get("items") != []
    if "Location" in reply.headers:
        assert client.get(reply.headers["Location"], headers={"X-API-Key": API_KEY}).json == reply.json
    if "304" in op.spec["responses"]:
        op.ask(client, expect=304, headers={"If-None-Match": reply.headers["ETag"]})


def test_failures_and_removed_items_are_shown_as_promised(lived_in: Household, client: FlaskClient) -> None:
    removed = Operation("/api/wishlist", "get").ask(client, expect=200, query_string={"status": "removed"})
    detail = Operation("/api/wishlist/{uid}", "get").ask(client, expect=200, path={"uid": HARBOUR["guid"]})
    paused = Operation("/api/users", "get").ask(client, expect=200, query_string={"active": "false"})
    partial = Operation("/api/sync/runs", "get").ask(client, expect=200, query_string={"offset": 1})

    assert removed.json["items"][0]["removed_at"] == detail.json["sources"][0]["removed_at"]
    assert paused.json["items"][0]["sync_state"] == partial.json["items"][0]["errors"][0]["state"] == "token_rejected"


def test_replies_while_a_sync_runs_are_as_promised(lived_in: Household, client: FlaskClient, plex: FakePlex) -> None:
    start, status = Operation("/api/sync", "post"), Operation("/api/sync/status", "get")
    go_on = threading.Event()
    plex.people["token-of-ann-0123456789"].before_page = lambda _start: go_on.wait(30)

    try:
        first = start.ask(client, expect=202, query_string={"wait": "0"})
        second = start.ask(client, expect=409)
        now = status.ask(client, expect=200)
    finally:
        go_on.set()

    assert first.headers["Location"] == f"/api/sync/runs/{first.json['id']}"
    assert second.json["run_id"] == now.json["current_run"]["id"] == first.json["id"]


@pytest.mark.parametrize(("op", "status"), ERRORS, ids=str)
def test_each_error_in_the_document_happens_as_described(
    lived_in: Household, client: FlaskClient, op: Operation, status: int
) -> None:
    missing = {"path": {"id": 999, "uid": "0" * 24}} if "{" in op.path else {"query_string": {"user_id": 999}}
    cleo, second = lived_in.user("Cleo")["id"], {"path": {"id": 2}}
    paused = {"path": {"id": cleo}, "query_string": {}}
    others = {"query_string": {"user_id": cleo}} if "{" not in op.path else second
    in_the_way = paused if op.path == "/api/users/{id}/wishlist" else others
    taken = {"json": next(iter(op.bodies.values()), {}) | {"name": "BEN"}}
    wrong = MEANT_WRONG | {404: missing, 409: taken if op.bodies else in_the_way}

    op.ask(client, expect=status, **wrong[status])


@pytest.mark.parametrize("op", OPERATIONS, ids=str)
def test_without_a_database_each_operation_answers_as_described(op: Operation) -> None:
    app = create_app(make_config(database_url="postgresql://127.0.0.1:1/none"))
    open_app(app)
    close_app(app)

    op.ask(app.test_client(), expect=int(max(op.spec["responses"])))


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/api/users/x", 404), ("/api/wishlist", 405)])
def test_errors_outside_the_document_are_problems_too(client: FlaskClient, path: str, status: int) -> None:
    reply = client.put(path)

    assert (reply.status_code, reply.mimetype) == (status, "application/problem+json")
    check_schema(reply.json, {"$ref": "#/components/schemas/Problem"})


@pytest.mark.parametrize("op", OPERATIONS, ids=str)
def test_each_operation_takes_exactly_the_query_parameters_described(
    lived_in: Household, client: FlaskClient, op: Operation
) -> None:
    reply = op.ask(client, expect=None, query_string={"nonsense": "1"})

    [known] = re.findall("nonsense.*is unknown. Known here: (.+?)[.]", reply.text) or ["none"]
    assert set(known.split(", ")) - {"none"} == op.parameters("query").keys()


def test_each_parameter_body_and_reply_has_examples_that_fit_its_schema() -> None:
    assert "date-time" in FORMATS.checkers
    for op in OPERATIONS:
        bodies = [op.spec.get("requestBody", {}), *map(deref, op.spec["responses"].values())]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            assert media["examples"]
            for example in media["examples"].values():
                check_schema(example["value"], media["schema"])
        for parameter in map(deref, op.spec.get("parameters", [])):
            for value in parameter["schema"]["examples"]:
                check_schema(value, parameter["schema"])


def test_the_words_of_the_document_are_those_of_the_database(conn: Connection[dict[str, Any]]) -> None:
    schemas, run = OPENAPI["components"]["schemas"], OPENAPI["components"]["schemas"]["Run"]["properties"]

    rows = conn.execute("SELECT conname, pg_get_constraintdef(oid) AS rule FROM pg_constraint WHERE contype = 'c'")
    words = {found["conname"]: set(re.findall("'(.+?)'", found["rule"])) for found in rows}

    assert words["plex_users_state_check"] == set(schemas["SyncState"]["enum"])
    assert words["wishlist_events_kind_check"] == set(schemas["EventKind"]["enum"])
    assert words["wishlist_items_media_type_check"] == set(schemas["MediaType"]["enum"])
    assert words["plex_links_status_check"] == {*schemas["Link"]["properties"]["status"]["enum"], "failed"}
    assert words["sync_runs_trigger_check"] == set(run["trigger"]["enum"])
    assert words["sync_runs_status_check"] == set(run["status"]["enum"])
