"""Plex slow, silent, resetting, answering nonsense: the real programs, from the fault to what they tell of it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.fake_plex import Person, row
from tests.support.household import Household
from tests.support.plex_faults import dripping, reset, silent, status
from tests.support.processes import call, gunicorn, program, settings_for

pytestmark = pytest.mark.slow

OLD = [row(f"{n:x}", f"Old {n:03}") for n in range(1, 121)]  # two pages
NEW = [row("abc", "Newcomer"), *OLD[:-1]]
SYNC = ("-m", "wishlist_service.sync")
LOGIN_PAGE = status(200, body=b"<html>Please log in</html>")


def changes_whenever_it_is_read(person: Person) -> None:
    def drop_one(start: int) -> None:
        if start:
            person.rows = person.rows[1:]

    person.before_page = drop_one


def claims(total: int) -> Callable[[Person], None]:
    def claim(person: Person) -> None:
        person.total_size = total

    return claim


def always(fault: Callable[..., None]) -> Callable[[Person], None]:
    def answer_so(person: Person) -> None:
        person.always = fault

    return answer_so


def resets_then(fault: Callable[..., None]) -> Callable[[Person], None]:
    """For what takes its time: the first two of three tries end at once."""

    def answer_so(person: Person) -> None:
        person.list_faults.extend([reset, reset])
        person.always = fault

    return answer_so


# name, what goes wrong, the state it leads to, words of the sentence; the slowest first
TROUBLES: list[tuple[str, Callable[[Person], None], str, str]] = [
    ("Drip", resets_then(dripping), "unreachable", "Plex did not answer (timed out)"),
    ("Silent", resets_then(silent(threading.Event())), "unreachable", "Plex did not answer (timed out)"),
    ("Reset", always(reset), "unreachable", "Plex did not answer (connection failed)"),
    ("Trouble", always(status(500)), "unreachable", "Plex has an error (HTTP 500)"),
    ("Html", always(LOGIN_PAGE), "plex_changed", "Plex sent a reply that is not JSON"),
    ("Moving", changes_whenever_it_is_read, "plex_changed", "The watchlist changed during two reads"),
    ("More", claims(500), "plex_changed", "The watchlist changed during two reads"),
    ("Fewer", claims(110), "plex_changed", "The watchlist changed during two reads"),
]


@pytest.fixture
def env(household: Household) -> dict[str, str]:
    return settings_for(household, PLEX_TIMEOUT_SECONDS="1", WEB_WORKERS="1")


def read_once(household: Household, *names: str) -> dict[str, Person]:
    """People whose list was read and is another by now."""
    people = {name: household.add(name, OLD) for name in names}
    household.sync()
    for person in people.values():
        person.rows = list(NEW)
    return people


def heal(person: Person) -> None:
    person.always = person.total_size = None
    person.before_page = lambda _start: None
    person.rows = list(NEW)


def titles_of(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["title"] for row in rows)


def test_each_trouble_is_told_of_whom_it_meets_and_of_nobody_else(household: Household, env: dict[str, str]) -> None:
    people = read_once(household, *(name for name, *_ in TROUBLES), "Well")
    for name, befall, _state, _words in TROUBLES:
        befall(people[name])

    with program(*SYNC, env=env) as command:
        exit_status = command.exit_status()
    told = {name: household.user(name) for name in people}
    kept = {name: household.titles(name) for name in people}
    for person in people.values():
        heal(person)
    with program(*SYNC, env=env) as after:
        assert after.exit_status() == 0, after.output

    assert exit_status == 1
    assert "Traceback" not in command.output
    for name, _befall, state, words in TROUBLES:
        assert (name, told[name]["sync_state"]) == (name, state)
        assert words in told[name]["sync_detail"]
        assert f"{name}: {state}. {told[name]['sync_detail']}\n" in command.output
        assert kept[name] == titles_of(OLD)
    assert told["Well"]["sync_state"] == "ok"
    assert "Run 2 partial: 121 titles on the wishlist, 1 new" in command.output
    assert all(household.titles(name) == titles_of(NEW) for name in people)
    assert all(household.user(name)["sync_detail"] is None for name in people)


def test_api_tells_of_troubles_and_of_their_end(household: Household, env: dict[str, str]) -> None:
    people = read_once(household, "Trouble", "Reset", "Html", "Well")
    for name, befall, _state, _words in TROUBLES:
        if name in people:
            befall(people[name])

    with gunicorn(env) as (api, address):
        troubled = call("POST", f"{address}/api/sync?wait=50")[1]
        told = {user["name"]: user for user in call("GET", f"{address}/api/users")[1]["items"]}
        for person in people.values():
            heal(person)
        healthy = call("POST", f"{address}/api/sync?wait=50")[1]
        after = call("GET", f"{address}/api/users")[1]["items"]

        assert api.end() == 0

    assert (troubled["status"], troubled["users_processed"], troubled["new_items"]) == ("partial", 1, 1)
    assert {error["name"] for error in troubled["errors"]} == {"Trouble", "Reset", "Html"}
    for name, _befall, state, words in TROUBLES:
        if name in people:
            assert (told[name]["sync_state"], words in told[name]["sync_detail"]) == (state, True)
            assert told[name]["wishlist_size"] == 120
    assert (healthy["status"], healthy["removed_items"]) == ("succeeded", 1)
    assert [(user["sync_state"], user["sync_detail"]) for user in after] == [("ok", None)] * 4
    assert "Traceback" not in api.output


def test_list_that_changed_once_while_it_was_read_is_read_again(household: Household, env: dict[str, str]) -> None:
    ann = read_once(household, "Ann")["Ann"]
    then = [row("def", "Latecomer"), *NEW]

    def change(start: int) -> None:
        if start:
            ann.rows = then

    ann.before_page = change

    with program(*SYNC, env=env) as command:
        exit_status = command.exit_status()

    assert exit_status == 0
    assert "Ann: changed, 121 titles, 2 added, 1 removed\n" in command.output
    assert household.titles("Ann") == titles_of(then)
