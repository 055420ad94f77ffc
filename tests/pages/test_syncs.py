"""The page Syncs: how syncs went, in words, and the button that starts one. For the admin."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.seen import Seen, browse
from tests.support.slow import first_quick
from tests.support.visitors import keeping, reading, visitor
from wishlist_service.models import SyncRun
from wishlist_service.pages.runs import tell_run


@pytest.fixture
def keeper(household: Household) -> Iterator[FlaskClient]:
    with keeping(household) as client:
        yield client


def test_sync_is_begun_by_a_form_and_followed(keeper: FlaskClient, household: Household) -> None:
    go_on = threading.Event()
    household.add("Ann", [row("1", "Alpha")]).before_page = lambda _start: go_on.wait(20) and None
    assert [button.text for button in browse(keeper, "/syncs").all("button")] == ["Sign out", "Sync now"]

    begun = keeper.post("/syncs")
    during = browse(keeper, "/syncs")
    refused = keeper.post("/syncs")
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sync-run-"):
            thread.join()
    after = browse(keeper, "/syncs")

    assert (begun.status_code, begun.location) == (303, "/syncs")
    assert "Running" in during.one("div", id="sync").text
    assert "data-live" in during.one("div", id="sync").attributes
    assert [link["href"] for link in during.all("a") if link.text == "Look again"] == ["/syncs"]
    assert [button.text for button in during.all("button")] == ["Sign out"]
    assert refused.status_code == 409
    assert Seen(refused).one("p", role="alert").text.startswith("Sync run 1 is still running. Wait for it to end")
    assert "data-live" not in after.one("div", id="sync").attributes
    assert after.one("p", role="status").text == "The last sync: Succeeded. 1 list read. Ann added 1."


def test_run_names_whose_list_could_not_be_read_and_why(keeper: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben").always = status(401)
    household.plex.people["token-of-ben-0123456789"].account_status = 401
    household.sync()

    page = browse(keeper, "/syncs")

    assert page.one("p", class_="run partial").text.startswith("Partly succeeded")
    [fault] = [item.text for item in page.all("li") if item.text.startswith("Ben: ")]
    assert fault == f"Ben: {household.user('Ben')['sync_detail']}"


def test_next_run_is_told_and_that_there_is_none(keeper: FlaskClient, household: Household) -> None:
    assert "No one has been added yet" in browse(keeper, "/syncs").one("main").text
    household.add("Ann")
    assert "No sync has run yet" in browse(keeper, "/syncs").one("main").text
    household.conn.execute("UPDATE plex_users SET next_sync_at = '2030-01-02T03:04:05Z'")

    assert browse(keeper, "/syncs").one("time", title="2030-01-02, 03:04 UTC").text == "2 Jan 2030"

    household.conn.execute("UPDATE plex_users SET active = false")
    assert "Everyone is paused" in browse(keeper, "/syncs").one("main").text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"users_processed": 2}, "2 lists read. Nothing changed."),
        ({"users_processed": 1, "added_wishes": 1, "removed_wishes": 2}, "1 list read. 1 was added, 2 were removed."),
        ({"users_processed": 1, "removed_wishes": 1}, "1 list read. 1 was removed."),
        ({"users_processed": 3, "errors": [{}]}, "3 lists read, 1 failed. Nothing changed."),
        ({"users_processed": 9, "updated_items": 1200}, "9 lists read. 1,200 titles updated."),
        ({"errors": [{}, {}]}, "No list was read."),
        ({"status": "running"}, "The lists are being read."),
        ({"status": "running", "errors": [{}]}, "1 list could not be read."),
        ({"status": "running", "users_processed": 1}, "1 list read so far."),
    ],
)  # fmt: skip
def test_run_is_told_in_a_sentence(values: dict[str, object], told: str) -> None:
    assert tell_run(make_run(**values)).sentence == told


@pytest.mark.parametrize(("seconds", "told"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59, "59 s"), (200.4, "3 min 20 s")])
def test_run_tells_how_long_it_took(seconds: float, told: str) -> None:
    finished_at = datetime.fromtimestamp(seconds, UTC)

    assert tell_run(make_run(finished_at=finished_at)).duration.replace("\N{NO-BREAK SPACE}", " ") == told
    assert tell_run(make_run(finished_at=None)).duration == ""


def make_run(**values: object) -> SyncRun:
    numbers = dict.fromkeys(
        (
            *("users_processed", "items_fetched", "new_items", "updated_items", "removed_items"),
            *("added_wishes", "removed_wishes", "total_items"),
        ),
        0,
    )
    rest = {"id": 1, "trigger": "manual", "status": "succeeded", "errors": [], "finished_at": None}
    return SyncRun(**{"started_at": datetime.fromtimestamp(0, UTC)} | rest | numbers | values)  # pyright: ignore[reportArgumentType]


@pytest.mark.slow
def test_sentence_names_who_added(keeper: FlaskClient, household: Household) -> None:
    anne = household.add("Anne", [row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma")])
    ben = household.add("Ben", [row("1", "Alpha")])
    household.sync()
    anne.rows = [row(f"{n:x}", f"Title {n}") for n in range(10, 20)]
    ben.rows = [row("1", "Alpha"), *(row(f"{n:x}", f"Title {n}") for n in range(10, 13))]
    household.sync()

    page = browse(keeper, "/syncs")

    assert "2 lists read. Anne and Ben added 13, 3 were removed." in page.one("p", role="status").text


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["Ann"], "Ann added 5."),
        (["Ann", "Ben"], "Ann and Ben added 5."),
        (["Ann", "Ben", "Cleo", "Dora"], "Ann, Ben, Cleo and Dora added 5."),
        (["Ann", "Ben", "Cleo", "Dora", "Emil"], "Ann, Ben, Cleo and 2 others added 5."),
    ],
)
def test_many_names_are_cut(names: list[str], told: str) -> None:
    assert tell_run(make_run(users_processed=1, added_wishes=5), names).sentence == f"1 list read. {told}"


def test_who_may_only_look_is_asked_for_the_key(filled: Household) -> None:
    with reading(filled) as client:
        assert client.get("/syncs").status_code == client.post("/syncs").status_code == 403
    with visitor(filled) as client:
        for reply in (client.get("/syncs"), client.post("/syncs")):
            assert (reply.status_code, urlsplit(reply.location).path) == (303, "/sign-in")
    assert len(filled.conn.execute("SELECT FROM sync_runs").fetchall()) == 3


@pytest.mark.parametrize(
    "headers", first_quick(1, [{"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": ""}])
)
def test_no_other_site_starts_a_sync(keeper: FlaskClient, filled: Household, headers: dict[str, str]) -> None:
    assert keeper.post("/syncs", headers=headers).status_code == 403
    assert len(filled.conn.execute("SELECT FROM sync_runs").fetchall()) == 3
