"""The sync: how long a first and an unchanged one take, what they request, write and block, and how that grows."""

import time
from functools import partial
from statistics import median

from bench import figures
from bench.figures import Figure, Table
from bench.postgres import fetch, open_database, settle
from bench.programs import sampling, status_of
from bench.services import Bench, Served, our_api, our_database, reference, reference_database

PEOPLE, TITLES = 10, 1000


def sync_figures(bench: Bench) -> list[Figure | Table]:
    """Measure a first sync and an unchanged re-sync of 10 people with 1,000 titles each, reference and ours in turn."""
    people, titles = (2, 200) if bench.quick else (PEOPLE, TITLES)
    bench.plex.prepare(people=people, titles=titles)
    first: dict[str, list[float]] = {"reference": [], "ours": []}
    again: dict[str, list[float]] = {"reference": [], "ours": []}
    requests: set[float] = set()
    for _ in range(bench.rounds(2)):
        with reference(bench, reference_database(bench, "reference")) as served:
            served.add_people(people, titles)
            first["reference"].append(_sync_seconds(served))
            again["reference"].append(_sync_seconds(served))
        with our_api(bench, our_database(bench, "ours")) as served:
            served.add_people(people, titles)
            first["ours"].append(_sync_seconds(served))
            for _ in range(5):
                bench.plex.take_counts()
                again["ours"].append(_sync_seconds(served))
                requests.add(bench.plex.take_counts()["requests"] / people)
    what = f"{people} people × {titles:,} titles"
    return [
        figures.faster(f"first sync, {what}", None, **first),
        figures.faster(f"unchanged re-sync, {what}", 200, **again),
        figures.true(
            "requests to Plex for a person in an unchanged re-sync", "1", f"{max(requests):g}", met=requests == {1}
        ),
        *_log_figures(bench, people, titles // 10),
        *_log_figures(bench, people, titles),
    ]


def _sync_seconds(served: Served) -> float:
    started = time.monotonic()
    served.sync()
    return time.monotonic() - started


def _log_figures(bench: Bench, people: int, titles: int) -> list[Figure]:
    """Measure the write-ahead log of an unchanged re-sync per person: the median of 7, and of 3 after checkpoints.

    After a checkpoint, PostgreSQL logs the whole page of the first change, once for all people on that page.
    """
    bench.plex.prepare(people=people, titles=titles)
    url = our_database(bench, "log")
    with our_api(bench, url) as served, open_database(url) as conn:
        served.add_people(people, titles)
        served.sync()
        settle(url)

        def kilobytes() -> float:
            before = conn.execute("SELECT pg_current_wal_insert_lsn()").fetchone()[0]
            served.sync()
            written = conn.execute("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", [before]).fetchone()[0]
            return float(written) / people / 1000

        usual = median(kilobytes() for _ in range(7))
        after_checkpoint: list[float] = []
        for _ in range(3):
            conn.execute("CHECKPOINT")
            after_checkpoint.append(kilobytes())
    what = f"write-ahead log for a person in an unchanged re-sync, {people} people × {titles:,} titles"
    return [
        figures.at_most(what, 2, usual, "kB"),
        Figure(f"{what}, first after a checkpoint", f"{median(after_checkpoint):.3g} kB"),
    ]


def health_figures(bench: Bench) -> list[Figure | Table]:
    """Measure the slowest /health during a first sync of 10 people with 1,000 titles: the median of 3 syncs."""
    people, titles = (2, 200) if bench.quick else (PEOPLE, TITLES)
    bench.plex.prepare(people=people, titles=titles)
    slowest: list[float] = []
    for _ in range(bench.rounds(3)):
        with our_api(bench, our_database(bench, "ours")) as served:
            served.add_people(people, titles)
            with sampling(partial(_health_seconds, served), seconds=0.02) as durations:
                served.sync()
            slowest.append(max(durations) * 1000)
    what = f"slowest /health while a first sync of {people} × {titles:,} runs (worst of all: {max(slowest):.0f} ms)"
    return [figures.at_most(what, 250, median(slowest), "ms")]


def _health_seconds(served: Served) -> float:
    started = time.monotonic()
    answered = status_of(f"{served.address}/health") == 200
    return time.monotonic() - started if answered else float("inf")


def growth_figures(bench: Bench) -> list[Figure | Table]:
    """Measure first syncs of one person with longer and longer lists: the time per title stays the same."""
    lengths = (100, 1_000) if bench.quick else (1_000, 2_000, 5_000, 10_000, 20_000)
    rows: list[list[str]] = []
    microseconds: list[float] = []
    for length in lengths:
        bench.plex.prepare(people=1, titles=length)
        durations: list[float] = []
        for _ in range(bench.rounds(3)):
            url = our_database(bench, "ours")
            with our_api(bench, url) as served:
                served.add_people(1, length)
                durations.append(_sync_seconds(served))
            assert fetch(url, "SELECT count(*) FROM wishlist_items") == length
        microseconds.append(median(durations) / length * 1e6)
        rows.append([f"{length:,}", figures.seconds(median(durations)), f"{microseconds[-1]:.0f} µs"])
    growth = max(microseconds[1:]) / microseconds[0]
    return [
        figures.true(
            f"first sync, time for a title: lists of up to {lengths[-1]:,} against one of {lengths[0]:,}",
            "≤ 1.5 ×",
            f"{growth:.2f} ×",
            met=growth <= 1.5,
        ),
        Table("First sync of one person, by the length of the list", ["titles", "sync", "for a title"], rows),
    ]
