"""Several schedulers: whether more of them read more people a second, and no one twice."""

import time
from contextlib import ExitStack
from typing import Any

from bench import figures
from bench.content import add_people, recount
from bench.figures import Figure, Table
from bench.postgres import fetch, open_database, settle
from bench.services import Bench, our_database, scheduler

PEOPLE = 2_000
TITLES = 20
LATENCY_MS = 50
PATIENCE_SECONDS = 180


def scheduler_figures(bench: Bench) -> list[Figure | Table]:
    """Measure 1, 2 and 4 schedulers with 2,000 due people, short lists and a Plex that takes 50 ms."""
    people = 100 if bench.quick else PEOPLE
    bench.plex.prepare(people=people, titles=TITLES)
    found = {count: _read_everybody(bench, count, people) for count in (1, 2, 4)}
    speeds = {count: float(counted["people_a_second"]) for count, counted in found.items()}
    once = all(counted["people_by_reads"] == {"1": people} for counted in found.values())
    grows = speeds[2] > 1.1 * speeds[1] and speeds[4] > 1.1 * speeds[2]
    rows = [
        [str(count), f"{speeds[count]:.0f}/s", f"{speeds[count] / speeds[1]:.2f} ×", _told(counted["people_by_reads"])]
        for count, counted in found.items()
    ]
    return [
        figures.true(
            f"people read a second by 1, 2 and 4 schedulers, {people:,} people, Plex at {LATENCY_MS} ms",
            "grows by more than 10% each time",
            " · ".join(f"{speed:.0f}/s" for speed in speeds.values()),
            met=grows,
        ),
        figures.true("people read other than once by them", "0", str(_not_once(found, people)), met=once),
        Table(
            f"{people:,} people with lists of {TITLES}, Plex at {LATENCY_MS} ms",
            ["schedulers", "people read", "against one", "lists read"],
            rows,
        ),
    ]


def _read_everybody(bench: Bench, count: int, people: int) -> dict[str, Any]:
    """Start so many schedulers and wait until everyone is read, or no more people are."""
    url = our_database(bench, "ours")
    with open_database(url) as conn:
        add_people(conn, count=people, list_length=TITLES)
        recount(conn)
    settle(url)
    bench.plex.set_latency(LATENCY_MS)
    bench.plex.take_counts()
    try:
        with ExitStack() as stack:
            for number in range(1, count + 1):
                stack.enter_context(scheduler(bench, url, number=number))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while _read(url) < people and time.monotonic() < deadline:
                time.sleep(0.5)
            time.sleep(2)  # time for a wrong second read to show
    finally:
        bench.plex.set_latency(0)
    counted = bench.plex.take_counts()
    done = _read(url)
    bench.postgres.drop("ours")
    return counted | {"people_a_second": done / counted["seconds"] if counted["seconds"] else 0}


def _read(url: str) -> int:
    return fetch(url, "SELECT count(*) FROM plex_users WHERE sync_state <> 'never'")


def _not_once(found: dict[int, dict[str, Any]], people: int) -> int:
    return sum(people - counted["people_by_reads"].get("1", 0) for counted in found.values())


def _told(people_by_reads: dict[str, int]) -> str:
    return ", ".join(f"{people:,} {times} ×" for times, people in sorted(people_by_reads.items()))
