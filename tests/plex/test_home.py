"""Plex Home: who is shown to its admin, and tokens that act as a member."""

import logging

import pytest

from tests.support.fake_friends import Friends, answer
from tests.support.fake_home import Home
from tests.support.fake_plex import FakePlex, Person
from tests.support.plex_faults import status
from wishlist_service.errors import (
    PinRejected,
    PlexChanged,
    PlexError,
    RateLimited,
    Refused,
    TokenRejected,
    Unreachable,
)
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.contacts import join, parse_members, parse_others

ANN = "token-of-ann-0123456789"


@pytest.fixture
def ann(plex: FakePlex) -> Person:
    return plex.add(ANN, username="ann")


@pytest.fixture
def home(plex: FakePlex, ann: Person) -> Home:
    return Home(plex, ann)


@pytest.fixture
def friends(plex: FakePlex) -> Friends:
    return Friends(plex)


def test_admin_is_shown_members_friends_and_others_each_once(
    plex: FakePlex, plex_client: PlexClient, home: Home, friends: Friends, ann: Person
) -> None:
    ben, kim = home.join("Ben", pin="1234"), home.join("Kim", managed=True)
    fay = plex.add("token-of-fay", username="fay")
    oz = plex.add("token-of-oz", username="oz")
    friends.befriend(ann, ben, fay)
    home.others = [fay, oz]

    contacts = plex_client.contacts(ANN)

    assert [(found.plex_uuid, found.username, found.title, found.kind, found.protected) for found in contacts] == [
        (ben.uuid, "ben", "Ben", "home", True),
        (kim.uuid, None, "Kim", "managed", False),
        (fay.uuid, "fay", "Fay", "friend", False),
        (oz.uuid, "oz", "Oz", "other", False),
    ]


def test_member_who_is_no_admin_is_shown_friends_alone(
    plex: FakePlex, plex_client: PlexClient, home: Home, friends: Friends
) -> None:
    ben = home.join("Ben")
    friends.befriend(ben, plex.add("token-of-fay", username="fay"))

    contacts = plex_client.contacts("own-token-of-ben-0123456789")

    assert [(found.username, found.kind) for found in contacts] == [("fay", "friend")]


def test_members_listed_to_somebody_who_is_no_admin_are_left_out() -> None:
    body = {"users": [{"uuid": "a1", "title": "Ann", "admin": True}, {"uuid": "b2", "title": "Ben", "admin": False}]}

    assert parse_members(body, admin_uuid="b2") == []
    assert [found.title for found in parse_members(body, admin_uuid="a1")] == ["Ann", "Ben"]


def test_person_with_access_without_a_picture_is_left_out_since_nothing_identifies_them() -> None:
    users = [{"title": "Oz", "thumb": ""}, {"title": "Fay", "thumb": "https://plex.tv/users/f1/avatar?c=1"}]

    assert [found.plex_uuid for found in parse_others({"MediaContainer": {"User": users}})] == ["f1"]
    assert parse_others({"MediaContainer": {}}) == []


@pytest.mark.parametrize(
    "body", [None, [], {}, {"users": {}}, {"MediaContainer": {"User": "x"}}, {"MediaContainer": 1}]
)
def test_reply_of_another_shape_is_an_error_and_not_nobody(body: object) -> None:
    with pytest.raises(PlexChanged):
        parse_others(body)
    if body != []:
        with pytest.raises(PlexChanged):
            parse_members(body, admin_uuid="a1")


def test_account_itself_is_left_out_and_the_first_list_wins() -> None:
    body = {"users": [{"uuid": "a1", "title": "Ann", "admin": True}, {"uuid": "b2", "title": "Ben"}]}
    members = parse_members(body, admin_uuid="a1")

    assert [found.title for found in join(members, members, own_uuid="a1")] == ["Ben"]


@pytest.mark.parametrize("fault", [status(500), status(200, body=b"<html>", kind="text/html"), answer(users=1)])
def test_contacts_that_cannot_be_listed_completely_are_an_error(
    plex_client: PlexClient, home: Home, friends: Friends, fault: object
) -> None:
    home.listing_faults.append(fault)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PlexError):
        plex_client.contacts(ANN)

    friends.friends_faults.append(fault)  # pyright: ignore[reportArgumentType]
    with pytest.raises(PlexError):
        plex_client.contacts(ANN)


def test_errors_beside_friends_are_an_error(plex_client: PlexClient, home: Home, friends: Friends) -> None:
    friends.friends_faults.append(answer(data={"allFriendsV2": []}, errors=[{"message": "Internal error"}]))

    with pytest.raises(PlexChanged):
        plex_client.contacts(ANN)


def test_switch_gives_a_token_of_the_member(plex: FakePlex, plex_client: PlexClient, home: Home) -> None:
    ben = home.join("Ben")

    token = plex_client.switch(ANN, ben.uuid, pin=None)

    assert plex.people[token] is ben
    assert plex_client.account(token).uuid == ben.uuid


@pytest.mark.parametrize("pin", [None, "0000"])
def test_missing_or_wrong_pin_is_told_apart_from_other_refusals(
    plex_client: PlexClient, home: Home, pin: str | None
) -> None:
    ben = home.join("Ben", pin="1234")

    with pytest.raises(PinRejected):
        plex_client.switch(ANN, ben.uuid, pin=pin)
    assert plex_client.switch(ANN, ben.uuid, pin="1234")


def test_token_of_another_account_than_asked_for_is_never_used(
    plex_client: PlexClient, home: Home, ann: Person
) -> None:
    kim = home.join("Kim", managed=True)
    home.gives_instead = ann

    with pytest.raises(PlexChanged, match="instead of the one that was asked for"):
        plex_client.switch(ANN, kim.uuid, pin=None)


def test_refused_switch_says_whether_the_admins_token_is_the_reason(
    plex: FakePlex, plex_client: PlexClient, home: Home
) -> None:
    ben = home.join("Ben")

    with pytest.raises(Refused):
        plex_client.switch(ANN, "0000000000000000", pin=None)
    with pytest.raises(Refused):
        plex_client.switch("own-token-of-ben-0123456789", ben.uuid, pin=None)
    del plex.people[ANN]
    with pytest.raises(TokenRejected):
        plex_client.switch(ANN, ben.uuid, pin=None)


def test_limit_on_switches_is_obeyed_without_a_time_and_holds_up_no_list(plex_client: PlexClient, home: Home) -> None:
    ben = home.join("Ben")
    home.faults.append(status(429))

    for _ in range(2):
        with pytest.raises(RateLimited):
            plex_client.switch(ANN, ben.uuid, pin=None)

    assert len(home.switches) == 1
    assert plex_client.watchlist(ANN) is not None


def test_switch_is_asked_for_once_when_plex_does_not_answer(plex_client: PlexClient, home: Home) -> None:
    ben = home.join("Ben")
    home.faults.append(status(503))

    with pytest.raises(Unreachable):
        plex_client.switch(ANN, ben.uuid, pin=None)

    assert len(home.switches) == 1


def test_pin_is_in_no_log_line(plex_client: PlexClient, home: Home, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "urllib3")  # where messages are sent, it is higher
    ben = home.join("Ben", pin="7391")

    plex_client.switch(ANN, ben.uuid, pin="7391")
    with pytest.raises(PinRejected):
        plex_client.switch(ANN, ben.uuid, pin="8264")

    assert "/switch" in caplog.text
    assert "7391" not in caplog.text
    assert "8264" not in caplog.text
