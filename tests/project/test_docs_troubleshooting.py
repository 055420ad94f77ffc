"""Every state of a list and every error of the doctor has its heading, and the doctor's example is its real output."""

import re
from typing import Any

from psycopg import Connection

from tests.support.documents import PAGES, section
from tests.support.examinations import settings_for
from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household
from tests.support.processes import gunicorn, program
from wishlist_service.doctor.errors import Error

PAGE = "docs/troubleshooting.md"


def sync_states(conn: Connection[dict[str, Any]]) -> set[str]:
    """Those that the database allows."""
    rule = conn.execute(
        "SELECT pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE conname = 'plex_users_state_check'"
    ).fetchone()
    assert rule is not None
    return set(re.findall(r"'(\w+)'::text", rule["text"]))


def test_every_sync_state_is_explained(conn: Connection[dict[str, Any]]) -> None:
    table = section("docs/sync.md", "## States")

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.M)) - {"sync_state"} == sync_states(conn)


def test_every_failing_state_and_every_error_of_the_doctor_has_its_fix(conn: Connection[dict[str, Any]]) -> None:
    headings = re.findall(r"^## (.*)$", PAGES[PAGE], re.M)

    known = {f"`{state}`" for state in sync_states(conn) - {"ok"}} | {error.heading for error in Error}
    assert sorted(headings) == sorted(known)
    assert [heading for heading in headings if len(section(PAGE, f"## {heading}")) < 80] == []


def test_example_of_the_doctor_is_what_it_prints(household: Household, plex: FakePlex) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben")
    household.sync()
    plex.people.pop("token-of-ann-0123456789")
    household.conn.execute("UPDATE plex_users SET next_sync_at = now() + interval '312 minutes 20 seconds'")
    env = settings_for(household) | {"PLEX_DISCOVER_URL": plex.url.replace("127.0.0.1", "localhost")}

    with gunicorn(env), program("-m", "wishlist_service.doctor", env=env) as doctor:
        status = doctor.exit_status()

    [example] = re.findall(r"^```\n(ok .*?)^```$", PAGES[PAGE], re.M | re.S)
    assert status == 1
    assert form(doctor.output) == form(example)


def form(report: str) -> list[str]:
    """The lines of a report without numbers, versions and places, which differ everywhere."""
    text = re.sub(r"\n {19,}", " ", report.strip())
    text = re.sub(r"PostgreSQL \S+ at \S+,", "PostgreSQL at", text)
    text = re.sub(r"\S+:\d+ answers .*", "answers", text)
    text = re.sub(r"the last is \S+", "the last is", text)
    text = re.sub(r"free at \S+", "free at", text)
    return re.sub(r"[\d.]+( [kMG]B)?", "0", text).splitlines()
