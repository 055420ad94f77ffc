"""A title put on, or taken off, the watchlist of the person who asks for it."""

import pytest

from tests.support.fake_actions import Actions
from tests.support.fake_plex import row
from tests.support.household import Household, token_of
from tests.support.plex_faults import status
from tests.support.slow import slow
from wishlist_service import db
from wishlist_service.errors import PlexChanged, PlexError, RateLimited, TokenRejected
from wishlist_service.models import Wisher
from wishlist_service.queries.wishes import list_wishers
from wishlist_service.write_back import watchlists


def wisher(household: Household, name: str, key: str) -> Wisher:
    uid, user_id = f"plex://movie/{key}", household.user(name)["id"]
    [found] = db.ask(household.config.database_url, list_wishers, uids=[uid], user_ids=[user_id])
    return found


def change(household: Household, action: object, name: str, key: str) -> None:
    """Put the title on the person's watchlist, or take it off."""
    assert action in (watchlists.add_own, watchlists.take_off_own)
    action(
        lambda: db.connect(household.config.database_url, role="test"),
        household.plex_client,
        household.cipher,
        wisher(household, name, key),
    )


def test_added_title_is_wanted_at_once_and_the_next_sync_changes_nothing(filled: Household, actions: Actions) -> None:
    change(filled, watchlists.add_own, "Cleo", f"{1:024x}")

    assert actions.added == [("cleo", f"{1:024x}")]
    assert [each["title"] for each in filled.plex.people[token_of("Cleo")].rows] == ["Alpha"]
    assert filled.titles("Cleo") == ["Alpha"]
    filled.sync()
    assert {result.outcome for result in filled.results} == {"unchanged"}
    assert filled.titles("Cleo") == ["Alpha"]


def test_title_that_she_wants_already_stays_as_it_was(filled: Household, actions: Actions) -> None:
    before = filled.conn.execute("SELECT * FROM wishlist_item_sources ORDER BY item_id, user_id").fetchall()

    change(filled, watchlists.add_own, "Ann", f"{1:024x}")

    assert filled.conn.execute("SELECT * FROM wishlist_item_sources ORDER BY item_id, user_id").fetchall() == before


def test_title_is_found_on_the_second_page(filled: Household, actions: Actions) -> None:
    cleo = filled.plex.people[token_of("Cleo")]
    cleo.rows = [row(f"{number:x}", f"Title {number}") for number in range(100, 230)]
    cleo.rows.append(next(each for each in filled.plex.people[token_of("Ann")].rows if each["title"] == "Alpha"))

    change(filled, watchlists.add_own, "Cleo", f"{1:024x}")

    assert filled.titles("Cleo") == ["Alpha"]


def test_removed_title_is_gone_at_once(filled: Household, actions: Actions) -> None:
    change(filled, watchlists.take_off_own, "Ann", f"{1:024x}")

    assert actions.done == [("ann", f"{1:024x}")]
    assert "Alpha" not in filled.titles("Ann")
    assert "Alpha" in filled.titles("Ben")
    filled.sync()
    assert {result.outcome for result in filled.results} == {"unchanged"}


@pytest.mark.parametrize(
    ("action", "said"),
    [(watchlists.add_own, "does not show the title"), (watchlists.take_off_own, "still shows the title")],
)
def test_what_plex_confirms_but_does_not_show_is_not_stored(
    filled: Household, actions: Actions, action: object, said: str
) -> None:
    actions.forgetful = True
    name = "Cleo" if action is watchlists.add_own else "Ann"
    before = filled.titles(name)

    with pytest.raises(PlexChanged, match=said):
        change(filled, action, name, f"{1:024x}")

    assert filled.titles(name) == before


@pytest.mark.parametrize(("code", "error"), [(429, RateLimited), *slow((401, TokenRejected), (503, PlexError))])
def test_what_plex_refuses_is_not_stored(
    filled: Household, actions: Actions, code: int, error: type[PlexError]
) -> None:
    actions.faults.append(status(code))
    if code == 401:
        filled.plex.people[token_of("Cleo")].account_status = 401

    with pytest.raises(error):
        change(filled, watchlists.add_own, "Cleo", f"{1:024x}")

    assert filled.titles("Cleo") == []
