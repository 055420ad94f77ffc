"""Whose list it is: a token of another account never replaces a list, whatever the order of events."""

import threading
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from tests.support.fake_plex import Person, row
from tests.support.household import Household
from tests.support.plex_faults import status

ANN, BEN = "token-of-ann-0123456789", "token-of-ben-0123456789"
FILMS = [row(f"{n:x}", f"Film {n}") for n in range(1, 8)]


def ann_and_a_stranger(household: Household) -> tuple[Person, Person]:
    ann = household.add("Ann", FILMS)
    household.sync()
    return ann, household.plex.add(BEN, username="ben", rows=[row("b", "Ben's film")])


def test_token_of_another_account_saved_while_plex_was_away_changes_nothing(
    api: FlaskClient, household: Household
) -> None:
    _ann, ben = ann_and_a_stranger(household)
    ben.account_faults.append(status(503))
    assert api.patch("/api/users/1", json={"token": BEN}).status_code == 200

    run = household.sync()

    assert [error["state"] for error in run.errors] == ["other_account"]
    assert "ben" in run.errors[0]["detail"]
    assert len(household.titles("Ann")) == 7
    assert household.user("Ann")["plex_username"] == "ann"


def test_new_token_is_not_read_into_the_list_before_plex_says_whose_it_is(
    api: FlaskClient, household: Household
) -> None:
    _ann, ben = ann_and_a_stranger(household)
    ben.account_faults.extend([status(503)] * 4)
    api.patch("/api/users/1", json={"token": BEN})

    run = household.sync()

    assert [error["state"] for error in run.errors] == ["unreachable"]
    assert len(household.titles("Ann")) == 7


def test_second_person_of_one_account_is_told_and_not_merged(api: FlaskClient, household: Household) -> None:
    ann, _ben = ann_and_a_stranger(household)
    household.plex.people["second-token-of-ann-0123"] = ann
    ann.account_faults.append(status(503))
    assert api.post("/api/users", json={"name": "Ann again", "token": "second-token-of-ann-0123"}).status_code == 201

    run = household.sync()

    assert [(error["name"], error["state"]) for error in run.errors] == [("Ann again", "other_account")]
    assert "already belongs to Ann" in run.errors[0]["detail"]
    assert household.titles("Ann again") == []


def test_own_token_sent_again_is_no_conflict(api: FlaskClient, household: Household) -> None:
    ann_and_a_stranger(household)

    assert api.patch("/api/users/1", json={"token": ANN}).status_code == 200


def test_account_once_checked_is_not_asked_for_again(household: Household) -> None:
    household.add("Ann", FILMS)
    household.conn.execute("UPDATE plex_users SET account_checked = false")
    household.sync()
    household.sync()

    assert len(household.plex.requests_for(ANN, "/api/v2/user")) == 1


def test_new_token_forgets_what_the_old_one_left_held(api: FlaskClient, household: Household) -> None:
    ann, _ben = ann_and_a_stranger(household)
    ann.rows = []
    household.sync()
    assert household.user("Ann")["held_removals"] is not None
    household.plex.people["new-token-of-ann-01234567"] = ann
    api.patch("/api/users/1", json={"token": "new-token-of-ann-01234567"})

    household.sync()

    assert household.user("Ann")["sync_state"] == "held"
    assert len(household.titles("Ann")) == 7


def test_change_that_conflicts_half_way_is_undone(api: FlaskClient, household: Household) -> None:
    ann, _ben = ann_and_a_stranger(household)
    household.plex.people["new-token-of-ann-01234567"] = ann
    # the name is free and written first; only then does the database refuse the token
    household.conn.execute(
        "ALTER TABLE plex_users ADD CONSTRAINT plex_users_account_key2 CHECK (token_masked <> '****4567')"
    )

    assert api.patch("/api/users/1", json={"name": "Changed", "token": "new-token-of-ann-01234567"}).status_code == 500

    assert household.user("Ann")["name"] == "Ann"


def test_erased_person_is_not_named_in_past_runs(api: FlaskClient, household: Household) -> None:
    household.add("Ann").always = status(404)
    household.add("Ben").always = status(404)
    household.sync()

    api.delete("/api/users/1?purge=true")

    errors = api.get("/api/sync/runs/1").json["errors"]
    assert [error["name"] for error in errors] == ["Ben"]
    assert "Ann" not in str(household.conn.execute("SELECT * FROM sync_runs").fetchall())


def while_ann_is_merged(household: Household, act: Callable[[], object]) -> None:
    """Let `act` happen in another thread while the transaction that merges Ann's list is open."""
    household.conn.execute(
        """
        CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END';
        CREATE TRIGGER slow AFTER INSERT ON wishlist_items FOR EACH STATEMENT EXECUTE FUNCTION slow()
        """
    )
    merging = threading.Thread(target=household.sync)
    merging.start()
    sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    while merging.is_alive() and not household.conn.execute(sleeping).rowcount:
        pass
    act()
    merging.join()


@pytest.mark.slow
def test_title_is_not_deleted_with_one_person_while_another_begins_to_want_it(
    api: FlaskClient, household: Household
) -> None:
    household.add("Ben", [row("1", "Alpha")])
    household.sync()
    household.add("Ann", [row("1", "Alpha"), row("2", "Beta")])

    while_ann_is_merged(household, lambda: api.delete("/api/users/1?purge=true"))

    assert household.titles("Ann") == ["Alpha", "Beta"]


def test_person_paused_while_their_list_is_read_is_not_merged(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    ann.before_page = lambda _start: household.conn.execute("UPDATE plex_users SET active = false")

    household.sync()

    assert household.results[0].outcome == "skipped"


def test_failure_of_an_old_token_is_not_blamed_on_the_new_one(household: Household) -> None:
    ann = household.add("Ann", [row("1", "Alpha")])
    ann.before_page = lambda _start: household.conn.execute("UPDATE plex_users SET plex_token = 'another'")
    ann.always = status(404)

    household.sync()

    assert household.user("Ann")["sync_state"] == "never"


def test_database_error_of_one_person_disturbs_nobody_else(household: Household) -> None:
    household.add("Ann", [row("1", "Alpha")])
    household.add("Ben", [row("2", "Beta")])
    household.conn.execute(
        """
        CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF NEW.title = ''Alpha'' THEN RAISE SQLSTATE ''40P01''; END IF; RETURN NEW; END';
        CREATE TRIGGER deadlock BEFORE INSERT ON wishlist_items FOR EACH ROW EXECUTE FUNCTION deadlock()
        """
    )

    run = household.sync()

    assert (run.status, [error["name"] for error in run.errors]) == ("partial", ["Ann"])
    assert household.titles("Ben") == ["Beta"]
