"""Reads and syncs by the size of the table: 1,000 to 1,000,000 items, each wanted by two people."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench import figures, paths
from bench.content import fill
from bench.figures import Figure, Table
from bench.load import Load, load
from bench.plex import token
from bench.postgres import fetch, settle
from bench.programs import BenchError, call
from bench.services import Bench, Served, our_api, our_database

CLIENTS = 8
PEOPLE = {1_000: 20, 10_000: 50, 100_000: 200, 1_000_000: 2_000}
NEW_TITLES = 1_000

LIST, SORTED, SEARCH = "list of 50", "list of 50, in every order there is", "search of 3 letters or more"
FILTERS, ITEM, DEEP = "filters combined", "one item", "page nine tenths down the list, by cursor"


@dataclass
class Size:
    """The results at one size of the table."""

    items: int
    loads: dict[str, Load] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    stats_ms: list[float] = field(default_factory=list)
    stats_exact: bool = False
    sync_seconds: list[float] = field(default_factory=list)


def size_figures(bench: Bench) -> list[Figure | Table]:
    """Measure percentiles with 8 clients, stats after changes, and a sync of 1,000 new titles, at every size."""
    sizes = [_measure(bench, items, people) for items, people in PEOPLE.items() if not bench.quick or items <= 10_000]
    smallest, largest = sizes[0], sizes[-1]
    what = f"{largest.items:,} items, {2 * largest.items:,} sources, {CLIENTS} clients"
    found: list[Figure | Table] = []
    for kind in (LIST, SEARCH, FILTERS, ITEM, DEEP, SORTED):
        name = f"{what}: {kind}, 95th percentile"
        if error := largest.errors.get(kind):
            found.append(Figure(name, error, goal="measured", met=False))
        elif kind in (LIST, ITEM, DEEP):
            found.append(figures.at_most(name, 50, largest.loads[kind].p95_ms, "ms"))
        else:
            found.append(Figure(name, f"{largest.loads[kind].p95_ms:.3g} ms"))
    found.append(
        figures.at_most(
            f"{largest.items:,} items: stats after a change, slowest of {len(largest.stats_ms)}",
            100,
            max(largest.stats_ms),
            "ms",
        )
    )
    exact = all(size.stats_exact for size in sizes)
    found.append(
        figures.true("stats equal what is counted, at every size", "exact", "yes" if exact else "no", met=exact)
    )
    # with 1,000 titles, most searches find less than a page
    for kind, small in ((LIST, smallest), (SEARCH, sizes[1])):
        if kind in largest.loads and kind in small.loads:
            growth = largest.loads[kind].p50_ms / small.loads[kind].p50_ms
            name = f"{kind}, median: {largest.items:,} items against {small.items:,}"
            found.append(figures.true(name, "≤ 2 ×", f"{growth:.2f} ×", met=growth <= 2))
    growth = median(largest.sync_seconds) / median(smallest.sync_seconds)
    name = f"sync of a new list of {NEW_TITLES:,}: {largest.items:,} items against {smallest.items:,}"
    found.append(figures.true(name, "≤ 2 ×", f"{growth:.2f} ×", met=growth <= 2))
    return [*found, _table(sizes)]


def _measure(bench: Bench, items: int, people: int) -> Size:
    size = Size(items)
    url = our_database(bench, "sized")
    fill(url, items=items, people=people)
    sample = paths.draw_sample(url)
    with our_api(bench, url) as served:
        asked: dict[str, Callable[[], Sequence[str]]] = {
            LIST: lambda: paths.front_pages(items),
            SORTED: paths.sorted_pages,
            SEARCH: lambda: paths.searches(sample),
            FILTERS: lambda: paths.filters(sample),
            ITEM: lambda: paths.items(sample),
            DEEP: lambda: paths.deep_pages(served.address, items),
        }
        for kind, make_paths in asked.items():
            try:
                size.loads[kind] = _load(bench, served, make_paths())
            except BenchError as error:
                size.errors[kind] = str(error).splitlines()[0]
        _measure_stats(size, served, url)
        _measure_sync(bench, size, served, url)
    bench.postgres.drop("sized")
    return size


def _load(bench: Bench, served: Served, asked: Sequence[str]) -> Load:
    # other paths than those measured next, so that no reply is cached
    load(served.address, asked[len(asked) // 4 :: 7], bench.directory, clients=CLIENTS, seconds=1)
    return load(served.address, asked, bench.directory, clients=CLIENTS, seconds=1 if bench.quick else 5)


def _measure_stats(size: Size, served: Served, url: str) -> None:
    """Measure requests that each follow a change, so that none is answered from the cache."""
    address = served.address
    person = fetch(url, "SELECT min(id) FROM plex_users")
    exact = True
    for number in range(5 if size.items <= 1_000 else 20):
        name = f"Renamed {number}"
        call("PATCH", f"{address}/api/users/{person}", {"name": name})
        started = time.monotonic()
        stats = call("GET", f"{address}{paths.STATS}")
        size.stats_ms.append((time.monotonic() - started) * 1000)
        exact = exact and name in [each["name"] for each in stats["items_by_user"]]
    size.stats_exact = exact and _counted(stats) == _counted_in_tables(url)


def _counted(stats: dict[str, Any]) -> dict[str, Any]:
    return {
        "total": stats["total_items"],
        "years": {each["year"]: each["items"] for each in stats["items_by_year"]},
        "people": sum(each["items"] for each in stats["items_by_user"]),
    }


def _counted_in_tables(url: str) -> dict[str, Any]:
    current = """
        FROM wishlist_items AS item
       WHERE EXISTS (
             SELECT
               FROM wishlist_item_sources AS source
               JOIN plex_users AS person ON person.id = source.user_id AND person.active
              WHERE source.item_id = item.id
                AND source.removed_at IS NULL)
    """
    years = fetch(url, f"SELECT json_agg(years) FROM (SELECT year, count(*) AS items {current} GROUP BY year) AS years")
    return {
        "total": fetch(url, f"SELECT count(*) {current}"),
        "years": {each["year"]: each["items"] for each in years},
        "people": fetch(url, "SELECT count(*) FROM wishlist_item_sources WHERE removed_at IS NULL"),
    }


def _measure_sync(bench: Bench, size: Size, served: Served, url: str) -> None:
    """Measure the first sync of a person with 1,000 titles into this table."""
    bench.plex.prepare(people=3, titles=NEW_TITLES)
    for number in range(bench.rounds(3)):
        body = {"name": f"Newcomer {number}", "token": token(number, NEW_TITLES)}
        user_id = call("POST", f"{served.address}/api/users", body)["id"]
        settle(url)
        started = time.monotonic()
        run = call("POST", f"{served.address}/api/sync?wait=50&user_id={user_id}")
        size.sync_seconds.append(time.monotonic() - started)
        if run["status"] != "succeeded" or run["items_fetched"] != NEW_TITLES:
            raise served.program.fail(f"A sync did not succeed: {run}")


def _table(sizes: Sequence[Size]) -> Table:
    rows: list[list[str]] = []
    for kind in (LIST, SORTED, SEARCH, FILTERS, ITEM, DEEP):
        cells = [
            f"{size.loads[kind].p50_ms:.3g} / {size.loads[kind].p95_ms:.3g} ms" if kind in size.loads else "failed"
            for size in sizes
        ]
        rows.append([kind, *cells])
    rows.append(["stats after a change", *(f"{median(s.stats_ms):.3g} / {max(s.stats_ms):.3g} ms" for s in sizes)])
    rows.append(
        [f"first sync of {NEW_TITLES:,} titles", *(figures.seconds(median(size.sync_seconds)) for size in sizes)]
    )
    return Table(
        f"By items in the table, {CLIENTS} clients, many different requests: median / 95th percentile "
        "(stats: median / slowest)",
        ["", *(f"{size.items:,}" for size in sizes)],
        rows,
    )
