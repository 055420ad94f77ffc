"""`make cluster`: kills the leader of a cluster three times under load, and prints what happened."""

import random
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from psycopg import OperationalError

from tests.support.fake_plex import FakePlex, Person, row
from tests.support.followers import all_changes, changes, half_written, play, present_wishes
from tests.support.household import API_KEY, PASSPHRASE, Household, household_at
from tests.support.own_server import Look
from tests.support.patroni import Cluster, patroni
from tests.support.processes import Program, gunicorn, program, request, settings_for, wait_until
from wishlist_service.migrate import migrate
from wishlist_service.tokens import TokenCipher

KILLS = 3
PEOPLE = 40
TITLES = 10  # of each person at the beginning
LIMIT_SECONDS = 180  # for whatever is waited for
KEY = {"X-API-Key": API_KEY}


class Load(threading.Thread):
    """Adds a title to somebody's watchlist ten times a second, and makes everybody due twice a second."""

    def __init__(self, household: Household) -> None:
        super().__init__(daemon=True)
        self._conn = household.conn
        self.people = [household.add(f"Person {number}") for number in range(PEOPLE)]
        for person in self.people * TITLES:
            self._add_title(person)
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.1):
            self._add_title(random.choice(self.people))
            if random.random() < 0.2:
                with suppress(OperationalError):  # no server can be written to
                    self.make_due()

    def make_due(self) -> None:
        self._conn.execute("UPDATE plex_users SET next_sync_at = now()")

    def _add_title(self, person: Person) -> None:
        number = sum(len(each.rows) for each in self.people)
        person.rows = [row(f"{number:x}", f"Title {number}"), *person.rows]


class Follower(threading.Thread):
    """A program that follows the changes of one copy of the API, and dismisses titles and undoes it."""

    def __init__(self, address: str, share: int) -> None:
        super().__init__(daemon=True)
        self.address, self._share = address, share
        self._mine: list[str] = []
        self.stop = threading.Event()
        self.events: list[dict[str, Any]] = []
        self.dismissed: dict[str, bool] = {}
        """By uid, what the API has confirmed."""
        self.read: list[tuple[float, float]] = []
        """Begin and end of each request that was answered with 200."""
        self.wrote: list[tuple[float, float]] = []
        self.refused = 0
        """How often the cursor was refused."""

    def run(self) -> None:
        after = ""
        while not self.stop.wait(0.05):
            began = time.monotonic()
            answer = changes(self.address, after)
            self.refused += answer.status == 410
            if answer.status == 200:
                self.read.append((began, time.monotonic()))
                after = answer.json["next"]
                self._note(answer.json["items"])
            if self._mine:
                self._decide(random.choice(self._mine))

    def _note(self, events: list[dict[str, Any]]) -> None:
        self.events += events
        uids = {event["item"]["uid"] for event in events}
        self._mine += [uid for uid in uids if int(uid[-4:], 16) % 2 == self._share]

    def _decide(self, uid: str) -> None:
        wanted = not self.dismissed.pop(uid, False)  # unknown until it is confirmed
        began = time.monotonic()
        address = f"{self.address}/api/wishlist/{uid.rpartition('/')[2]}"
        if request("PATCH", address, headers=KEY, body={"dismissed": wanted}).status == 200:
            self.wrote.append((began, time.monotonic()))
            self.dismissed[uid] = wanted


def main() -> None:
    with ExitStack() as stack:
        plex = stack.enter_context(FakePlex())
        cluster = stack.enter_context(patroni())
        migrate(cluster.url)
        household = household_at(cluster.url, plex, TokenCipher([PASSPHRASE]), Look(cluster.url))
        load = Load(household)
        followers: list[Follower] = []
        schedulers: list[Program] = []
        for share in range(2):
            _, address = stack.enter_context(gunicorn(settings_for(household, WEB_WORKERS="2")))
            followers.append(Follower(address, share))
            env = settings_for(household, PLEX_SYNC_INTERVAL_HOURS="0.01")
            schedulers.append(stack.enter_context(program("-m", "wishlist_service.scheduler", env=env)))
        for thread in (load, *followers):
            thread.start()
        wait_until(lambda: all(follower.wrote for follower in followers), seconds=LIMIT_SECONDS)
        print(f"{PEOPLE} people, 2 copies of the API, 2 schedulers, 3 servers", flush=True)

        rows = [kill_leader(cluster, followers, schedulers) for _ in range(KILLS)]
        load.stop.set()
        load.join()
        load.make_due()
        wait_until(lambda: len(present_wishes(household)) == sum(len(person.rows) for person in load.people))
        for follower in followers:
            follower.stop.set()
            follower.join()
        faults = look_back(household, followers, schedulers)
        for scheduler in schedulers:
            scheduler.end()

    print(f"\n| from the kill until | {' | '.join(f'kill {number}' for number in range(1, KILLS + 1))} |")
    print("| --- |" + " ---: |" * KILLS)
    for label in rows[0]:
        print(f"| {label} | {' | '.join(f'{found[label]:.1f}' for found in rows)} |")
    sys.exit(1 if faults else 0)


