"""What Plex sends is limited in memory: in bytes, depth and values, whatever its form and encoding."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bench.hostile import BODIES
from tests.support.fake_plex import FakePlex, Handler, row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import program, settings_for, wait_until
from wishlist_service.errors import PlexChanged
from wishlist_service.plex.bodies import MOST_BYTES, decode
from wishlist_service.plex.client import PlexClient

TOKEN = "token-of-the-test-0123456789"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "iso-8859-1", "us-ascii"])
@pytest.mark.parametrize("space", [" ", "\n\t"])
def test_document_type_is_refused_in_every_encoding(encoding: str, space: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    text = f'{mark}<?xml version="1.0" encoding="{encoding[:6]}"?><!DOCTYPE{space}a [<!ENTITY x "y">]><a b="&x;"/>'
    if encoding.startswith(("iso", "us")):
        text = text.replace(encoding[:6], encoding)

    with pytest.raises(PlexChanged):
        decode(text.encode(encoding), "application/xml")


@pytest.mark.parametrize("name", [name for name in BODIES if "gzip" not in name and "18 MB" not in name])
def test_body_of_too_many_or_too_deep_values_is_refused(name: str) -> None:
    make_body, content_type, _ = BODIES[name]

    with pytest.raises(PlexChanged):
        decode(make_body(), content_type)


def test_texts_do_not_count_as_values() -> None:
    text = {"summary": "[{,}]" * 10_000 + "," * 500_000 + '\\"', "a": [{"b": 1}]}

    assert decode(json.dumps(text).encode(), "application/json") == text


def test_xml_reads_as_json() -> None:
    text = b'<MediaContainer size="2"><Video title="A"><Guid id="x"/><Guid id="y"/></Video>'
    text += b'<Directory title="B"/></MediaContainer>'

    assert decode(text, "text/xml") == {
        "MediaContainer": {
            "size": "2",
            "Metadata": [{"title": "A", "Guid": [{"id": "x"}, {"id": "y"}]}, {"title": "B"}],
        }
    }


def too_large_above(plex: FakePlex, rows: int) -> Callable[[Handler], None]:
    """Pages of more rows than this are larger than is allowed."""

    def answer(handler: Handler) -> None:
        assert handler.person is not None
        query = handler.asked.query
        start, size = int(query["X-Plex-Container-Start"]), int(query["X-Plex-Container-Size"])
        if size > rows:
            return handler.send_body(200, b" " * (MOST_BYTES + 1), "application/json")
        return handler._page(handler.person, query, start, size)

    return answer


@pytest.mark.parametrize(
    ("rows", "sizes"), [(50, [100, 50, 50]), (30, [100, 50, 25, 25, 25]), (10, [100, 50, 25, *[10] * 6])]
)
def test_page_that_is_too_large_is_asked_for_again_with_fewer_rows(
    plex: FakePlex, plex_client: PlexClient, rows: int, sizes: list[int]
) -> None:
    person = plex.add(TOKEN, rows=[row(f"{n:x}", f"Film {n}") for n in range(1, 61)])
    person.always = too_large_above(plex, rows)

    watchlist = plex_client.watchlist(TOKEN)

    assert watchlist is not None
    assert len(watchlist.entries) == 60
    assert [int(asked.query["X-Plex-Container-Size"]) for asked in plex.asked] == sizes


def test_list_whose_smallest_page_is_too_large_is_unreadable(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.sync()
    ann.always = status(200, body=b" " * (MOST_BYTES + 1), kind="application/json")

    household.sync()

    assert household.user("Ann")["sync_state"] == "plex_changed"
    assert "more than 2 MB" in household.user("Ann")["sync_detail"]
    assert household.titles("Ann") == ["Alpha"]


@pytest.mark.slow
@pytest.mark.parametrize("name", BODIES)
def test_scheduler_stays_small_whatever_plex_sends(household: Household, name: str) -> None:
    make_body, content_type, headers = BODIES[name]
    body = make_body()
    both = threading.Barrier(2, timeout=60)

    def answer(handler: Handler) -> None:
        if handler.asked.query.get("X-Plex-Container-Size") != "10":
            with suppress(threading.BrokenBarrierError):
                both.wait()  # two people are read at once
        handler.send_body(200, body, content_type, headers)

    for who in ("Ann", "Ben"):
        household.add(who, []).always = answer
    env = settings_for(household) | {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}

    with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        wait_until(lambda: all(household.user(who)["sync_state"] != "never" for who in ("Ann", "Ben")), seconds=120)
        lines = Path(f"/proc/{scheduler.process.pid}/status").read_text().splitlines()
        peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
        scheduler.end()

    print(f"{name}: {peak / 1024:.0f} MiB")
    assert peak < 128 * 1024
    assert {household.user(who)["sync_state"] for who in ("Ann", "Ben")} <= {"plex_changed", "unreachable"}
