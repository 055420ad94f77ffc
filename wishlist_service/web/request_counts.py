"""How many requests were answered, for /metrics.

The web processes count in memory that they inherit from gunicorn's first process. No file is written or mapped, so a
full disk stops no request. gunicorn.conf.py makes the memory and gives each process a part of it.
"""

import mmap
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

_PLACES: Final = 1024  # for each process; what finds no more room is not counted
_NAME_BYTES: Final = 120


class Counted(NamedTuple):
    """What is counted together."""

    method: str
    route: str
    status: str


class RequestCounts:
    """The counts of so many processes. None of the methods raises for want of room."""

    def __init__(self, processes: int = 1) -> None:
        self._processes = processes
        places = processes * _PLACES
        size = places * (8 + _NAME_BYTES)
        try:
            memory = memoryview(mmap.mmap(-1, size))  # of no file; processes that are forked share it
        except OSError:
            memory = memoryview(bytearray(size))  # they do not share it, and each shows its own counts
        # A count is written at once and never seen half. Its name is complete before.
        self._counts = memory[: places * 8].cast("Q")
        self._names = memory[places * 8 :]
        self._lock = threading.Lock()
        self.enter(0)

    def enter(self, process: int) -> None:
        """Count in the part of this process, and go on with what an earlier one has counted there."""
        self._start = process % self._processes * _PLACES
        self._places = {counted: place for place, counted in self._read(self._start)}

    def add(self, counted: Counted) -> None:
        """Count a request."""
        with self._lock:
            place = self._places.get(counted)
            if place is None:
                place = self._start + len(self._places)
                name = " ".join(counted).encode()
                if len(self._places) == _PLACES or len(name) > _NAME_BYTES:
                    return
                self._names[place * _NAME_BYTES : (place + 1) * _NAME_BYTES] = name.ljust(_NAME_BYTES, b"\0")
                self._places[counted] = place
            self._counts[place] += 1

    def totals(self) -> Counter[Counted]:
        """Return the counts of all processes together."""
        found: Counter[Counted] = Counter()
        for process in range(self._processes):
            for place, counted in self._read(process * _PLACES):
                found[counted] += self._counts[place]
        return found

    def _read(self, start: int) -> Iterator[tuple[int, Counted]]:
        for place in range(start, start + _PLACES):
            if not self._counts[place]:
                return
            name = bytes(self._names[place * _NAME_BYTES : (place + 1) * _NAME_BYTES])
            method, route, status = name.rstrip(b"\0").decode().split(" ")
            yield place, Counted(method, route, status)


counts = RequestCounts()
"""Those of this process; gunicorn.conf.py replaces them."""
