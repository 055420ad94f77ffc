"""Replies about the wishlist, kept to be sent again while it stays as it is."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 1_000_000
PATIENCE_SECONDS: Final = 0.1
SHARED_SECONDS: Final = 0.025


@dataclass(frozen=True)
class Kept:
    """A body, and how many titles it could not carry, if it is of a kind that tells."""

    body: bytes
    skipped: int | None = None


class Replies:
    """The bodies that one process sent since the wishlist last changed.

    shared_seconds: how long a look at the database does for others. Whoever changes something hears of it
    only after that time, so nobody ever misses their own change, whichever process answers next.
    """

    def __init__(self, *, shared_seconds: float = SHARED_SECONDS) -> None:
        self.shared_seconds = shared_seconds
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._generation = -1
        self._bodies: dict[str, Kept] = {}
        self._bytes = 0

    def generation(self, look: Callable[[], int]) -> int:
        """Which state of the wishlist is the present one; `look` asks the database.

        One looks, those who come meanwhile wait. When the database is slow, everybody looks for themselves.
        """
        since = time.monotonic() - self.shared_seconds
        have_turn = self._turn.acquire(timeout=PATIENCE_SECONDS)
        try:
            if self._looked_at < since:
                started = time.monotonic()
                self._see(look(), started)
            return self._generation
        finally:
            if have_turn:
                self._turn.release()

    def _see(self, generation: int, looked_at: float) -> None:
        with self._lock:
            if looked_at > self._looked_at:
                self._looked_at = looked_at
                if generation != self._generation:  # a restored backup has a lower one
                    self._generation = generation
                    self._bodies.clear()
                    self._bytes = 0

    def find(self, generation: int, question: str) -> Kept | None:
        """What is kept for this question, if it is of this generation."""
        with self._lock:
            return self._bodies.get(question) if generation == self._generation else None

    def keep(self, generation: int, question: str, reply: Kept) -> None:
        """Keep a reply, the oldest ones making room for it."""
        with self._lock:
            if generation != self._generation or question in self._bodies:
                return
            self._bodies[question] = reply
            self._bytes += len(reply.body)
            while self._bytes > MOST_BYTES:
                self._bytes -= len(self._bodies.pop(next(iter(self._bodies))).body)
