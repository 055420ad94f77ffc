"""People read through somebody else: whom Plex shows, adding them, what is refused, and what is stored of it."""

import logging
from typing import Any

import pytest

from tests.support.neighbours import ANN, Neighbours
from tests.support.plex_faults import status
from tests.support.processes import environment, program
from tests.support.slow import slow
from wishlist_service.tokens import PIN, TokenCipher


def test_contacts_are_those_whom_plex_shows_with_the_people_who_are_here(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    reply = neighbours.api.get("/api/users/1/contacts")

    assert reply.status_code == 200
    assert reply.json["total"] == 4
    shown = [
        (each["title"], each["username"], each["kind"], each["protected"], each["user_id"])
        for each in reply.json["items"]
    ]
    assert shown == [
        ("Ben", "ben", "home", True, None),
        ("Kim", None, "managed", False, None),
        ("Fay", "fay", "friend", False, 2),
        ("Oz", "oz", "other", False, None),
    ]


def test_contacts_need_the_api_key_and_a_person_with_a_token_of_their_own(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    unknown, friend = (neighbours.api.get(f"/api/users/{number}/contacts") for number in (99, 2))
    keyless = neighbours.api.get("/api/users/1/contacts", headers={"X-API-Key": "wrong-key-0123456789"})
    neighbours.api.patch("/api/users/1", json={"active": False})
    paused = neighbours.api.get("/api/users/1/contacts")

    assert [reply.status_code for reply in (unknown, friend, keyless, paused)] == [404, 409, 401, 409]


def test_contacts_that_plex_refuses_are_a_502_with_a_sentence(neighbours: Neighbours) -> None:
    neighbours.friends.friends_faults.append(status(503))
    away = neighbours.api.get("/api/users/1/contacts")
    del neighbours.plex.people[ANN]
    refused = neighbours.api.get("/api/users/1/contacts")

    assert (away.status_code, refused.status_code) == (502, 502)
    assert "Plex has an error (HTTP 503)" in away.json["detail"]
    assert "Plex no longer accepts the token of Ann" in refused.json["detail"]


def test_member_of_a_home_is_added_with_what_plex_calls_them(neighbours: Neighbours) -> None:
    reply = neighbours.add(neighbours.kim)

    assert reply.status_code == 201
    assert neighbours.api.get(reply.headers["Location"]).json == reply.json
    assert (reply.json["name"], reply.json["source"], reply.json["via"]) == ("Kim", "home", {"id": 1, "name": "Ann"})
    assert (reply.json["token_masked"], reply.json["sync_state"]) == (None, "never")


def test_friend_is_added_without_a_token(neighbours: Neighbours) -> None:
    reply = neighbours.add(neighbours.fay, name="Faye")

    assert (reply.json["name"], reply.json["source"], reply.json["plex_username"]) == ("Faye", "friend", "fay")
    assert neighbours.household.user("Faye")["plex_token"] is None


def test_taken_name_gets_a_number_unless_it_was_chosen(neighbours: Neighbours) -> None:
    neighbours.household.add("kim")

    assert neighbours.add(neighbours.kim, name="KIM").status_code == 409
    assert neighbours.add(neighbours.kim).json["name"] == "Kim (2)"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"via": 99}, "via"),
        ({"via": "1"}, "via"),
        *slow(
            ({"via": None}, "via"),
            ({"plex_uuid": "0000000000000000"}, "plex_uuid"),
            ({"plex_uuid": 5}, "plex_uuid"),
            ({"token": "some-token-0123456789"}, "body"),
            ({"again": "yes"}, "again"),
            ({"pin": ""}, "pin"),
            ({"nonsense": 1}, "nonsense"),
        ),
    ],
)
def test_wrong_field_is_named_and_nothing_is_stored(neighbours: Neighbours, change: dict[str, Any], field: str) -> None:
    reply = neighbours.add(neighbours.kim, **change)

    assert reply.status_code == 422
    assert field in [error["field"] for error in reply.json["errors"]]
    assert neighbours.api.get("/api/users").json["total"] == 1


def test_person_who_only_has_access_to_servers_is_refused_with_what_to_do(neighbours: Neighbours) -> None:
    reply = neighbours.add(neighbours.oz)

    assert reply.status_code == 422
    assert reply.json["errors"][0]["field"] == "plex_uuid"
    assert "Send Oz a sign-in link" in reply.json["errors"][0]["detail"]


