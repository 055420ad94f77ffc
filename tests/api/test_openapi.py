"""The OpenAPI document: every request and reply in it is tried on the real service, and pages show it."""

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from psycopg import Connection

from tests.support.fake_plex import FakePlex
from tests.support.household import API_KEY, Household, make_config
from tests.support.openapi import FORMATS, HARBOUR, OPENAPI, Operation, check_schema, deref, know_those_who_live_in
from tests.support.readers import Shared, sharing
from tests.support.slow import first_quick
from wishlist_service import __version__
from wishlist_service.api.docs import read_document
from wishlist_service.app import close_app, create_app, open_app
from wishlist_service.tokens import TokenCipher
from wishlist_service.web.listing import make_cursor

MEANT_WRONG: dict[int, dict[str, Any]] = {
    400: {"data": "{", "content_type": "application/json"},
    401: {"headers": {}},
    403: {"headers": {}},
    410: {"query_string": {"after": make_cursor("events", "asc", ["2026-01-01T00:00:00+00:00", 9000])}},
    413: {"data": " " * 70_000, "content_type": "application/json"},
    415: {"data": "{}"},
    422: {"query_string": {"nonsense": "1"}, "json": {"nonsense": 1}},
}


OPERATIONS = [Operation(path, method) for path, methods in OPENAPI["paths"].items() for method in methods]

READING = [op for op in OPERATIONS if op.method == "get"]

WRITING = [(op, name) for op in OPERATIONS if op not in READING for name in op.bodies or [None]]

ERRORS = [(op, int(status)) for op in OPERATIONS for status in op.spec["responses"] if status[0] == "4"]

# the database is asked to write, and then finds why it cannot
TRIED = [(op, status) for op, status in ERRORS if status in (404, 409) and op not in READING]


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


@pytest.fixture(scope="module")
def shared(new_database: Callable[[str | None], str], lived_in_template: str, cipher: TokenCipher) -> Iterator[Shared]:
    """The household of `lived_in`, for tests that change nothing."""
    url = new_database(lived_in_template)
    with sharing(url, cipher, lambda household: know_those_who_live_in(household.plex)) as shared:
        yield shared


@pytest.mark.parametrize("op", READING, ids=str)
def test_each_example_of_reading_gets_the_promised_reply(shared: Shared, op: Operation) -> None:
    check_promise(shared.client(), op)


@pytest.mark.parametrize(("op", "body"), WRITING, ids=str)
def test_each_example_request_gets_the_promised_reply(
    lived_in: Household, client: FlaskClient, op: Operation, body: str | None
) -> None:
    check_promise(client, op, body)


def check_promise(client: FlaskClient, op: Operation, body: str | None = None) -> None:
    promised = int(next(iter(op.spec["responses"])))
    reply = op.ask(client, expect=promised, **{"json": op.bodies[body]} if body else {})

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


@pytest.mark.parametrize(("op", "status"), [error for error in ERRORS if error not in TRIED], ids=str)
def test_each_error_in_the_document_happens_as_described(shared: Shared, op: Operation, status: int) -> None:
    check_error(shared.household, shared.client(), op, status)


@pytest.mark.parametrize(("op", "status"), first_quick(7, TRIED), ids=str)
def test_each_error_of_a_change_happens_as_described(
    lived_in: Household, client: FlaskClient, op: Operation, status: int
) -> None:
    check_error(lived_in, client, op, status)


def check_error(lived_in: Household, client: FlaskClient, op: Operation, status: int) -> None:
    missing = {"path": {"id": 999, "uid": "0" * 24}} if "{" in op.path else {"query_string": {"user_id": 999}}
    cleo, second = lived_in.user("Cleo")["id"], {"path": {"id": 2}}
    paused = {"path": {"id": cleo}, "query_string": {}}
    others = {"query_string": {"user_id": cleo}} if "{" not in op.path else second
    in_the_way = paused if op.path.endswith(("/wishlist", "/contacts")) else others
    taken = {"json": next(iter(op.bodies.values()), {}) | {"name": "BEN"}}
    wrong = MEANT_WRONG | {404: missing, 409: taken if op.bodies else in_the_way}

    if op.is_for_people and status == 409:  # the person has no token of their own
        assert client.delete("/api/users/1/token", headers={"X-API-Key": API_KEY}).status_code == 200
        wrong[409] = {}

    op.ask(client, expect=status, **wrong[status])


@pytest.fixture(scope="module")
def without_database() -> Flask:
    app = create_app(make_config(database_url="postgresql://127.0.0.1:1/none"))
    open_app(app)
    close_app(app)
    return app


@pytest.mark.parametrize("op", OPERATIONS, ids=str)
def test_without_a_database_each_operation_answers_as_described(without_database: Flask, op: Operation) -> None:
    op.ask(without_database.test_client(), expect=int(max(op.spec["responses"])))


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/api/users/x", 404), ("/api/wishlist", 405)])
def test_errors_outside_the_document_are_problems_too(client: FlaskClient, path: str, status: int) -> None:
    reply = client.put(path)

    assert (reply.status_code, reply.mimetype) == (status, "application/problem+json")
    check_schema(reply.json, {"$ref": "#/components/schemas/Problem"})


@pytest.mark.parametrize("op", OPERATIONS, ids=str)
def test_each_operation_takes_exactly_the_query_parameters_described(shared: Shared, op: Operation) -> None:
    reply = op.ask(shared.client(), expect=None, query_string={"nonsense": "1"})

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


@pytest.mark.parametrize("url_base", ["", "/plex-wishlist"])
def test_the_docs_pages_and_the_document_come_from_the_service_alone(url_base: str) -> None:
    client = create_app(make_config(url_base=url_base)).test_client()

    page, same, document = (client.get(url_base + path) for path in ("/docs/", "/docs", "/openapi.json"))

    written = read_document()
    info = written["info"] | {"version": __version__}
    assert document.json == written | {"info": info, "servers": [{"url": url_base or "/"}]}
    assert (page.status_code, page.mimetype) == (same.status_code, same.mimetype) == (200, "text/html")
    assert set(re.findall("""["':]//([^/"']+)""", page.text + same.text)) <= {"localhost"}
    links = re.findall('(?:src|href)="(.+?)"', page.text)
    assert links == re.findall('(?:src|href)="(.+?)"', same.text)
    assert {link.rpartition(".")[2] for link in links} == {"css", "js", "png"}
    for link in links:
        with client.get(link) as asset:
            assert (asset.status_code, link.startswith(f"{url_base}/docs/")) == (200, True)
    assert re.findall('data-url="(.+?)"', page.text) == [f"{url_base}/openapi.json"]
    assert "width=device-width" in page.text
    assert f"<a href='{url_base}/'>Back to the wall</a>" in page.text
    assert "prefers-color-scheme: dark" in client.get(f"{url_base}/docs/page.css").text
    # left to its default, Swagger UI tells validator.swagger.io where the document is
    assert "validatorUrl: null" in client.get(f"{url_base}/docs/start.js").text
