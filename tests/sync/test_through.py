"""People read through somebody else: members of a Plex Home, and friends whose lists may be hidden."""

import threading
from itertools import pairwise
from typing import Any

import pytest

from tests.support.fake_friends import answer
from tests.support.fake_plex import row
from tests.support.looking import INTERVAL, asked, log_position, looking
from tests.support.neighbours import ANN, Neighbours
from tests.support.plex_faults import status
from tests.support.processes import wait_until
from tests.support.slow import slow
from wishlist_service.sync import looks
from wishlist_service.sync.switches import switch

ROWS = [row(f"a{number:x}", f"Title {number}") for number in range(1, 13)]


def user(neighbours: Neighbours, name: str) -> dict[str, Any]:
    found = neighbours.household.user(name)
    return neighbours.api.get(f"/api/users/{found['id']}").json


def test_member_of_a_home_is_read_like_everybody_else(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.ben, pin="7391")

    run = neighbours.household.sync()

    assert run.status == "succeeded"
    assert neighbours.household.titles("Ben") == ["Beta"]
    assert user(neighbours, "Ben")["sync_state"] == "ok"
    assert neighbours.household.titles("Ann") == ["Alpha"]


def test_switched_token_is_used_until_plex_refuses_it(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.household.sync()
    neighbours.household.sync()
    before = len(neighbours.home.switches)
    neighbours.home.revoke(neighbours.kim)
    neighbours.kim.rows = [row("9", "Zeta")]

    neighbours.household.sync()
    stored = neighbours.household.user("Kim")["plex_token"]
    neighbours.household.sync()

    assert (before, len(neighbours.home.switches)) == (1, 2)
    assert neighbours.household.titles("Kim") == ["Zeta"]
    assert (
        neighbours.household.cipher.decrypt(stored, owner=2) == neighbours.home.members[neighbours.kim.uuid].tokens[-1]
    )


def test_admins_list_never_appears_under_a_members_name(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.household.sync()
    neighbours.home.revoke(neighbours.kim)
    neighbours.home.gives_instead = neighbours.ann

    neighbours.household.sync()

    assert user(neighbours, "Kim")["sync_state"] == "plex_changed"
    assert neighbours.household.titles("Kim") == ["Gamma"]


def test_profile_without_discover_has_no_watchlist(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.kim.always = status(403)

    run = neighbours.household.sync()

    assert (user(neighbours, "Kim")["sync_state"], run.status) == ("no_watchlist", "succeeded")


@pytest.mark.slow
def test_pin_that_plex_no_longer_takes_is_told_and_mended_by_patch(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.ben, pin="7391")
    neighbours.household.sync()
    neighbours.home.revoke(neighbours.ben)
    neighbours.home.members[neighbours.ben.uuid].pin = "1111"

    neighbours.household.sync()
    rejected = user(neighbours, "Ben")
    neighbours.api.patch("/api/users/2", json={"pin": "1111"})
    neighbours.household.sync()

    assert rejected["sync_state"] == "pin_rejected"
    assert "Save the right PIN for Ben" in rejected["sync_detail"]
    assert user(neighbours, "Ben")["sync_state"] == "ok"


@pytest.mark.slow
def test_members_token_is_used_on_without_the_admin_until_plex_refuses_it(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.api.patch("/api/users/1", json={"active": False})
    neighbours.household.sync()
    used_on = user(neighbours, "Kim")["sync_state"]
    neighbours.home.revoke(neighbours.kim)

    neighbours.household.sync()

    assert used_on == "ok"
    assert user(neighbours, "Kim")["sync_state"] == "via_unavailable"
    assert neighbours.household.titles("Kim") == ["Gamma"]


@pytest.mark.slow
def test_member_who_left_the_home_is_unavailable(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.household.sync()
    neighbours.home.revoke(neighbours.kim)
    del neighbours.home.members[neighbours.kim.uuid]

    neighbours.household.sync()

    assert user(neighbours, "Kim")["sync_state"] == "via_unavailable"
    assert "no longer lets Ann switch to Kim" in user(neighbours, "Kim")["sync_detail"]


@pytest.mark.slow
def test_switches_are_one_at_a_time_and_a_second_apart(neighbours: Neighbours) -> None:
    url, plex = neighbours.household.config.database_url, neighbours.household.plex_client
    threads = [
        threading.Thread(target=switch, args=(url, plex, ANN, neighbours.kim.uuid), kwargs={"pin": None})
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    times = [at for at, _uuid, _query in neighbours.home.switches]
    assert len(times) == 3
    assert neighbours.home.most_at_a_time == 1
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


@pytest.mark.slow
def test_limit_on_switches_holds_up_other_processes_and_no_list(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.kim)
    neighbours.home.revoke(neighbours.kim)
    neighbours.home.faults.append(status(429))
    neighbours.household.sync()

    asked = len(neighbours.home.switches)
    other = neighbours.add(neighbours.ben, pin="7391")

    assert user(neighbours, "Kim")["sync_state"] == "rate_limited"
    assert (other.status_code, len(neighbours.home.switches)) == (502, asked)
    assert user(neighbours, "Ann")["sync_state"] == "ok"


def test_friend_is_read_with_the_token_of_the_other(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)

    run = neighbours.household.sync()

    assert run.status == "succeeded"
    assert neighbours.household.titles("Fay") == ["Delta"]
    assert len(neighbours.friends.asked(ANN)) == 1
    assert neighbours.household.user("Fay")["plex_token"] is None


def test_list_that_is_empty_from_the_start_is_hidden(neighbours: Neighbours) -> None:
    neighbours.friends.hidden.add(neighbours.fay.uuid)
    neighbours.add(neighbours.fay)

    run = neighbours.household.sync()

    shown = user(neighbours, "Fay")
    assert (run.status, run.errors) == ("succeeded", [])
    assert shown["sync_state"] == "hidden"
    assert shown["sync_detail"] == (
        "Plex shows Ann no list of Fay's. It is empty, or Fay does not share it. Fay can change that in Plex under "
        "Account, Privacy, Watchlist; or send Fay a sign-in link."
    )
    assert neighbours.api.get("/api/summary").json["users_failing"] == 0
    assert neighbours.api.get("/feeds/radarr.json?user=2").status_code == 503


@pytest.mark.parametrize("how", ["hidden", *slow("forbidden", "emptied")])
def test_list_that_is_empty_after_titles_keeps_them_all(neighbours: Neighbours, how: str) -> None:
    neighbours.fay.rows = ROWS[:3]
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    titles, rows = neighbours.household.titles("Fay"), neighbours.fay.rows
    if how == "emptied":
        neighbours.fay.rows = []
    else:
        getattr(neighbours.friends, how).add(neighbours.fay.uuid)

    for _ in range(3):
        neighbours.household.sync()
    while_hidden = (user(neighbours, "Fay")["sync_state"], neighbours.household.titles("Fay"))
    neighbours.fay.rows = rows
    neighbours.friends.hidden.clear()
    neighbours.friends.forbidden.clear()
    neighbours.household.sync()

    assert while_hidden == ("hidden", titles)
    assert (user(neighbours, "Fay")["sync_state"], neighbours.household.titles("Fay")) == ("ok", titles)


@pytest.mark.slow
def test_other_losses_go_through_the_hold_rule(neighbours: Neighbours) -> None:
    neighbours.fay.rows = ROWS
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    neighbours.fay.rows = ROWS[:11]
    neighbours.household.sync()
    one_less = len(neighbours.household.titles("Fay"))
    neighbours.fay.rows = ROWS[:2]
    neighbours.household.sync()
    held = (user(neighbours, "Fay")["sync_state"], len(neighbours.household.titles("Fay")))
    neighbours.household.sync()

    assert (one_less, held) == (11, ("held", 11))
    assert len(neighbours.household.titles("Fay")) == 2


def test_data_beside_errors_is_a_failed_read(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    neighbours.friends.faults.append(
        answer(
            data={"user": {"watchlist": {"nodes": [], "pageInfo": {"hasNextPage": False}}}},
            errors=[{"message": "Internal error"}],
        )
    )

    run = neighbours.household.sync()

    assert (user(neighbours, "Fay")["sync_state"], run.status) == ("unreachable", "partial")
    assert neighbours.household.titles("Fay") == ["Delta"]


@pytest.mark.slow
def test_friends_list_changes_no_fact_that_another_read_gave(neighbours: Neighbours) -> None:
    full = row("1", "Alpha", year=1999)
    neighbours.ann.rows = [full]
    neighbours.household.sync()
    before = neighbours.conn.execute("SELECT * FROM wishlist_items").fetchone()
    neighbours.fay.rows = [row("1", "Alpha in another language", year=None)]
    neighbours.add(neighbours.fay)

    neighbours.household.sync()

    after = neighbours.conn.execute("SELECT * FROM wishlist_items").fetchone()
    assert before is not None
    assert after is not None
    assert {name for name in after if after[name] != before[name]} <= {"wanted_count", "wish_count", "last_wish_at"}
    assert neighbours.household.titles("Fay") == ["Alpha"]


@pytest.mark.slow
def test_unchanged_list_of_a_friend_is_not_merged(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    etag = neighbours.household.user("Fay")["list_etag"]

    neighbours.household.sync()

    assert etag is not None
    assert {result.name: result.outcome for result in neighbours.household.results}["Fay"] == "unchanged"
    assert neighbours.household.user("Fay")["list_etag"] == etag


@pytest.mark.slow
def test_friend_of_somebody_whom_plex_refuses_is_unavailable_and_counts_once(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    del neighbours.plex.people[ANN]

    run = neighbours.household.sync()

    friend = user(neighbours, "Fay")
    assert (friend["sync_state"], neighbours.household.titles("Fay")) == ("via_unavailable", ["Delta"])
    assert friend["sync_detail"] == "This list is read through Ann, whose token does not work. Renew the token of Ann."
    assert [error["user_id"] for error in run.errors] == [1]
    assert neighbours.api.get("/api/summary").json["users_failing"] == 1


def test_refusal_of_the_other_is_told_at_once_and_ends_with_it(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.household.sync()
    del neighbours.plex.people[ANN]

    neighbours.household.sync(user_id=1)
    told = user(neighbours, "Fay")["sync_state"]
    neighbours.plex.people[ANN] = neighbours.ann
    neighbours.household.sync(user_id=1)

    due = neighbours.conn.execute("SELECT next_sync_at <= now() AS due FROM plex_users WHERE name = 'Fay'").fetchone()
    assert (told, due) == ("via_unavailable", {"due": True})


@pytest.mark.slow
def test_renewed_token_brings_the_friends_back(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    del neighbours.plex.people[ANN]
    neighbours.household.sync()
    neighbours.plex.people["new-token-of-ann-0123456789"] = neighbours.ann

    neighbours.api.patch("/api/users/1", json={"token": "new-token-of-ann-0123456789"})
    due = neighbours.conn.execute("SELECT next_sync_at <= now() AS due FROM plex_users WHERE name = 'Fay'").fetchone()
    neighbours.household.sync()

    assert due == {"due": True}
    assert user(neighbours, "Fay")["sync_state"] == "ok"


def test_erased_friend_during_a_read_is_not_stored(neighbours: Neighbours) -> None:
    neighbours.add(neighbours.fay)
    neighbours.friends.faults.append(
        lambda handler: (neighbours.api.delete("/api/users/2?purge=true"), status(500)(handler))[1]
    )

    neighbours.household.sync()

    assert neighbours.api.get("/api/users").json["total"] == 1


@pytest.mark.slow
def test_names_of_others_are_not_in_sentences_while_names_are_hidden(neighbours: Neighbours) -> None:
    neighbours.friends.hidden.add(neighbours.fay.uuid)
    neighbours.add(neighbours.fay)
    neighbours.household.sync()

    with neighbours.conn.transaction():
        neighbours.conn.execute("SELECT set_config('wishlist.names', 'hidden', true)")
        shown = neighbours.conn.execute("SELECT * FROM plex_user_reports WHERE source = 'friend'").fetchone()

    assert "Fay" not in str(shown)
    assert "Ann" not in str(shown)


def looks_at_both(neighbours: Neighbours) -> tuple[int, int]:
    return asked(neighbours.household), len(neighbours.friends.asked(ANN))


@pytest.mark.slow
def test_friends_are_looked_at_less_often_and_an_unchanged_list_is_not_stored(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert neighbours.add(neighbours.fay).status_code == 201
    neighbours.household.sync()
    before, position = looks_at_both(neighbours), log_position(neighbours.household)
    monkeypatch.setattr(looks, "FRIENDS_EVERY_SECONDS", 8 * INTERVAL)

    with looking(neighbours.household):
        wait_until(lambda: looks_at_both(neighbours)[1] - before[1] >= 2)
        ann, fay = (after - earlier for after, earlier in zip(looks_at_both(neighbours), before, strict=True))
        assert fay * 2 <= ann
        assert log_position(neighbours.household) == position

        neighbours.fay.rows = [row("5", "Epsilon"), *neighbours.fay.rows]
        wait_until(lambda: neighbours.household.titles("Fay") == ["Delta", "Epsilon"])


@pytest.mark.slow
def test_friends_are_looked_at_as_often_as_others_if_those_wait_longer(
    neighbours: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert neighbours.add(neighbours.fay).status_code == 201
    neighbours.household.sync()
    before = looks_at_both(neighbours)
    monkeypatch.setattr(looks, "FRIENDS_EVERY_SECONDS", INTERVAL / 8)

    with looking(neighbours.household):
        wait_until(lambda: looks_at_both(neighbours)[0] - before[0] >= 8)

    ann, fay = (after - earlier for after, earlier in zip(looks_at_both(neighbours), before, strict=True))
    assert ann / 2 <= fay <= ann * 2