def test_via_must_be_active_and_have_a_token_of_their_own(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    through_friend = neighbours.add(neighbours.kim, via=2)
    neighbours.api.patch("/api/users/1", json={"active": False})
    through_paused = neighbours.add(neighbours.kim)

    for reply, text in ((through_friend, "Fay has no token of their own"), (through_paused, "Ann is paused")):
        assert reply.status_code == 422
        assert reply.json["errors"][0]["field"] == "via"
        assert text in reply.json["errors"][0]["detail"]


@pytest.mark.slow
def test_missing_and_wrong_pins_are_told_at_the_field(neighbours: Neighbours) -> None:
    missing, wrong = neighbours.add(neighbours.ben), neighbours.add(neighbours.ben, pin="0000")
    right = neighbours.add(neighbours.ben, pin="7391")
    needless = neighbours.add(neighbours.fay, pin="7391")

    assert [reply.status_code for reply in (missing, wrong, right, needless)] == [422, 422, 201, 422]
    assert {reply.json["errors"][0]["field"] for reply in (missing, wrong, needless)} == {"pin"}


def test_account_that_is_here_is_a_conflict(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    again, herself = neighbours.add(neighbours.fay, name="Another"), neighbours.add(neighbours.ann)

    assert (again.status_code, herself.status_code) == (409, 409)
    assert "already belongs to Fay" in again.json["detail"]


@pytest.mark.parametrize("fault", [status(500), *slow(status(429), status(404))])
def test_nothing_is_stored_when_plex_cannot_be_asked(neighbours: Neighbours, fault: Any) -> None:
    neighbours.home.faults.append(fault)

    reply = neighbours.add(neighbours.kim)

    assert reply.status_code == 502
    assert neighbours.api.get("/api/users").json["total"] == 1


def test_token_of_another_account_is_never_stored_under_a_members_name(neighbours: Neighbours) -> None:
    neighbours.home.gives_instead = neighbours.ann

    reply = neighbours.add(neighbours.kim)

    assert reply.status_code == 502
    assert "instead of the one that was asked for" in reply.json["detail"]
    assert neighbours.api.get("/api/users").json["total"] == 1


def test_pin_and_switched_token_are_encrypted_and_shown_nowhere(
    neighbours: Neighbours, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    added = neighbours.add(neighbours.ben, pin="7391")
    refused = neighbours.add(neighbours.kim, pin="82645", name="Ann")

    [token] = neighbours.home.members[neighbours.ben.uuid].tokens
    stored = neighbours.household.user("Ben")
    cipher = neighbours.household.cipher
    assert cipher.decrypt(stored["plex_pin"], owner=2, column=PIN) == "7391"
    assert cipher.decrypt(stored["plex_token"], owner=2) == token
    replies = [added.text, refused.text, neighbours.api.get("/api/users").text, neighbours.api.get("/api/users/2").text]
    for text in [*replies, str(stored), caplog.text]:
        assert "7391" not in text
        assert "82645" not in text
        assert token not in text


@pytest.mark.slow
def test_rotation_carries_pins_switched_tokens_and_the_memory_of_erased_people(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.ben, pin="7391")
    neighbours.add(neighbours.fay)
    neighbours.api.delete("/api/users/3?purge=true")
    new = "another-passphrase-0123456789"
    env = environment(
        neighbours.household.config.database_url, TOKEN_ENCRYPTION_KEY=f"{new},test-passphrase-0123456789"
    )

    with program("-m", "wishlist_service.tokens", "rotate", env=env) as command:
        assert command.exit_status() == 0, command.output

    rotated, stored = TokenCipher([new]), neighbours.household.user("Ben")
    assert rotated.decrypt(stored["plex_pin"], owner=2, column=PIN) == "7391"
    assert rotated.decrypt(stored["plex_token"], owner=2).startswith("switched-")
    assert stored["token_fingerprint"] is None
    context = neighbours.api.application.extensions["wishlist"]
    object.__setattr__(context, "cipher", rotated)
    assert neighbours.add(neighbours.fay).status_code == 409
    assert neighbours.add(neighbours.fay, again=True).status_code == 201


def test_people_are_filtered_by_source_and_via(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.add(neighbours.fay)
    neighbours.household.add("Zoe")

    def names(query: str) -> list[str]:
        reply = neighbours.api.get(f"/api/users?{query}").json
        assert reply["total"] == len(reply["items"])
        return [person["name"] for person in reply["items"]]

    assert names("source=own") == ["Ann", "Zoe"]
    assert names("source=home") == ["Kim"]
    assert names("source=friend&via=1") == ["Fay"]
    assert names("via=1") == ["Kim", "Fay"]
    assert names("via=4") == []
    assert neighbours.api.get("/api/users?source=other").status_code == 422
    assert neighbours.api.get("/api/users?via=x").status_code == 422
