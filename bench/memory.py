"""The memory of API and scheduler together: after load, and during the sync of a long list."""

import time

from bench import figures, paths
from bench.figures import Figure, Table
from bench.load import load
from bench.plex import token
from bench.postgres import fetch, settle
from bench.programs import BenchError, call, pss_bytes, sampling
from bench.services import Bench, our_api, our_database, scheduler
from bench.syncs import PEOPLE, TITLES

LONG_LIST = 5_000
PATIENCE_SECONDS = 180


def memory_figures(bench: Bench) -> list[Figure | Table]:
    """Measure the PSS of all processes: after load of every kind, and the peak during a sync of 5,000 titles."""
    people, titles, long_list = (2, 200, 500) if bench.quick else (PEOPLE, TITLES, LONG_LIST)
    bench.plex.prepare(people=people, titles=titles)
    bench.plex.prepare(people=1, titles=long_list)
    url = our_database(bench, "ours")
    with our_api(bench, url) as served:
        served.add_people(people, titles)
        with scheduler(bench, url) as sidecar:
            _wait_until_read(url, people)
            settle(url)
            sample = paths.draw_sample(url)
            for asked in (
                paths.front_pages(titles),
                paths.searches(sample),
                paths.filters(sample),
                paths.items(sample),
                [paths.STATS, paths.LIST, "/api/wishlist?limit=500", "/health", "/metrics"],
            ):
                load(served.address, asked, bench.directory, clients=16, seconds=1 if bench.quick else 4)
            pids = served.program.pids() + sidecar.pids()
            after_load = _megabytes(pids)
            with sampling(lambda: _megabytes(pids), seconds=0.03) as peak:
                body = {"name": "Long list", "token": token(0, long_list)}
                call("POST", f"{served.address}/api/users", body)
                _wait_until_read(url, people + 1)
    return [
        figures.at_most("memory of API and scheduler after load, PSS", 90, after_load, "MB"),
        figures.at_most(
            f"the same while the scheduler syncs a list of {long_list:,}, peak", 130, max(after_load, *peak), "MB"
        ),
    ]


def _wait_until_read(url: str, people: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while fetch(url, "SELECT count(*) FROM plex_users WHERE sync_state = 'ok'") < people:
        if time.monotonic() > deadline:
            raise BenchError(f"The scheduler did not read {people} lists within {PATIENCE_SECONDS} s.")
        time.sleep(0.2)


def _megabytes(pids: list[int]) -> float:
    return sum(pss_bytes(pid) for pid in pids) / 1e6
