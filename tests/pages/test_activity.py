"""The page Activity: what happened day by day, and how syncs went, in words."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from psycopg.types.json import Jsonb

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.seen import Seen, browse
from tests.support.visitors import HOSTILE, keeping, reading, visitor
from wishlist_service.models import SyncRun
from wishlist_service.pages.runs import tell_run


@pytest.fixture
def keeper(household: Household) -> Iterator[FlaskClient]:
    with keeping(household) as client:
        yield client


def lines(page: Seen) -> list[str]:
    """What happened, in the page's order."""
    return [" ".join(item.text.split()[2:]) for item in page.all("li") if item.text.strip()[:2].isdigit()]


def test_history_is_told_the_newest_first_and_a_first_import_in_one_line(
    client: FlaskClient, filled: Household
) -> None:
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("3", "Gamma_Ray", year=None), row("6", "Zeta")]
    filled.sync()

    told = lines(browse(client, "/activity"))

    assert set(told[:2]) == {"Cleo wants Gamma_Ray again: it came back", "Cleo added Zeta"}
    assert set(told[2:4]) == {"Cleo removed Gamma_Ray", "Cleo removed Epsilon"}
    assert set(told[4:6]) == {f"{name}’s list was read for the first time: 2 titles" for name in ("Ben", "Cleo")}
    assert told[6:] == ["Ann’s list was read for the first time: 3 titles"]


def test_history_is_grouped_by_day_and_leads_to_titles(client: FlaskClient, filled: Household) -> None:
    filled.conn.execute("UPDATE wishlist_events SET happened_at = '2026-03-04T23:59:00Z' WHERE kind = 'added'")
    filled.conn.execute("UPDATE wishlist_events SET happened_at = '2026-03-05T00:01:00Z' WHERE kind = 'removed'")

    page = browse(client, "/activity")

    assert [heading.text for heading in page.all("h3")] == ["2026-03-05", "2026-03-04"]
    address = next(link["href"] for link in page.all("a") if link.text == "Epsilon")
    assert browse(client, address).one("h1").text == "Epsilon"


@pytest.mark.parametrize("whose", ["", "user=1"])
def test_older_pages_tell_the_rest_once(client: FlaskClient, household: Household, whose: str) -> None:
    ann = household.add("Ann", [row(f"{n:x}", f"Title {n}") for n in range(1, 90)])
    household.add("Ben", [row("1", "Title 1")])
    household.sync()
    for n in range(100, 170):
        ann.rows.insert(0, row(f"{n:x}", f"Title {n}"))
    household.sync()
    ben = [] if whose else ["Ben’s list was read for the first time: 1 title"]

    page, told = browse(client, f"/activity?{whose}"), []
    while True:
        told += lines(page)
        following = page.all("a", rel="next")
        if not following:
            break
        page = browse(client, following[0]["href"])

    assert told[:70] == [f"Ann added Title {n}" for n in range(169, 99, -1)]
    assert set(told[70:]) == {"Ann’s list was read for the first time: 89 titles", *ben}
    assert len(told) == 71 + len(ben)
    assert [link["href"] for link in page.all("a") if link.text == "Back to the newest"] == [
        "/activity" + (f"?{whose}" if whose else "")
    ]


def test_one_persons_history_is_at_an_address_of_its_own(client: FlaskClient, filled: Household) -> None:
    links = {
        link.text.split()[-1]: link["href"] for link in browse(client, "/activity").all("a") if "?user" in link["href"]
    }

    page = browse(client, links["Ben"])

    assert links.keys() == {"Ann", "Ben", "Cleo"}
    assert lines(page) == ["Ben’s list was read for the first time: 2 titles"]
    assert page.one("a", **{"aria-current": "true"}, href=links["Ben"]).text.split() == ["Be", "Ben"]


@pytest.mark.parametrize("query", ["user=99", "user=x", "user=1&user=2", "after=x", "colour=red"])
def test_wrong_address_is_explained(client: FlaskClient, filled: Household, query: str) -> None:
    reply = client.get(f"/activity?{query}")

    assert reply.status_code == 422
    assert Seen(reply).one("h1").text == "Invalid address"


def test_sync_is_begun_by_a_form_and_followed(keeper: FlaskClient, household: Household) -> None:
    go_on = threading.Event()
    household.add("Ann", [row("1", "Alpha")]).before_page = lambda _start: go_on.wait(20) and None
    assert [button.text for button in browse(keeper, "/activity").all("button")] == ["Sign out", "Sync now"]

    begun = keeper.post("/activity")
    during = browse(keeper, "/activity")
    refused = keeper.post("/activity")
    go_on.set()
    for thread in threading.enumerate():
        if thread.name.startswith("sync-run-"):
            thread.join()
    after = browse(keeper, "/activity")

    assert (begun.status_code, begun.location) == (303, "/activity")
    assert "Running" in during.one("div", id="sync").text
    assert "data-live" in during.one("div", id="sync").attributes
    assert [link["href"] for link in during.all("a") if link.text == "Look again"] == ["/activity"]
    assert [button.text for button in during.all("button")] == ["Sign out"]
    assert refused.status_code == 409
    assert Seen(refused).one("p", role="alert").text.startswith("Sync run 1 is still running. Wait for it to end")
    assert "data-live" not in after.one("div", id="sync").attributes
    assert after.one("p", role="status").text == "The last sync: Succeeded. 1 list read. 1 title new."
    assert lines(after) == ["Ann’s list was read for the first time: 1 title"]


