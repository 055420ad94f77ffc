"""A whole session at DEBUG with marked secrets: none of them is in a log, a reply, a process list or a dump."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_friends import Friends
from tests.support.fake_home import Home
from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import environment, free_port, gunicorn, program, request
from wishlist_service.postgres.embedded import _find_binaries  # pyright: ignore[reportPrivateUsage]

pytestmark = pytest.mark.slow

SECRETS = {
    "API_KEY": "marked-api-key-0123456789",
    "READ_API_KEY": "marked-read-key-0123456789",
    "TOKEN_ENCRYPTION_KEY": "marked-passphrase-0123456789,marked-old-passphrase-0123456789",
    "DATABASE_PASSWORD": "marked-database-password",
}

TOKENS = ["marked-token-of-ann-0123456789", "marked-token-refused-0123456789", "marked-token-new-0123456789"]

COOKIE = "marked-cookie"

PINS = ["marked-pin-7391", "marked-pin-wrong"]

KIM = hashlib.sha256(b"own-token-of-kim-0123456789").hexdigest()[:16]
"""The account of a member of Ann's Plex Home."""

MARKS = [*",".join(SECRETS.values()).split(","), *TOKENS, COOKIE, *PINS, "switched-"]


def found_in(text: str) -> list[str]:
    return [mark for mark in MARKS if mark in text]


@pytest.fixture
def env(household: Household) -> dict[str, str]:
    return environment(
        household.config.database_url, household.plex.url, PORT=str(free_port()), LOG_LEVEL="DEBUG", **SECRETS
    )


def command_lines() -> str:
    """The process list of everything this process may see."""
    lines: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


def session(address: str) -> list[str]:
    """Everything a household does, right and wrong; the replies as text, headers included."""
    key, read_key = {"X-API-Key": SECRETS["API_KEY"]}, {"Authorization": f"Bearer {SECRETS['READ_API_KEY']}"}
    apikey = f"apikey={SECRETS['READ_API_KEY']}"

    def ask(method: str, path: str, headers: dict[str, str], body: Any = None) -> str:
        return request(method, address + path, headers=headers | {"Cookie": f"session={COOKIE}"}, body=body).text

    replies = [
        ask("POST", "/api/users", key, {"name": "Ann", "token": TOKENS[0]}),
        ask("POST", "/api/users", key, {"name": "Ann", "token": TOKENS[0]}),
        ask("POST", "/api/users", key, {"name": "Ben", "token": TOKENS[1]}),
        ask("POST", "/api/users", key, {"name": [TOKENS[1]], "token": TOKENS[1] + " \n"}),
        ask("POST", "/api/users", key, TOKENS[1]),
        ask("POST", f"/api/users?apikey={SECRETS['API_KEY']}", {}, {"name": "Ben", "token": TOKENS[1]}),
        ask("GET", "/api/users/1/contacts", key),
        ask("POST", "/api/users", key, {"via": 1, "plex_uuid": KIM, "pin": PINS[1]}),
        ask("POST", "/api/users", key, {"via": 1, "plex_uuid": KIM, "pin": PINS[0]}),
        ask("PATCH", "/api/users/3", key, {"pin": PINS[1]}),
        ask("POST", "/api/sync?wait=30", key),
        ask("PATCH", "/api/users/1", key, {"token": TOKENS[2]}),
        ask("PATCH", "/api/users/1", read_key, {"token": TOKENS[2]}),
        ask("POST", "/api/sync?user_id=1", key),
    ]
    for path in (
        "/api/users",
        "/api/wishlist",
        "/api/sync/status",
        "/api/sync/runs",
        "/metrics",
        "/docs",
        "/nothing",
        "/",
        "/sign-in",
    ):
        replies += [
            ask("GET", path, read_key),
            ask("GET", f"{path}?{apikey}", {}),
            ask("GET", f"{path}?{apikey}&colour=red", {}),
            ask("GET", f"{path}?{apikey}&search=", {}),
            ask("GET", f"{path}?{apikey}&limit=1", key),
            ask("GET", f"{path}?apikey={SECRETS['API_KEY']}x", {}),
        ]
    return [*replies, ask("GET", "/openapi.json", {}), ask("GET", f"/{'x' * 5000}?{apikey}", {})]


def test_no_secret_leaves_the_service(household: Household, env: dict[str, str]) -> None:
    ann = household.plex.add(TOKENS[0], username="ann", rows=[row("1", "Alpha")])
    household.plex.people[TOKENS[2]] = ann
    Friends(household.plex)
    Home(household.plex, ann).join("Kim", [row("2", "Beta")], pin=PINS[0])
    ann.list_faults.append(status(503, Set_Cookie=f"plex={COOKIE}"))

    with gunicorn(env) as (api, address):
        with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
            scheduler.wait_for("scheduler started")
            replies = session(address)
            processes = command_lines()
            household.conn.execute("ALTER VIEW wishlist_documents RENAME COLUMN document TO paper")
            replies.append(request("GET", f"{address}/api/wishlist?limit=7&apikey={SECRETS['READ_API_KEY']}").text)
            scheduler.end()
        api.end()
    with program("-m", "wishlist_service.sync", env=env) as command:
        command.exit_status()
    with program("-m", "wishlist_service.tokens", "rotate", env=env) as rotation:
        rotation.exit_status()

    assert "Ann" in replies[0]
    assert "DEBUG" in api.output + scheduler.output + command.output
    assert "Traceback" in api.output  # the broken view: its log line holds what the request was
    for name, text in {
        "replies": "\n".join(replies),
        "API": api.output,
        "scheduler": scheduler.output,
        "sync": command.output,
        "rotation": rotation.output,
        "processes": processes,
    }.items():
        assert found_in(text) == [], name
    assert "gunicorn" in processes


def test_no_secret_is_in_a_dump_of_the_database(household: Household, env: dict[str, str]) -> None:
    ann = household.plex.add(TOKENS[0], username="ann", rows=[row("1", "Alpha")])
    Friends(household.plex)
    Home(household.plex, ann).join("Kim", [row("2", "Beta")], pin=PINS[0])
    with gunicorn(env) as (_api, address):
        session(address)

    command = [_find_binaries() / "pg_dump", household.config.database_url]
    dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "Alpha" in dump
    assert "Kim" in dump
    assert found_in(dump) == []


def test_wrong_database_password_is_told_without_it(household: Household, env: dict[str, str]) -> None:
    env["DATABASE_URL"] = f"postgresql://nobody:{SECRETS['DATABASE_PASSWORD']}@127.0.0.1:9/none"

    outputs: list[str] = []
    for arguments in (["migrate"], ["sync"], ["tokens", "rotate"]):
        with program("-m", f"wishlist_service.{arguments[0]}", *arguments[1:], env=env) as command:
            assert command.exit_status() == 1
            outputs.append(command.output)
    with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        scheduler.wait_for("sync put off")
        scheduler.end()

    assert found_in("\n".join([*outputs, scheduler.output])) == []


def test_wrong_settings_are_told_without_their_secrets(env: dict[str, str]) -> None:
    env |= {"DATABASE_URL": f"postgresql://x:{SECRETS['DATABASE_PASSWORD']}@[bad/x?y=z", "PORT": "none"}

    with program("-m", "wishlist_service.migrate", env=env) as command:
        assert command.exit_status() == 1

    assert found_in(command.output) == []