def kill_leader(cluster: Cluster, followers: list[Follower], schedulers: list[Program]) -> dict[str, float]:
    """Kill the leader once a synchronous standby is named; the seconds until each thing happened."""
    wait_until(cluster.is_whole, seconds=LIMIT_SECONDS)
    old, standby = cluster.leader, cluster.standby
    assert old
    lengths = [len(scheduler.output) for scheduler in schedulers]
    old.kill()
    killed = time.monotonic()
    print(f"\nKilled the leader {old.name}. The synchronous standby was {standby}.", flush=True)
    awaited: dict[str, Callable[[], object]] = {"there was a new leader": lambda: cluster.leader}
    for number, follower in enumerate(followers, 1):
        awaited[f"copy {number} of the API answered"] = lambda done=follower.read: answered(done, killed)
        awaited[f"copy {number} of the API wrote"] = lambda done=follower.wrote: answered(done, killed)
    for number, (scheduler, length) in enumerate(zip(schedulers, lengths, strict=True), 1):
        awaited[f"scheduler {number} stored a list"] = lambda s=scheduler, n=length: stored(s, n)
    awaited["a synchronous standby was named again"] = lambda: cluster.standby not in (None, standby)

    seconds: dict[str, float] = {}
    while len(seconds) < len(awaited):
        for label in awaited.keys() - seconds.keys():
            if awaited[label]():
                seconds[label] = time.monotonic() - killed
                print(f"{seconds[label]:6.1f} s: {label}", flush=True)
        if time.monotonic() - killed > LIMIT_SECONDS:
            sys.exit(f"Not within {LIMIT_SECONDS} s: {', '.join(awaited.keys() - seconds.keys())}")
        time.sleep(0.02)
    old.start()
    restarted = time.monotonic()
    wait_until(cluster.is_whole, seconds=LIMIT_SECONDS)
    found = {label: seconds[label] for label in awaited}
    return found | {"the killed server followed, from its restart": time.monotonic() - restarted}


def answered(done: list[tuple[float, float]], killed: float) -> bool:
    """Whether a request that began after the kill was answered with 200."""
    return bool(done) and done[-1][0] > killed


def stored(scheduler: Program, length: int) -> bool:
    """Whether a run that began since the output was so long has stored a list."""
    return bool(re.search(r"sync started run=(\d+) .* user synced run=\1 ", scheduler.output[length:], re.DOTALL))


def look_back(household: Household, followers: list[Follower], schedulers: list[Program]) -> int:
    """Print what was acknowledged, and how much of it is lost or half written; that is returned, too."""
    told = all_changes(followers[0].address)
    stored = {event["id"]: event for event in told}
    heard = {event["id"]: event for follower in followers for event in follower.events}
    lost = [event for number, event in heard.items() if stored.get(number) != event]
    confirmed = {uid: value for follower in followers for uid, value in follower.dismissed.items()}
    rows = household.conn.execute("SELECT uid, dismissed_at IS NOT NULL AS dismissed FROM wishlist_items").fetchall()
    decided = {row["uid"]: row["dismissed"] for row in rows}
    undone = [uid for uid, value in confirmed.items() if decided[uid] != value]
    half = half_written(household)
    differing = play(told) ^ present_wishes(household)
    refused = sum(follower.refused for follower in followers)
    tracebacks = sum(running.output.count("Traceback") for running in schedulers)

    print(f"\nWishes that the API showed: {len(heard)}, lost: {len(lost)}.")
    print(f"Decisions that the API confirmed: {len(confirmed)}, lost: {len(undone)}.")
    print(f"People whose list is half written: {len(half)}.")
    print(f"Wishes that differ between /api/changes and the wishlist: {len(differing)}.")
    print(f"Cursors refused with 410: {refused}. Tracebacks of the schedulers: {tracebacks}.")
    return len(lost) + len(undone) + len(half) + len(differing) + refused + tracebacks


if __name__ == "__main__":
    main()
