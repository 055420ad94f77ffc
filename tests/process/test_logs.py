"""Log lines: one fact, one line, and the run they belong to."""

import io
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
import requests

from tests.support.fake_plex import FakePlex, row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.processes import call, environment, free_port, gunicorn
from wishlist_service.process.logs import configure_logging, within_run

logger = logging.getLogger("wishlist_service.example")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    stream = io.StringIO()
    configure_logging("INFO", stream=stream)
    yield stream
    root.handlers, root.level = handlers, level


def test_line_holds_time_level_place_and_fact(stream: io.StringIO) -> None:
    logger.info("something happened user=%s", 3)

    moment, _, rest = stream.getvalue().partition(" ")
    assert (len(moment), moment[-1]) == (20, "Z")
    assert rest == "INFO wishlist_service.example something happened user=3\n"


def test_address_with_a_pin_is_not_logged(
    stream: io.StringIO, plex: FakePlex, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger().setLevel("DEBUG")
    caplog.set_level(logging.DEBUG, "urllib3")  # where messages are sent, it is higher
    for path in ("/api/v2/pins/900001", "/api/v2/home/users/1/switch?pin=7391", "/api/v2/ping"):
        requests.get(f"{plex.url}{path}", timeout=5)

    assert "/api/v2/ping" in stream.getvalue()
    assert [secret for secret in ("900001", "7391") if secret in stream.getvalue()] == []


def test_traceback_and_line_ends_stay_on_the_line(stream: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond\r")
    except ValueError:
        logger.exception("it broke name=%s", "a\nb")

    assert stream.getvalue().count("\n") == 1
    assert "it broke name=a\\nb\\nTraceback" in stream.getvalue()


def test_no_control_character_reaches_the_log(stream: io.StringIO) -> None:
    logger.info("read name=%s", "a\x1b[2Jb\x00c\u2028d\x85e\x7f")

    assert stream.getvalue().endswith("read name=a\\x1b[2Jb\\x00c\\u2028d\\x85e\\x7f\n")


def test_name_cannot_forge_a_field(household: Household, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    evil = 'Ann" outcome=changed added=999 x="'
    household.add(evil, [row("1", "Alpha")])
    household.sync()

    line = next(record.message for record in caplog.records if record.message.startswith("user synced"))
    assert f"name={evil!r} outcome=" in line


def test_lines_within_a_run_name_it_once_also_in_its_threads(stream: io.StringIO) -> None:
    with within_run(12), ThreadPoolExecutor(1) as pool:
        logger.info("plex gave no answer host=%s", "x")
        logger.info("sync started run=%s", 12)
        pool.submit(copy_context().run, logger.info, "read").result()
        beside = threading.Thread(target=logger.info, args=("beside it",))
        beside.start()
        beside.join()
    logger.info("after it")

    facts = [line.partition("example ")[2] for line in stream.getvalue().splitlines()]
    assert facts == [
        "plex gave no answer host=x run=12",
        "sync started run=12",
        "read run=12",
        "beside it",
        "after it",
    ]


@pytest.mark.slow
def test_run_of_the_api_is_found_in_its_log_by_the_id_of_the_reply(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")]).list_faults.append(status(503))
    env = environment(household.config.database_url, household.plex.url, PORT=str(free_port()))

    with gunicorn(env) as (api, address):
        run = call("POST", f"{address}/api/sync")[1]
        api.end()

    of_this_run = [line for line in api.output.splitlines() if f" run={run['id']}" in line]
    for fact in ("sync started", "plex gave no answer", "user synced", "sync finished"):
        assert any(fact in line for line in of_this_run), api.output
    assert all(line.split(" ")[0].endswith("Z") for line in api.output.splitlines())
