"""How PostgreSQL goes about the statements when the tables are large: it never looks through a whole one."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection, connect
from psycopg.errors import Diagnostic

from wishlist_service import db
from wishlist_service.models import EventPlace, Place, WatchlistEntry, WishlistFilter
from wishlist_service.queries import events, feeds, merging, metrics, records, sync_users, users, wishes, wishlist
from wishlist_service.queries.records import Record
from wishlist_service.queries.wishlist import list_items

pytestmark = pytest.mark.slow

LARGE = {"wishlist_items", "wishlist_item_sources", "wishlist_events", "wishlist_records", "watchlist_rows"}
ITEMS = 60_000
PEOPLE = 400  # so that each wants as small a part of all titles as in a large installation

# Titles of two words of 900 and sometimes a third; each is wanted by two people, every 50th is removed.
# A year of events, one of 1000 a return.
FILL = f"""
SET session_replication_role = replica;                 -- no trigger for each row: counted at the end

INSERT INTO plex_users (name, plex_token, token_fingerprint, token_masked, sync_state, last_success_at)
SELECT 'Person ' || n, 'x', n, '****', 'ok', now() FROM generate_series(1, {PEOPLE}) AS n;

INSERT INTO wishlist_items (uid, media_type, title, year, released_on, added_at, imdb_id)
SELECT 'plex://movie/' || lpad(to_hex(n), 24, '0'),
       CASE WHEN n % 3 = 0 THEN 'show' ELSE 'movie' END,
       'The ' || substr(md5((n % 900)::text), 1, 6) || ' ' || substr(md5((n * 7 % 901)::text), 1, 6)
              || CASE WHEN n % 10 = 0 THEN ' of the Night' ELSE '' END,
       CASE WHEN n % 33 > 0 THEN 1930 + n % 97 END,
       CASE WHEN n % 33 > 0 THEN make_date(1930 + n % 97, 1 + n % 12, 1 + n % 28) END,
       now() - n * interval '1 hour',
       'tt' || n
  FROM generate_series(1, {ITEMS}) AS n;

INSERT INTO wishlist_item_sources (item_id, user_id, removed_at, last_seen_at)
SELECT n, 1 + (n * 31 + k * 7) % {PEOPLE}, gone.at, gone.at
  FROM generate_series(1, {ITEMS}) AS n
 CROSS JOIN generate_series(1, 2) AS k
 CROSS JOIN LATERAL (SELECT CASE WHEN n % 50 = 0 THEN now() END AS at) AS gone;

INSERT INTO watchlist_rows (user_id, uid, tells_date, tells_year)
SELECT user_id, uid, true, true
  FROM wishlist_item_sources
  JOIN wishlist_items ON id = item_id
 WHERE removed_at IS NULL;

INSERT INTO wishlist_events (kind, item_id, user_id, run_id, first_import, happened_at)
SELECT CASE WHEN n % 1000 = 0 THEN 'came_back' WHEN n % 10 = 0 THEN 'removed' ELSE 'added' END,
       1 + n * 7919 % {ITEMS}, 1 + n % {PEOPLE}, n / 100, n < 1000,
       now() - ({2 * ITEMS} - n) * interval '5 minutes'
  FROM generate_series(1, {2 * ITEMS}) AS n;

SET session_replication_role = origin;
SELECT recount_items(NULL), recount_people(NULL);
ANALYZE;
"""


class Plans:
    """Runs a query of the service and tells which tables PostgreSQL looked through from end to end."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._plans: list[dict[str, Any]] = []
        for setting in ("log_min_duration = 0", "log_format = json", "log_nested_statements = on"):
            conn.execute(f"SET auto_explain.{setting}")  # pyright: ignore[reportArgumentType, reportCallIssue]
        conn.execute("SET client_min_messages = log")
        conn.add_notice_handler(self._note)

    def _note(self, message: Diagnostic) -> None:
        _, found, plan = (message.message_primary or "").partition("plan:")
        if found:
            self._plans.append(json.loads(plan)["Plan"])

    def looked_through(self, query: Callable[..., Any], **arguments: Any) -> set[str]:
        """The large tables among them."""
        self._plans.clear()
        query(self._conn, **arguments)
        assert self._plans, "no plan was told"
        return {table for plan in self._plans for table in read_whole(plan)} & LARGE


def read_whole(node: dict[str, Any], *, limited: bool = False) -> Iterator[str]:
    """The tables that this part of a plan reads from end to end, also along an index. A limit ends that early."""
    kind, limited = node["Node Type"], limited or node["Node Type"] == "Limit"
    along_index = kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node and not limited
    if kind == "Seq Scan" or along_index:
        yield node["Relation Name"]
    for below in node.get("Plans", ()):
        yield from read_whole(below, limited=limited)


