"""An idle service: what it costs, and how soon it shows a change."""

import os
import time
from pathlib import Path
from typing import Any

from psycopg import Connection

from bench import figures
from bench.figures import Figure, Table
from bench.plex import token
from bench.postgres import fetch, open_database, settle
from bench.programs import BenchError, call
from bench.services import Bench, our_api, our_database, scheduler
from bench.syncs import PEOPLE

TITLES = 100
MEASURED_SECONDS = 180
LOOK_SECONDS = 3
PATIENCE_SECONDS = 120
STORED_AN_HOUR = 2
FULL_READS_AN_HOUR = 1 / 6


def idle_figures(bench: Bench) -> list[Figure | Table]:
    """Measure the CPU and the write-ahead log of 10 people without changes, and how soon a change shows."""
    people = 2 if bench.quick else PEOPLE
    bench.plex.prepare(people=people, titles=TITLES)
    return [_cpu_figure(bench, people), _log_figure(bench, people), _change_figure(bench)]


def _cpu_figure(bench: Bench, people: int) -> Figure:
    """Measure API and scheduler for as long as one round of looks takes."""
    url = our_database(bench, "ours")
    seconds = 5 if bench.quick else MEASURED_SECONDS
    with our_api(bench, url) as served:
        served.add_people(people, TITLES)
        with scheduler(bench, url, look_minutes=3) as sidecar:
            _wait_until_read(url, people)
            with open_database(url) as conn:
                _end_questions(conn)
            settle(url)
            time.sleep(1 if bench.quick else 30)  # for pings and the like
            pids = served.program.pids() + sidecar.pids()
            before = _cpu_seconds(pids)
            time.sleep(seconds)
            used = (_cpu_seconds(pids) - before) / seconds * 86_400
    what = f"CPU of API and scheduler in a day without changes, {people} people, looks every 3 minutes"
    return figures.at_most(what, 60, used, "s")


def _log_figure(bench: Bench, people: int) -> Figure:
    """Measure the log of what looks store twice an hour and of a sixth of the full reads, each after a checkpoint.

    Each is done twice, and the second counts: the first also logs pages that only the cleaning up had touched.
    """
    url = our_database(bench, "ours")
    stored = read = 0.0
    with our_api(bench, url) as served, open_database(url) as conn:
        served.add_people(people, TITLES)
        with scheduler(bench, url):
            _wait_until_read(url, people)
        _end_questions(conn)
        settle(url)
        conn.execute("ALTER SYSTEM SET autovacuum = off")  # it would clean up after the first read
        conn.execute("SELECT pg_reload_conf()")
        for _ in range(2):
            with scheduler(bench, url, look_minutes=LOOK_SECONDS / 60) as sidecar:
                time.sleep(LOOK_SECONDS * 3)
                conn.execute("CHECKPOINT")
                begin = _log_position(url)
                sidecar.process.terminate()  # it stores what it remembers
                sidecar.process.wait(30)
                stored = _log_position(url) - begin
        for _ in range(2):
            conn.execute("UPDATE plex_users SET next_sync_at = now()")
            began = fetch(url, "SELECT now()::text")
            conn.execute("CHECKPOINT")
            begin = _log_position(url)
            with scheduler(bench, url):
                _wait_until_read(url, people, since=began)
                time.sleep(1)
            read = _log_position(url) - begin
        conn.execute("ALTER SYSTEM RESET autovacuum")
        conn.execute("SELECT pg_reload_conf()")
    hour = stored * STORED_AN_HOUR + read * FULL_READS_AN_HOUR
    what = f"write-ahead log for a person in an hour without changes, {people} people"
    return figures.at_most(what, 4, hour / people / 1000, "kB")


def _change_figure(bench: Bench) -> Figure:
    """Measure the slowest of several changes, from Plex to the wishlist of the API."""
    url = our_database(bench, "ours")
    slowest = 0.0
    with our_api(bench, url) as served, scheduler(bench, url, look_minutes=LOOK_SECONDS / 60):
        served.add_people(1, TITLES)
        _wait_until_read(url, 1)
        for _ in range(bench.rounds(5)):
            known = _newest(served.address)
            bench.plex.change(token(0, TITLES))
            began = time.monotonic()
            while _newest(served.address) == known:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise BenchError(f"A change did not show within {PATIENCE_SECONDS} s.")
                time.sleep(0.05)
            slowest = max(slowest, time.monotonic() - began)
    what = f"from a change of a watchlist to its visibility, looks every {LOOK_SECONDS} s, slowest"
    return figures.at_most(what, LOOK_SECONDS + 10, slowest, "s")


def _end_questions(conn: Connection[Any]) -> None:
    """Have all questions about single titles be answered, as they are after some days."""
    conn.execute("UPDATE wishlist_items SET details_due_at = NULL")
    conn.execute("UPDATE sync_runs SET times_due = false")


def _newest(address: str) -> str:
    return call("GET", f"{address}/api/wishlist?limit=1")["items"][0]["uid"]


def _log_position(url: str) -> float:
    return float(fetch(url, "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"))


def _wait_until_read(url: str, people: int, *, since: str = "-infinity") -> None:
    """Wait until everybody was read in full since then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    sql = (
        "SELECT count(*) FROM plex_users WHERE sync_state = 'ok' AND list_read_at > %(since)s AND next_sync_at > now()"
    )
    while fetch(url, sql, {"since": since}) < people:
        if time.monotonic() > deadline:
            raise BenchError(f"The scheduler did not read {people} lists within {PATIENCE_SECONDS} s.")
        time.sleep(0.2)


def _cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")
