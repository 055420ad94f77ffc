"""The page Activity: what happened day by day, and how syncs went, in words."""

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from psycopg.types.json import Jsonb

from tests.support.fake_plex import row
from tests.support.household import Household
from tests.support.plex_faults import status
from tests.support.readers import Share, Shared
from tests.support.seen import Seen, browse
from tests.support.visitors import HOSTILE, keeping, visitor


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

    assert [heading.text for heading in page.all("h2")] == ["5 Mar 2026", "4 Mar 2026"]
    address = next(link["href"] for link in page.all("a") if link.text == "Epsilon")
    assert browse(client, address).one("h1").text == "Epsilon"


@pytest.fixture(scope="module")
def much(share: Share) -> Shared:
    """Ann wanted 89 titles at first, and 70 more later; Ben wants one."""

    def prepare(household: Household) -> None:
        ann = household.add("Ann", [row(f"{n:x}", f"Title {n}") for n in range(1, 90)])
        household.add("Ben", [row("1", "Title 1")])
        household.sync()
        for n in range(100, 170):
            ann.rows.insert(0, row(f"{n:x}", f"Title {n}"))
        household.sync()

    return share(prepare)


@pytest.mark.parametrize("whose", ["", "user=1"])
def test_older_pages_tell_the_rest_once(much: Shared, whose: str) -> None:
    client = much.client()
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


def test_one_persons_history_is_at_an_address_of_its_own(reader: FlaskClient) -> None:
    links = {
        link.text.split()[-1]: link["href"] for link in browse(reader, "/activity").all("a") if "?user" in link["href"]
    }

    page = browse(reader, links["Ben"])

    assert links.keys() == {"Ann", "Ben", "Cleo"}
    assert lines(page) == ["Ben’s list was read for the first time: 2 titles"]
    assert page.one("a", **{"aria-current": "true"}, href=links["Ben"]).text.split() == ["Be", "Ben"]


@pytest.mark.parametrize("query", ["user=99", "user=x", "user=1&user=2", "after=x", "colour=red"])
def test_wrong_address_is_explained(reader: FlaskClient, query: str) -> None:
    reply = reader.get(f"/activity?{query}")

    assert reply.status_code == 422
    assert Seen(reply).one("h1").text == "Invalid address"


@pytest.mark.slow
def test_hidden_names_are_hidden_here_too(filled: Household) -> None:
    filled.plex.people["token-of-ben-0123456789"].always = status(500)
    filled.plex.people["token-of-cleo-0123456789"].rows = [row("1", "Alpha", year=1999)]
    filled.sync()
    with visitor(filled, names="hidden") as client:
        text = client.get("/activity").text + client.get(f"/title/{1:024x}").text
        assert not re.search("Ann|Ben|Cleo", text)
        assert ">Person 3</b> added" in text
    with keeping(filled, names="hidden") as client:
        assert {"Ann", "Ben", "Cleo"} <= set(re.findall(r"\w+", client.get("/activity").text))


@pytest.mark.slow
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


@pytest.mark.slow
def test_all_of_it_works_under_a_path(filled: Household) -> None:
    with keeping(filled, url_base="/plex-wishlist") as client:
        page = browse(client, "/plex-wishlist/activity")
        addresses = [link["href"] for link in page.all("a")] + [form["action"] for form in page.all("form")]

        assert {address.split("/")[1] for address in addresses if address[0] != "#"} == {"plex-wishlist"}
        assert client.post("/plex-wishlist/syncs").location == "/plex-wishlist/syncs"