@pytest.fixture(scope="module")
def plans(new_database: Callable[[str | None], str], template: str) -> Iterator[Plans]:
    url = new_database(template)
    with connect(url, autocommit=True) as filling:
        filling.execute(FILL)
        filling.execute("VACUUM")
    pool = db.Pool(url, size=1)
    pool.open()
    with pool.connection() as lent:
        settings = lent.execute("SELECT name, setting FROM pg_settings WHERE source = 'session'").fetchall()
    pool.close()
    # the pool cuts a connection that is lent for long; this one is used by all the tests
    with connect(url, autocommit=True) as conn:
        for setting in settings:
            conn.execute("SELECT set_config(%s, %s, false)", setting)
        conn.execute("LOAD 'auto_explain'")
        yield Plans(conn)


FILTERS = {
    "all": WishlistFilter(status="all"),
    "current": WishlistFilter(),
    "removed": WishlistFilter(status="removed"),
    "rare word": WishlistFilter(search="of the Night"),
    "common word": WishlistFilter(search="The"),
    "no such word": WishlistFilter(search="zzz"),
    "two words": WishlistFilter(search="night the"),
    "word with accents": WishlistFilter(search="Ünité"),
    "year": WishlistFilter(year=1999),
    "type": WishlistFilter(media_type="show"),
    "person": WishlistFilter(user_ids=[7]),
    "any of two": WishlistFilter(user_ids=[7, 14]),
    "both of two": WishlistFilter(user_ids=[7, 14], every_user=True),
    "several": WishlistFilter(min_wanted=2),
    "many": WishlistFilter(min_wanted=9),
    "word and year": WishlistFilter(search="night", year=1999),
    "word and person": WishlistFilter(search="night", user_ids=[7]),
    "genre": WishlistFilter(genre="Drama"),
    "available": WishlistFilter(available=False),
    "without an id": WishlistFilter(missing="tmdb"),
    "dismissed": WishlistFilter(status="dismissed"),
    "word of the removed": WishlistFilter(search="night", status="removed"),
    "everything": WishlistFilter(
        search="the", year=1999, media_type="movie", user_ids=[7, 14], min_wanted=1, status="all"
    ),
}
KEYS = {
    "added_at": datetime(2026, 1, 1, tzinfo=UTC),
    "last_wish_at": datetime(2026, 1, 1, tzinfo=UTC),
    "title": "m",
    "year": 1990,
    "wanted_count": 2,
    "released_on": datetime(1990, 1, 1, tzinfo=UTC).date(),
}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", KEYS)
@pytest.mark.parametrize("name", FILTERS)
def test_no_page_looks_through_a_table(plans: Plans, name: str, sort: str, order: str) -> None:
    middle = Place(key=KEYS[sort], added_at=datetime(2026, 1, 1, tzinfo=UTC), id=ITEMS // 2)
    arguments = {"filters": FILTERS[name], "sort": sort, "order": order, "limit": 50, "offset": 0}

    assert plans.looked_through(list_items, **arguments, after=None) == set()
    assert plans.looked_through(list_items, **arguments, after=middle) == set()


HISTORY = {"user_ids": None, "uids": None, "kind": None, "since": None, "after": None, "limit": 50}


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"after": EventPlace(happened_at=KEYS["added_at"], id=ITEMS)},
        {"user_ids": [7]},
        {"user_ids": [7, 14], "kind": "removed"},
        {"uids": [f"plex://movie/{777:024x}", f"plex://show/{777:024x}"]},
        {"uids": [f"plex://movie/{777:024x}"], "user_ids": [7], "kind": "came_back"},
        {"kind": "added"},
        {"kind": "came_back"},
        {"since": datetime.now(UTC) - timedelta(hours=1)},
        {"since": datetime.now(UTC) - timedelta(hours=1), "kind": "removed", "user_ids": [7]},
    ],
    ids=lambda filters: " ".join(filters) or "all",
)
def test_no_page_of_the_history_looks_through_a_table(plans: Plans, filters: dict[str, Any]) -> None:
    assert plans.looked_through(events.list_history, **HISTORY | filters) == set()


@pytest.mark.parametrize("user_id", [None, 7])
@pytest.mark.parametrize("before", [None, ITEMS, 900])  # among the first imports, too
def test_no_page_of_the_diary_looks_through_a_table(plans: Plans, user_id: int | None, before: int | None) -> None:
    assert plans.looked_through(events.list_diary, user_id=user_id, before=before, limit=50) == set()


