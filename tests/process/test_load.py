"""Two hundred clients for a minute, while syncs run: not one error."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import cycle, islice

import pytest

from tests.support.fake_plex import Person, row
from tests.support.household import Household
from tests.support.processes import call, gunicorn, settings_for

pytestmark = pytest.mark.slow

CLIENTS = 200
SECONDS = 60
PAUSE_SECONDS = 0.5  # between an answer and the next request of a client
SYNC_EVERY_SECONDS = 3

ROWS = [row(f"{n:x}", f"Film {n:03}", year=1950 + n % 70) for n in range(1, 301)]
PATHS = (
    "/api/wishlist",
    "/api/wishlist?search=film%201&sort=title&min_wanted=1",
    f"/api/wishlist/{ROWS[0]['ratingKey']}",
    "/api/wishlist/stats/summary",
    "/api/users",
    "/health",
)


@dataclass
class Clients:
    """They share one minute, and what came of it: statuses, and everything that was no answer."""

    address: str
    enough: threading.Event = field(default_factory=threading.Event)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, number: int) -> None:
        """One client: a connection that is kept, a request, a moment, the next request."""
        connection = HTTPConnection(self.address.removeprefix("http://"), timeout=60)
        for path in islice(cycle(PATHS), number, None):
            if self.enough.is_set():
                break
            try:
                connection.request("GET", path)
                reply = connection.getresponse()
                reply.read()
            except OSError as error:
                self.failures.append(f"{path}: {error!r}")
                break
            if reply.will_close:
                self.failures.append(f"{path}: connection closed")
                break
            with self.lock:
                self.statuses[reply.status] += 1
            self.enough.wait(PAUSE_SECONDS)
        connection.close()


def test_two_hundred_clients_for_a_minute_meet_no_error(household: Household) -> None:
    people = [household.add(name, ROWS[n * 20 :]) for n, name in enumerate(("Ann", "Ben", "Cleo"))]
    household.sync()

    with gunicorn(settings_for(household, WEB_WORKERS="2")) as (api, address):
        clients = Clients(address)
        threads = [threading.Thread(target=clients.read, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        synced = sync_now_and_then(address, people)
        clients.enough.set()
        for thread in threads:
            thread.join()

        assert api.end() == 0

    assert clients.failures == []
    assert set(clients.statuses) == {200}
    assert clients.statuses[200] > CLIENTS
    assert set(synced) <= {200, 202, 409}
    assert synced[200] + synced[202] > 1
    assert "ERROR" not in api.output
    assert "Traceback" not in api.output


def sync_now_and_then(address: str, people: list[Person]) -> Counter[int]:
    """For SECONDS; each time a title has left each list, or is back."""
    statuses: Counter[int] = Counter()
    end = time.monotonic() + SECONDS
    while (left := end - time.monotonic()) > 0:
        for person in people:
            person.rows = person.rows[1:] if len(person.rows) % 2 == 0 else [ROWS[0], *person.rows]
        statuses[call("POST", f"{address}/api/sync?wait=0")[0]] += 1
        threading.Event().wait(min(left, SYNC_EVERY_SECONDS))
    return statuses
