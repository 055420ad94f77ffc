"""Lists that Plex counts wrongly for good, and rows that are no title: no closed door, and no wish is lost."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.fake_plex import FakePlex, Handler, row
from tests.support.household import Household
from tests.support.slow import slow
from wishlist_service.errors import Miscounted
from wishlist_service.plex.client import PlexClient

ALPHA, BETA, GAMMA = row("1", "Alpha"), row("2", "Beta"), row("3", "Gamma")
VIDEO = {
    "type": "movie",
    "title": "Summer 2019",
    "guid": "local://77",
    "ratingKey": "77",
    "key": "/library/metadata/77",
}
TOKEN = "token-of-the-test-0123456789"


def sentence(counted: int, shown: int) -> str:
    titles = "title" if counted == 1 else "titles"
    return f"Plex counts {counted} {titles} but shows {shown}. Removals wait until they agree."


def a_list_that_is_counted_wrongly(household: Household, rows: list[dict[str, Any]], *, gap: int) -> Any:
    ann = household.add("Ann", [ALPHA, BETA])
    household.sync()
    ann.rows, ann.total_size = rows, len(rows) + gap
    return ann


def states(household: Household) -> tuple[str, str | None]:
    user = household.user("Ann")
    return user["sync_state"], user["sync_detail"]


@pytest.mark.slow
@pytest.mark.parametrize("gap", [1, 5, -1])
def test_miscount_that_lasts_adds_from_the_second_read_on_and_removes_nothing(household: Household, gap: int) -> None:
    ann = a_list_that_is_counted_wrongly(household, [GAMMA, ALPHA], gap=gap)

    first = household.sync()
    assert (first.status, states(household)[0]) == ("failed", "plex_changed")
    assert household.titles("Ann") == ["Alpha", "Beta"]

    second = household.sync()
    assert second.status == "succeeded"
    assert states(household) == ("ok", sentence(2 + gap, 2))
    assert household.titles("Ann") == ["Alpha", "Beta", "Gamma"]
    assert household.user("Ann")["list_etag"] is None

    ann.rows, ann.total_size = [row("4", "Delta"), GAMMA, ALPHA], 3 + gap
    household.sync()
    assert states(household) == ("ok", sentence(3 + gap, 3))
    assert household.titles("Ann") == ["Alpha", "Beta", "Delta", "Gamma"]

    ann.total_size = None
    household.sync()
    assert states(household) == ("ok", None)
    assert household.titles("Ann") == ["Alpha", "Delta", "Gamma"]


def test_person_who_is_new_is_read_though_plex_counts_wrongly(household: Household) -> None:
    household.add("Ann", [ALPHA, BETA]).total_size = 3

    household.sync()
    household.sync()

    assert states(household) == ("ok", sentence(3, 2))
    assert household.titles("Ann") == ["Alpha", "Beta"]
    assert household.user("Ann")["last_success_at"] is not None


@pytest.mark.slow
def test_gap_that_changes_and_rows_that_change_are_refused(household: Household) -> None:
    ann = a_list_that_is_counted_wrongly(household, [GAMMA, ALPHA], gap=1)
    household.sync()

    ann.total_size = 4
    household.sync()
    assert states(household)[0] == "plex_changed"
    ann.rows = [row("4", "Delta"), ALPHA]
    household.sync()
    assert states(household)[0] == "plex_changed"
    assert household.titles("Ann") == ["Alpha", "Beta"]

    household.sync()
    assert states(household)[0] == "ok"
    ann.total_size = 5
    household.sync()
    assert states(household)[0] == "plex_changed"


@pytest.mark.slow
def test_read_that_gives_no_rows_between_two_alike_is_none(household: Household) -> None:
    ann = a_list_that_is_counted_wrongly(household, [GAMMA, ALPHA], gap=1)
    household.sync()
    ann.always = lambda handler: handler.send_json(503, {})
    household.sync()
    ann.always = None

    assert household.sync().status == "succeeded"


def test_size_that_pages_claim_wrongly_is_a_miscount_too(plex: FakePlex, plex_client: PlexClient) -> None:
    plex.add(TOKEN)

    def page(handler: Handler) -> None:
        handler.send_json(200, {"MediaContainer": {"offset": 0, "totalSize": 2, "size": 3, "Metadata": [ALPHA, BETA]}})

    plex.routes["GET", "/library/sections/watchlist/all"] = page
    with pytest.raises(Miscounted) as caught:
        plex_client.watchlist(TOKEN)

    watchlist = plex_client.watchlist(TOKEN, miscount=caught.value.memory)

    assert watchlist is not None
    assert str(watchlist.miscount) == "Plex counts 3 titles but shows 2"
    assert len(watchlist.entries) == 2


@pytest.mark.slow
def test_list_of_many_pages_with_a_title_twice_may_be_counted_wrongly(household: Household) -> None:
    rows = [row(f"{number:x}", f"Film {number:03}") for number in range(1, 231)]
    household.add("Ann", [*rows, rows[0]]).total_size = 240

    household.sync()
    household.sync()

    assert states(household) == ("ok", sentence(240, 231))
    assert len(household.titles("Ann")) == 230


@pytest.mark.parametrize(
    "odd",
    [VIDEO, *slow({"title": "No id"}, row("9", "A clip", media_type="clip"), row("9", "", year=None))],
    ids=["home video", "no id", "unknown type", "no title"],
)
def test_row_that_is_no_title_is_counted_and_shown(household: Household, odd: dict[str, Any]) -> None:
    ann = household.add("Ann", [odd, ALPHA])

    for _ in range(2):
        run = household.sync()
        assert run.status == "succeeded"
        assert states(household) == (
            "ok",
            "1 row of the list is not a movie or show that can be read. It is left out.",
        )
    ann.rows = [odd, {"title": "Another"}, ALPHA]
    household.sync()
    assert states(household)[1] == "2 rows of the list are not movies or shows that can be read. They are left out."
    ann.rows = [ALPHA]
    household.sync()
    assert states(household) == ("ok", None)


def an_odd_row(household: Household) -> Any:
    ann = household.add("Ann", [VIDEO, ALPHA, BETA, GAMMA])
    household.sync()
    return ann


def later(household: Household, **time: float) -> None:
    household.conn.execute("UPDATE plex_users SET odd_rows_since = odd_rows_since - %s", [timedelta(**time)])


def test_row_that_is_no_title_holds_missing_titles_for_a_day_at_most(household: Household) -> None:
    ann = an_odd_row(household)
    ann.rows = [VIDEO, BETA, GAMMA]

    for _ in range(3):
        later(household, hours=7)
        household.sync()
        assert states(household)[0] == "held"
        assert household.titles("Ann") == ["Alpha", "Beta", "Gamma"]
    later(household, hours=7)
    household.sync()

    assert household.titles("Ann") == ["Beta", "Gamma"]
    assert states(household)[0] == "ok"


@pytest.mark.slow
def test_after_that_day_what_two_full_reads_miss_is_removed(household: Household) -> None:
    ann = an_odd_row(household)
    later(household, days=30)
    ann.rows = [VIDEO, BETA, GAMMA]

    household.sync()
    assert (states(household)[0], household.titles("Ann")) == ("held", ["Alpha", "Beta", "Gamma"])
    ann.rows = [VIDEO, GAMMA]
    household.sync()
    assert (states(household)[0], household.titles("Ann")) == ("held", ["Beta", "Gamma"])
    ann.rows = [VIDEO, BETA, GAMMA]
    household.sync()

    assert (states(household)[0], household.titles("Ann")) == ("ok", ["Beta", "Gamma"])
    ann.rows = [VIDEO, GAMMA]
    household.sync()
    assert (states(household)[0], household.titles("Ann")) == ("held", ["Beta", "Gamma"])


@pytest.mark.slow
def test_day_begins_anew_once_all_rows_were_titles(household: Household) -> None:
    ann = an_odd_row(household)
    later(household, days=2)
    ann.rows = [ALPHA, BETA, GAMMA]
    household.sync()
    assert household.user("Ann")["odd_rows_since"] is None
    ann.rows = [VIDEO, BETA, GAMMA]

    for _ in range(3):
        household.sync()

    assert household.titles("Ann") == ["Alpha", "Beta", "Gamma"]


def test_additions_do_not_wait_for_a_row_that_is_no_title(household: Household) -> None:
    ann = an_odd_row(household)
    ann.rows = [row("4", "Delta"), VIDEO, BETA, GAMMA]

    household.sync()

    assert household.titles("Ann") == ["Alpha", "Beta", "Delta", "Gamma"]
