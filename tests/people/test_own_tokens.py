"""People who are read through somebody else get a token of their own, give it back, move, and are erased."""

import pytest

from tests.support.fake_pins import Pins
from tests.support.neighbours import Neighbours
from tests.support.sign_ins import start, wait_for_end
from wishlist_service.people import sign_ins

FAY = "token-of-fay-0123456789"
BEN = "own-token-of-ben-0123456789"


def test_token_by_hand_makes_the_same_row_own_and_keeps_its_via(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    reply = neighbours.api.post("/api/users", json={"name": "Another name", "token": FAY})

    assert reply.status_code == 200
    assert (reply.json["id"], reply.json["name"], reply.json["source"]) == (2, "Fay", "own")
    assert (reply.json["via"], reply.json["token_masked"]) == ({"id": 1, "name": "Ann"}, "****6789")
    assert neighbours.api.get("/api/users").json["total"] == 2


def test_token_by_patch_makes_the_same_row_own(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.ben, pin="7391")

    wrong = neighbours.api.patch("/api/users/2", json={"token": FAY})
    right = neighbours.api.patch("/api/users/2", json={"token": BEN})

    assert wrong.status_code == 409
    assert (right.json["source"], right.json["via"]["id"]) == ("own", 1)


def test_sign_in_by_link_makes_the_same_row_own(neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(sign_ins, "LOOK_SECONDS", 0.01)
    pins = Pins(neighbours.plex)
    neighbours.add(neighbours.fay)
    neighbours.add(neighbours.ben, pin="7391")

    renewed, new = start(neighbours.api, "/api/users/2/link"), start(neighbours.api, name="Somebody")
    pins.agree(renewed["code"], FAY)
    pins.agree(new["code"], BEN)

    people = [wait_for_end(neighbours.api, link).json["user"] for link in (renewed, new)]
    assert [(person["id"], person["name"], person["source"]) for person in people] == [
        (2, "Fay", "own"),
        (3, "Ben", "own"),
    ]


def test_token_given_back_makes_them_again_what_they_were(neighbours: Neighbours) -> None:
    for person, more in ((neighbours.fay, {}), (neighbours.ben, {"pin": "7391"})):
        neighbours.add(person, **more)
    for token in (FAY, BEN):
        neighbours.api.post("/api/users", json={"name": "x", "token": token})

    friend, member = (neighbours.api.delete(f"/api/users/{number}/token") for number in (2, 3))

    assert (friend.status_code, member.status_code) == (200, 200)
    assert [(reply.json["source"], reply.json["token_masked"]) for reply in (friend, member)] == [
        ("friend", None),
        ("home", None),
    ]
    assert neighbours.household.user("Ben")["plex_pin"] is not None


def test_token_cannot_be_given_back_by_those_who_need_it_or_have_none(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    needs, has_none, unknown = (neighbours.api.delete(f"/api/users/{number}/token") for number in (1, 2, 99))

    assert [reply.status_code for reply in (needs, has_none, unknown)] == [409, 409, 404]
    assert "never read through somebody else" in needs.json["detail"]
    assert "has no token of their own" in has_none.json["detail"]


@pytest.mark.slow
def test_person_moves_to_another_sign_in_that_shows_the_same_account(neighbours: Neighbours) -> None:
    zoe = neighbours.household.add("Zoe")
    neighbours.add(neighbours.kim)
    neighbours.add(neighbours.fay)
    neighbours.friends.befriend(zoe, neighbours.fay)

    moved = neighbours.api.patch("/api/users/4", json={"via": 2})
    unseen = neighbours.api.patch("/api/users/3", json={"via": 2})
    unknown = neighbours.api.patch("/api/users/3", json={"via": 99})
    herself = neighbours.api.patch("/api/users/2", json={"via": 2})

    assert (moved.status_code, moved.json["via"], moved.json["source"]) == (200, {"id": 2, "name": "Zoe"}, "friend")
    assert [reply.status_code for reply in (unseen, unknown, herself)] == [422, 422, 422]
    assert "Plex does not show this account to Zoe" in unseen.json["errors"][0]["detail"]


@pytest.mark.slow
def test_right_pin_is_stored_and_a_wrong_one_changes_nothing(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.ben, pin="7391")
    neighbours.add(neighbours.fay)
    neighbours.home.members[neighbours.ben.uuid].pin = "1111"
    before = neighbours.household.user("Ben")

    wrong = neighbours.api.patch("/api/users/2", json={"pin": "7391"})
    between = neighbours.household.user("Ben")
    right = neighbours.api.patch("/api/users/2", json={"pin": "1111"})
    friend = neighbours.api.patch("/api/users/3", json={"pin": "1111"})

    assert (wrong.status_code, right.status_code, friend.status_code) == (422, 200, 422)
    assert between == before
    assert neighbours.household.user("Ben")["plex_pin"] != before["plex_pin"]
    assert right.json["sync_state"] == "never"


def test_friends_of_a_paused_or_erased_person_say_whom_to_resume(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.add(neighbours.kim)

    neighbours.api.delete("/api/users/1")
    paused = [neighbours.api.get(f"/api/users/{number}").json for number in (2, 3)]
    neighbours.api.patch("/api/users/1", json={"active": True})
    due = neighbours.household.user("Fay")
    neighbours.api.delete("/api/users/1?purge=true")
    erased = neighbours.api.get("/api/users/2").json

    assert [person["sync_state"] for person in paused] == ["via_unavailable", "never"]
    assert paused[0]["sync_detail"] == "This list is read through Ann, who is paused. Resume Ann."
    assert due["next_sync_at"] is not None
    assert (erased["sync_state"], erased["via"]) == ("via_unavailable", None)
    assert "Send a sign-in link, or choose another person as via" in erased["sync_detail"]


def test_friend_of_somebody_without_a_token_of_their_own_is_unavailable(neighbours: Neighbours) -> None:
    zoe = neighbours.household.add("Zoe")
    neighbours.friends.befriend(neighbours.ann, zoe)
    neighbours.friends.befriend(zoe, neighbours.fay)
    neighbours.add(neighbours.fay, via=2)
    neighbours.api.patch("/api/users/2", json={"via": 1})

    neighbours.api.delete("/api/users/2/token")

    assert neighbours.api.get("/api/users/3").json["sync_state"] == "via_unavailable"


def test_erased_person_comes_back_through_somebody_only_when_asked_for(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.api.delete("/api/users/2?purge=true")
    dump = str(neighbours.conn.execute("SELECT * FROM erased_accounts").fetchall())

    unasked = neighbours.add(neighbours.fay)
    asked = neighbours.add(neighbours.fay, again=True)
    neighbours.api.delete(f"/api/users/{asked.json['id']}")

    assert (unasked.status_code, asked.status_code) == (409, 201)
    assert '"again": true' in unasked.json["detail"]
    assert neighbours.fay.uuid not in dump


def test_own_token_of_an_erased_person_needs_no_such_word(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.api.delete("/api/users/2?purge=true")

    reply = neighbours.api.post("/api/users", json={"name": "Fay", "token": FAY})

    assert (reply.status_code, reply.json["source"]) == (201, "own")


def test_paused_person_is_not_remembered_as_erased(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    neighbours.api.delete("/api/users/2")

    assert neighbours.conn.execute("SELECT * FROM erased_accounts").fetchall() == []