def test_run_names_whose_list_could_not_be_read_and_why(client: FlaskClient, household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben").always = status(401)
    household.plex.people["token-of-ben-0123456789"].account_status = 401
    household.sync()

    page = browse(client, "/activity")

    assert page.one("p", class_="run partial").text.startswith("Partly succeeded")
    [fault] = [item.text for item in page.all("li") if item.text.startswith("Ben: ")]
    assert fault == f"Ben: {household.user('Ben')['sync_detail']}"


def test_next_run_is_told_and_that_there_is_none(client: FlaskClient, household: Household) -> None:
    assert "No one has been added yet" in browse(client, "/activity").one("main").text
    household.add("Ann")
    assert "No sync has run yet" in browse(client, "/activity").one("main").text
    household.conn.execute("UPDATE plex_users SET next_sync_at = '2030-01-02T03:04:05Z'")

    assert browse(client, "/activity").one("time", datetime="2030-01-02T03:04:05Z").text == "2030-01-02, 03:04 UTC"

    household.conn.execute("UPDATE plex_users SET active = false")
    assert "Everyone is paused" in browse(client, "/activity").one("main").text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"users_processed": 2}, "2 lists read. Nothing changed."),
        ({"users_processed": 1, "new_items": 1, "removed_items": 2}, "1 list read. 1 title new, 2 removed."),
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
        ("users_processed", "items_fetched", "new_items", "updated_items", "removed_items", "total_items"), 0
    )
    rest = {"id": 1, "trigger": "manual", "status": "succeeded", "errors": [], "finished_at": None}
    return SyncRun(**{"started_at": datetime.fromtimestamp(0, UTC)} | rest | numbers | values)  # pyright: ignore[reportArgumentType]


def test_who_may_only_look_sees_no_button_and_starts_nothing(filled: Household) -> None:
    with reading(filled) as client:
        assert [button.text for button in browse(client, "/activity").all("button")] == ["Sign out"]
        assert client.post("/activity").status_code == 403
    with visitor(filled) as client:
        assert browse(client, "/activity").all("button") == []
        reply = client.post("/activity")
        assert (reply.status_code, urlsplit(reply.location).path) == (303, "/sign-in")
    assert len(filled.conn.execute("SELECT FROM sync_runs").fetchall()) == 3


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": ""}])
def test_no_other_site_starts_a_sync(keeper: FlaskClient, filled: Household, headers: dict[str, str]) -> None:
    assert keeper.post("/activity", headers=headers).status_code == 403
    assert len(filled.conn.execute("SELECT FROM sync_runs").fetchall()) == 3


def test_hidden_names_are_hidden_here_too(filled: Household) -> None:
    filled.plex.people["token-of-ben-0123456789"].always = status(500)
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("1", "Alpha", year=1999)]
    filled.sync()
    with visitor(filled, names="hidden") as client:
        text = client.get("/activity").text + client.get(f"/title/{1:024x}").text
        assert not re.search("Ann|Ben|Cleo", text)
        assert "Person 3</b> added" in text
    with keeping(filled, names="hidden") as client:
        assert {"Ann", "Ben", "Cleo"} <= set(re.findall(r"\w+", client.get("/activity").text))


def test_what_people_and_plex_write_is_text(client: FlaskClient, household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.sync()
    ann.rows.append(row("2", HOSTILE))
    household.sync()
    household.conn.execute("UPDATE plex_users SET name = %s", [HOSTILE])
    household.conn.execute(
        "UPDATE sync_runs SET errors = jsonb_build_array(%s::jsonb)",
        [Jsonb({"user_id": 1, "name": HOSTILE, "state": "error", "detail": HOSTILE})],
    )

    page = browse(client, "/activity")

    assert lines(page)[0] == " ".join(f"{HOSTILE} added {HOSTILE}".split())
    assert len(page.all("script")) == 1
    assert [name for element in page.elements for name in element.attributes if name.startswith("on")] == []


def test_all_of_it_works_under_a_path(filled: Household) -> None:
    with keeping(filled, url_base="/plex-wishlist") as client:
        page = browse(client, "/plex-wishlist/activity")
        addresses = [link["href"] for link in page.all("a")] + [form["action"] for form in page.all("form")]

        assert {address.split("/")[1] for address in addresses if address != "#main"} == {"plex-wishlist"}
        assert client.post("/plex-wishlist/activity").location == "/plex-wishlist/activity"