@pytest.mark.parametrize("name", FILTERS)
def test_no_feed_looks_through_a_table(plans: Plans, name: str) -> None:
    filters = replace(FILTERS[name], status="current")

    assert plans.looked_through(feeds.get_arr_titles, filters=filters) == set()
    assert plans.looked_through(feeds.get_arr_titles, filters=filters, root="/x") == set()
    assert plans.looked_through(feeds.count_without_ids, filters=filters, ids=["imdb", "tmdb"]) == set()


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        (events.list_changes, {"after": EventPlace(happened_at=datetime(2026, 1, 1, tzinfo=UTC), id=0), "limit": 500}),
        (
            events.list_changes,
            {"after": EventPlace(happened_at=datetime(9999, 1, 1, tzinfo=UTC), id=2 * ITEMS), "limit": 500},
        ),
        (wishlist.get_summary, {}),
        (feeds.get_readiness, {"user_ids": [7, 14]}),
        (feeds.list_people, {}),
        (wishlist.find_item, {"uids": [f"plex://movie/{777:024x}", f"plex://show/{777:024x}"]}),
        (wishlist.get_stats, {}),
        (wishlist.get_generation, {}),
        (wishlist.count_current_items, {}),
        (metrics.get_numbers, {}),
        (users.list_users, {"active": True, "limit": 50, "offset": 0}),
        (users.get_user, {"user_id": 7}),
        (merging.list_present_wishes, {"user_id": 7}),
        (wishes.list_wishers, {"uids": [f"plex://movie/{777:024x}"], "user_ids": None}),
        (wishes.list_wishers, {"uids": [f"plex://movie/{777:024x}"], "user_ids": [7, 8]}),
        (wishes.find_wish, {"uids": [f"plex://movie/{777:024x}"], "user_id": 7}),
        (wishes.list_keepers, {"uids": [f"plex://movie/{777:024x}", f"plex://show/{777:024x}"]}),
        (wishes.set_dismissed, {"uids": [f"plex://movie/{777:024x}"], "dismissed": True}),
        (sync_users.record_not_modified, {"user_id": 7, "due_again_in": timedelta(hours=6)}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_no_other_query_looks_through_a_table(
    plans: Plans, query: Callable[..., Any], arguments: dict[str, Any]
) -> None:
    assert plans.looked_through(query, **arguments) == set()


def test_merging_a_list_looks_through_no_table(plans: Plans) -> None:
    entries = [
        WatchlistEntry(uid=f"plex://movie/{n:024x}", media_type="movie", title="Changed", year=1950, position=n)
        for n in range(ITEMS - 20, ITEMS + 20)
    ]
    uids = [entry.uid for entry in entries]
    item_ids = [*range(3, 20)]
    ids = [f"imdb://tt{n}" for n in range(1500)]  # of 500 titles, which are stored at a time
    to_store = [Record(uid=uid, item_id=1, external_ids=ids[:3]) for uid in uids]

    assert plans.looked_through(records.list_new_or_changed, entries=entries) == set()
    assert plans.looked_through(records.list_related, uids=uids, ids=ids) == set()
    assert plans.looked_through(records.find_item_ids, uids=uids) == set()
    assert plans.looked_through(records.add_titles, entries=entries[-19:], titles={uid: uid for uid in uids}) == set()
    assert plans.looked_through(records.store_records, records=to_store) == set()
    assert plans.looked_through(records.join_items, older=1, younger=2) == set()
    assert plans.looked_through(records.show_newest, item_ids=item_ids) == set()
    assert plans.looked_through(records.remove_rows, user_id=7, except_uids=uids) == set()
    assert plans.looked_through(records.add_rows, user_id=7, entries=entries) == set()
    assert plans.looked_through(records.update_rows, user_id=7, entries=entries) == set()
    assert plans.looked_through(records.forget_rows, user_id=7, uids=uids) == set()
    assert plans.looked_through(records.update_facts, user_id=7, entries=entries) == set()
    assert plans.looked_through(merging.add_wishes, user_id=7, positions={n: n for n in item_ids}) == set()
    assert plans.looked_through(merging.end_keeping, user_id=7, item_ids=item_ids) == set()
    assert plans.looked_through(merging.remove_wishes, user_id=7, item_ids=item_ids) == set()
    assert plans.looked_through(users.update_user, user_id=7, name=None, active=False) == set()
    assert plans.looked_through(users.update_user, user_id=7, name=None, active=True) == set()


def test_looking_through_a_table_would_be_noticed(plans: Plans) -> None:
    def count_posters(conn: Connection) -> None:
        conn.execute("SELECT count(poster_url) FROM wishlist_items")

    assert plans.looked_through(count_posters) == {"wishlist_items"}
