"""The README is true: its settings, its paths, its tables and every example in it."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from psycopg import Connection

from tests.support.fake_pins import Pins
from tests.support.fake_plex import FakePlex, row
from tests.support.household import API_KEY, Household
from tests.support.processes import wait_until
from wishlist_service import config as config_module
from wishlist_service.doctor.findings import Kind

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
COMPOSE_ONLY = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "PUID", "PGID", "TZ", "COMPOSE_PROFILES"}


def settings_read() -> dict[str, str]:
    """The names that config.py reads, with their defaults as texts."""
    source = Path(config_module.__file__).read_text()
    found = re.findall(r'read\.(\w+)\("([A-Z_]+)"(?:, ("[^"]*"|[\d.]+))?', source)
    of_readers = {"database_url": "", "flag": "false"}
    read = {name: of_readers.get(reader, default.strip('"')) for reader, name, default in found}
    return read | {"DATABASE_PASSWORD": ""}


def settings_told() -> dict[str, str]:
    """The README's table: name and default."""
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    return {name: default.strip("` ") for name, default in re.findall(r"^\| `([A-Z_]+)` \| ([^|]*)\|", table, re.M)}


def settings_shown() -> dict[str, str]:
    """The lines of .env.example, commented out or not."""
    return dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))


def test_every_setting_is_read_told_and_shown() -> None:
    assert len(settings_read()) > 10
    assert set(settings_told()) == set(settings_read()) | COMPOSE_ONLY
    assert set(settings_shown()) == set(settings_read()) | COMPOSE_ONLY


def test_defaults_told_and_shown_are_those_read() -> None:
    examples = {"DATABASE_URL", "URL_BASE", "API_KEY", "TOKEN_ENCRYPTION_KEY", "PLEX_SERVER_URL", "PLEX_COLLECTION"}
    for name, default in settings_read().items():
        assert settings_told()[name] == default
        if name not in examples:
            assert settings_shown()[name] == default


def test_compose_hands_on_every_setting() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()

    inside = set(re.findall(r"^ {4}([A-Z_]+): ", compose.partition("services:")[0], re.M))
    named = {name.removesuffix("_FILE") for name in inside} - {"PGUSER", "PGDATABASE", "TZ"}
    assert named == set(settings_read()) - {"PORT"}


def test_every_operation_is_shown_with_curl(client: FlaskClient) -> None:
    shown: set[tuple[str, str]] = set()
    adapter = client.application.url_map.bind("localhost")
    for command in re.findall(r"^curl .*$", README, re.M):
        method, path, _ = read_curl(command)
        shown.add((method, adapter.match(path.partition("?")[0], method)[0]))
    operations = {
        (method, rule.endpoint)
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS") and not rule.endpoint.startswith(("pages.", "docs."))
    }
    assert operations - shown == set()


def test_every_table_and_column_told_exists(conn: Connection[dict[str, Any]]) -> None:
    section = README.partition("## Database")[2].partition("\n## ")[0]
    for table, text in re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.M):
        rows = conn.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table]
        ).fetchall()
        columns = {found["column_name"] for found in rows}
        named = set(re.findall(r"`(\w+)`", text))
        assert columns, table
        assert named <= columns, table
    for view in re.findall(r"`(\w+)`", section.partition("The views ")[2].partition(" show ")[0]):
        assert conn.execute("SELECT FROM information_schema.views WHERE table_name = %s", [view]).rowcount == 1


def sync_states(conn: Connection[dict[str, Any]]) -> set[str]:
    """Those that the database allows."""
    rule = conn.execute(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'plex_users_state_check'"
    ).fetchone()
    assert rule is not None
    return set(re.findall(r"'(\w+)'::text", rule["text"]))


def test_every_sync_state_is_explained(conn: Connection[dict[str, Any]]) -> None:
    table = README.partition("## How the sync behaves")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) - {"sync_state"} == sync_states(conn)


def test_every_failing_state_and_every_fault_of_the_doctor_has_its_cure(conn: Connection[dict[str, Any]]) -> None:
    chapter = README.partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    sections = re.findall(r"^### (.*)\n\n(.*\n?.*)\n\n", f"{chapter}\n", re.M)

    known = {f"`{state}`" for state in sync_states(conn) - {"ok"}} | {kind.heading for kind in Kind}
    assert sorted(heading for heading, _ in sections) == sorted(known)
    assert [heading for heading, text in sections if len(text) < 80] == []


def test_every_link_inside_leads_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", README, re.M)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]*)\)", README)) - anchors == set()


def test_every_test_file_is_told_of() -> None:
    told = (ROOT / "tests" / "README.md").read_text()

    assert {path.name for path in (ROOT / "tests").glob("*.py") if f"`{path.name}`" not in told} == set()


def test_every_example_gives_the_reply_shown(client: FlaskClient, household: Household, plex: FakePlex) -> None:
    lantern = row("a11e", "The Lantern Keeper", year=2024)
    harbour = row("4a2b", "Harbour Lights", media_type="show", year=2021)
    Pins(plex)
    plex.add("x" * 20, username="ann.plex", rows=[lantern, harbour])
    examples = re.findall(r"```sh\n(curl [^\n]*)\n```\n(?:```json\n(.*?)\n```)?", README, re.S)

    for command, shown in examples:
        method, path, options = read_curl(command)
        reply = client.open(path, method=method, **options)
        if shown:
            assert shape(reply.json) == shape(json.loads(shown)), command
        else:
            assert (method, reply.status_code) in (("DELETE", 204), ("GET", 200), ("PATCH", 200), ("POST", 201))
            household.conn.execute("UPDATE plex_users SET active = true")
            household.conn.execute("UPDATE wishlist_item_sources SET kept_at = now() WHERE user_id = 2")
        if (path, reply.status_code) == ("/api/users", 201):
            ben = household.add("Ben", [lantern], token="token-of-ben-0123456789yyyy")
            # two lists are read at a time: Anna's is to be stored first
            ben.before_page = lambda _start: wait_until(lambda: household.user("Anna")["last_success_at"])

    assert len(examples) > 12


def read_curl(command: str) -> tuple[str, str, dict[str, Any]]:
    """Method, path and options of a curl command, for the test client."""
    words = iter(shlex.split(command.replace("$API_KEY", API_KEY), comments=True)[1:])
    method, path, headers, data = "GET", "", {}, None
    for word in words:
        if word == "-OJ":  # into a file
            continue
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            data = next(words)
        else:
            path = word.removeprefix("http://").removeprefix("localhost:8000")
    return method, path, {"headers": headers, "data": data}


def shape(value: Any) -> Any:
    """What must agree between a reply shown and a real one: keys and their order, types, and words that are fixed."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, str):
        value = re.sub("clientID=[^&]+", "clientID=", value)
        moment = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value)
        cursor = value.startswith("WyJ")
        return "moment" if moment else "masked" if value.startswith("****") else "cursor" if cursor else value
    return value
