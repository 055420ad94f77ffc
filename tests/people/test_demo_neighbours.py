"""Whom the demo's Ann brings along."""

from tests.demo.__main__ import bring_neighbours
from tests.demo.history import token_of
from tests.demo.titles import titles
from tests.support.household import Household


def test_demo_has_a_home_with_a_child_and_two_friends_of_whom_one_is_hidden(household: Household) -> None:
    rows = {title.name: title.row("https://image.example.test/a.svg") for title in titles().values()}
    for name in ("Ann", "Ben"):
        household.plex.add(token_of(name), username=name.lower())

    _home, friends = bring_neighbours(household.plex, rows)

    contacts = household.plex_client.contacts(token_of("Ann"))
    assert [(found.title, found.kind) for found in contacts] == [
        ("Ben", "home"),
        ("Kim", "managed"),
        ("Hugo", "friend"),
        ("Ines", "friend"),
    ]
    assert friends.hidden == {contacts[3].plex_uuid}
