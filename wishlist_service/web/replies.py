"""Replies about the wishlist, kept to be sent again while it stays as it is."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

MOST_BYTES: Final = 500_000
PATIENCE_SECONDS: Final = 0.1
SHARED_SECONDS: Final = 0.01
_AHEAD: Final = 0.75  # of that time: then somebody looks again


@dataclass(frozen=True)
class Kept:
    """A body, and how many titles it could not carry, if it is of a kind that tells.

    headers: all of the reply, once it was sent a second time, to somebody who needs no key; for the route given.
    """

    body: bytes
    skipped: int | None = None
    headers: list[tuple[str, str]] | None = None
    route: str = ""


class Replies:
    """The bodies that one process sent since the wishlist last changed.

    shared_seconds: how long a look at the database does for others. Whoever changes something hears of it
    only after that time, so nobody ever misses their own change, whichever process answers next.
    """

    def __init__(self, *, shared_seconds: float = SHARED_SECONDS) -> None:
        self.shared_seconds = shared_seconds
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._seen = (float("-inf"), -1)  # when somebody began to look, and the generation found
        self._bodies: dict[str, Kept] = {}
        self._bytes = 0

    def generation(self, look: Callable[[], int]) -> int:
        """Which state of the wishlist is the present one; `look` asks the database.

        Under load somebody looks before the last look is too old, so that nobody waits. If it is too old, one looks
        and those who come meanwhile wait; when the database is slow, everybody looks for themselves.
        """
        asked_at = time.monotonic()
        looked_at, generation = self._seen
        old = asked_at - self.shared_seconds * _AHEAD
        if looked_at > old:
            return generation
        wait = 0 if looked_at > asked_at - self.shared_seconds else PATIENCE_SECONDS
        have_turn = self._turn.acquire(timeout=wait)
        if not have_turn and not wait:
            return generation
        try:
            if self._seen[0] <= old:
                started = time.monotonic()
                self._see(look(), started)
            return self._seen[1]
        finally:
            if have_turn:
                self._turn.release()

    def _see(self, generation: int, looked_at: float) -> None:
        with self._lock:
            last_look, known = self._seen
            if looked_at > last_look:
                self._seen = (looked_at, generation)
                if generation != known:  # a restored backup has a lower one
                    self._bodies.clear()
                    self._bytes = 0

    def find_whole(self, question: str) -> Kept | None:
        """What is kept for this question with its headers, unless it is time for a look."""
        with self._lock:
            kept, (looked_at, _) = self._bodies.get(question), self._seen
        if kept is None or kept.headers is None:
            return None
        due = looked_at + self.shared_seconds * (1 if self._turn.locked() else _AHEAD)
        return kept if time.monotonic() < due else None

    def find(self, generation: int, question: str) -> Kept | None:
        """What is kept for this question, if it is of this generation."""
        with self._lock:
            return self._bodies.get(question) if generation == self._seen[1] else None

    def keep(self, generation: int, question: str, reply: Kept) -> None:
        """Keep a reply, the oldest ones making room for it."""
        with self._lock:
            if generation != self._seen[1] or question in self._bodies:
                return
            self._bodies[question] = reply
            self._bytes += len(reply.body)
            while self._bytes > MOST_BYTES:
                self._bytes -= len(self._bodies.pop(next(iter(self._bodies))).body)

    def complete(self, generation: int, question: str, headers: list[tuple[str, str]], route: str) -> None:
        """Keep the headers that go with a kept body, too."""
        with self._lock:
            kept = self._bodies.get(question)
            if generation == self._seen[1] and kept and kept.headers is None:
                self._bodies[question] = replace(kept, headers=headers, route=route)
