"""Whatever Plex does to the records and ids of titles: no wish is lost, doubled or credited to the wrong person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from tests.support.fake_titles import Titles
from tests.support.followers import follow, play, present_wishes
from tests.support.household import Household, token_of
from tests.support.questions import look
from tests.support.records import uid

pytestmark = [
    pytest.mark.slow,
    # the API's pool of connections draws random numbers in a thread of its own, which Hypothesis takes for ours
    pytest.mark.filterwarnings("ignore:Do not use the `random` module"),
]

PEOPLE = ("Ann", "Ben", "Cleo")
FILMS = 3
RECORDS = 3  # of each film
KINDS = ("imdb://tt000000", "tmdb://", "tvdb://")
TABLES = (
    "plex_users, plex_links, wishlist_items, wishlist_records, watchlist_rows, wishlist_item_sources, wishlist_events, "
    "wishlist_tallies, sync_runs, sync_state_changes"
)


def key(film: int, record: int) -> str:
    """Newer records have smaller and larger keys."""
    return f"{film}{'5937'[record]}"


def own_ids(film: int) -> list[str]:
    return [f"{kind}{film + 1}" for kind in KINDS]


FILM, RECORD = st.integers(0, FILMS - 1), st.integers(0, RECORDS - 1)
LISTS = st.fixed_dictionaries({name: st.sets(st.tuples(FILM, RECORD), max_size=5) for name in PEOPLE})


@st.composite
def told_ids(draw: st.DrawFn, *, mistaken: bool) -> dict[tuple[int, int], frozenset[str]]:
    """The ids that Plex shows of each record: some of its film, and by mistake those of any."""
    every = [one for film in range(FILMS) for one in own_ids(film)]
    return {
        (film, record): frozenset(draw(st.sets(st.sampled_from(every if mistaken else own_ids(film)))))
        for film in range(FILMS)
        for record in range(RECORDS)
    }


@dataclass
class Round:
    """What Plex shows from now on, and in which order the people are read."""

    lists: dict[str, set[tuple[int, int]]]
    ids: dict[tuple[int, int], frozenset[str]] = field(default_factory=dict[tuple[int, int], frozenset[str]])
    order: Sequence[str] = PEOPLE


def rounds(*, mistaken: bool) -> st.SearchStrategy[list[Round]]:
    one = st.builds(Round, LISTS, told_ids(mistaken=mistaken), st.permutations(PEOPLE))
    return st.lists(one, min_size=1, max_size=5)


def begin(household: Household) -> None:
    household.conn.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")  # pyright: ignore[reportArgumentType, reportCallIssue]
    household.plex.people.clear()
    for name in PEOPLE:
        household.add(name, [])


def play_round(household: Household, titles: Titles, now: Round, *, order: Sequence[str] | None = None) -> None:
    rows: dict[tuple[int, int], dict[str, Any]] = {
        place: row(key(*place), f"Film {place[0]}", Guid=[{"id": one} for one in sorted(ids)])
        for place, ids in now.ids.items()
    }
    for each in rows.values():
        titles.tell(each)
    for name in order or now.order:
        household.plex.people[token_of(name)].rows = [rows[place] for place in sorted(now.lists[name])]
    for name in order or now.order:
        household.sync(user_id=household.user(name)["id"])


def wanted(household: Household) -> dict[str, list[int]]:
    """The titles that each person wants, each as often as it is stored."""
    found: dict[str, list[int]] = {name: [] for name in PEOPLE}
    for wish in household.conn.execute(
        "SELECT name, item_id FROM wishlist_item_sources JOIN plex_users ON id = user_id "
        "WHERE removed_at IS NULL ORDER BY item_id"
    ):
        found[wish["name"]].append(wish["item_id"])
    return found


def titles_by_record(household: Household) -> dict[str, int]:
    found = household.conn.execute("SELECT uid, item_id FROM wishlist_records")
    return {record["uid"]: record["item_id"] for record in found}


def check(household: Household, api: FlaskClient, now: Round) -> None:
    by_record = titles_by_record(household)
    expected = {name: sorted({by_record[uid(key(*place))] for place in places}) for name, places in now.lists.items()}
    assert wanted(household) == expected
    counts = household.conn.execute("SELECT id, uid, wanted_count FROM wishlist_items").fetchall()
    for item in counts:
        assert item["wanted_count"] == sum(item["id"] in ids for ids in expected.values())
        assert by_record[item["uid"]] == item["id"]
    assert {item["id"] for item in counts} == set(by_record.values())
    assert play(follow(api)[0]) == present_wishes(household)
    for name, ids in expected.items():
        assert household.user(name)["wishlist_size"] == len(ids)


quick = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@quick
@given(rounds(mistaken=True))
def test_each_person_wants_what_their_list_shows_and_once(
    household: Household, titles: Titles, api: FlaskClient, steps: list[Round]
) -> None:
    begin(household)
    for now in steps:
        play_round(household, titles, now)
        check(household, api, now)
        household.conn.execute("UPDATE sync_runs SET times_due = false")
        look(household)
        check(household, api, now)


@quick
@given(rounds(mistaken=False))
def test_films_are_never_mixed_and_records_on_lists_that_share_an_id_are_one_title(
    household: Household, titles: Titles, api: FlaskClient, steps: list[Round]
) -> None:
    begin(household)
    for now in steps:
        play_round(household, titles, now)
        check(household, api, now)
        by_record = titles_by_record(household)
        for item_id in set(by_record.values()):
            assert len({record[-2] for record, item in by_record.items() if item == item_id}) == 1
        listed = sorted(set[tuple[int, int]]().union(*now.lists.values()))
        for one in listed:
            for other in listed:
                if now.ids[one] & now.ids[other]:
                    assert by_record[uid(key(*one))] == by_record[uid(key(*other))]


@quick
@given(rounds(mistaken=False))
def test_order_in_which_lists_are_read_does_not_matter(
    household: Household, titles: Titles, api: FlaskClient, steps: list[Round]
) -> None:
    known: dict[tuple[int, int], frozenset[str]] = {}
    for now in steps:  # what Plex has once told of a record it does not take back
        known = now.ids = {place: known.get(place, frozenset()) | ids for place, ids in now.ids.items()}

    seen: list[Any] = []
    for backwards in (False, True):
        begin(household)
        for now in steps:
            play_round(household, titles, now, order=now.order[::-1] if backwards else now.order)
        check(household, api, steps[-1])
        groups: dict[int, set[str]] = {}
        for record, item_id in titles_by_record(household).items():
            groups.setdefault(item_id, set()).add(record)
        seen.append(
            {
                frozenset(records): {name for name, ids in wanted(household).items() if item_id in ids}
                for item_id, records in groups.items()
            }
        )

    assert seen[0] == seen[1]
