"""Titles and details come in the language of PLEX_LANGUAGE, and again after a change."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.fake_plex import Handler, row
from tests.support.household import Household, make_plex_client


def sync(household: Household, language: str) -> None:
    """A sync of a service with this language."""
    household.config = replace(household.config, plex_language=language)
    household.sync(plex=make_plex_client(household.config))


@pytest.fixture
def translated(household: Household) -> Household:
    """Ann wants a film with a title in each language."""
    household.add("Ann", [row("1", "Alpha")])

    def watchlist(handler: Handler) -> None:
        language = handler.headers["X-Plex-Language"]
        handler.person = replace(handler.person, rows=[row("1", f"Alpha in {language}")])  # pyright: ignore
        Handler.watchlist(handler)

    household.plex.routes["GET", "/library/sections/watchlist/all"] = watchlist
    return household


def details_due(household: Household) -> Any:
    found = household.conn.execute("SELECT details_due_at FROM wishlist_items").fetchone()
    assert found
    return found["details_due_at"]


def test_english_is_asked_for_unless_set(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])

    household.sync()

    for asked in household.plex.asked:
        assert (asked.headers["X-Plex-Language"], asked.headers["Accept-Language"]) == ("en", "en")


def test_language_is_sent_with_each_request(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET account_checked = false")

    sync(household, "pt-BR")

    assert {asked.path for asked in household.plex.asked} == {"/library/sections/watchlist/all", "/api/v2/user"}
    for asked in household.plex.asked:
        assert (asked.headers["X-Plex-Language"], asked.headers["Accept-Language"]) == ("pt-BR", "pt-BR")


def test_change_of_language_reads_titles_and_details_again(translated: Household) -> None:
    sync(translated, "en")
    translated.conn.execute("UPDATE wishlist_items SET details_due_at = NULL")
    sync(translated, "en")
    assert (translated.titles("Ann"), details_due(translated)) == (["Alpha in en"], None)

    sync(translated, "de")

    assert translated.titles("Ann") == ["Alpha in de"]
    assert details_due(translated) is not None
    translated.conn.execute("UPDATE wishlist_items SET details_due_at = NULL")
    sync(translated, "de")
    assert details_due(translated) is None


def test_name_of_the_account_is_read_again_after_a_day(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.sync()
    ann.username = "ann-married"
    household.sync()
    assert household.user("Ann")["plex_username"] == "ann"

    household.conn.execute("UPDATE plex_users SET account_read_at = now() - interval '1 day'")
    household.sync()
    household.sync()

    assert household.user("Ann")["plex_username"] == "ann-married"
    assert len(household.plex.requests_for("token-of-ann-0123456789", "/api/v2/user")) == 1


def test_account_that_does_not_answer_is_asked_at_the_next_sync(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    household.conn.execute("UPDATE plex_users SET account_read_at = now() - interval '1 day'")
    ann.username, ann.account_status = "ann-married", 403

    assert household.sync().status == "succeeded"
    ann.account_status = 200
    household.sync()

    assert household.user("Ann")["plex_username"] == "ann-married"
