"""Bodies of replies about the wishlist, cached until the wishlist changes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from wishlist_service.models import Feed
from wishlist_service.web.compression import SMALLEST, compress

MAXIMUM_BYTES: Final = 1_000_000
# What an entry takes besides its body: the hash, the object and its place in the dictionary.
ENTRY_BYTES: Final = 500


@dataclass(frozen=True)
class CachedResponse:
    """A body, and how many titles a feed had to leave out; None if it is no feed."""

    body: bytes
    skipped: int | None = None
    compressed: bool = False


class ResponseCache:
    """The bodies that one process made in the current generation. New bodies replace the oldest ones.

    Keys are hashes, so that only bodies and ENTRY_BYTES for each count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._generation = -1
        self._responses: dict[bytes, CachedResponse] = {}
        self._bytes = 0

    def get(
        self, generation: int, key: bytes | None, make_body: Callable[[], str | Feed], *, compressed: bool = False
    ) -> CachedResponse:
        """Return what is cached for this key, or make it. `generation` must have been read for this request.

        key: None if the body must not be cached.
        compressed: whether a body that is long enough is compressed. The key must differ, then.
        """
        with self._lock:
            if generation != self._generation:
                self._generation, self._responses, self._bytes = generation, {}, 0
            cached = self._responses.get(key) if key else None
        if cached:
            return cached
        made = make_body()
        body, skipped = (made.body, made.skipped) if isinstance(made, Feed) else (made, None)
        data = body.encode()
        compressed = compressed and len(data) > SMALLEST
        response = CachedResponse(compress(data) if compressed else data, skipped, compressed)
        with self._lock:
            # If another request has seen a newer generation meanwhile, this body is not cached.
            if key and generation == self._generation and key not in self._responses:
                self._responses[key] = response
                self._bytes += len(response.body) + ENTRY_BYTES
                while self._bytes > MAXIMUM_BYTES:
                    oldest = self._responses.pop(next(iter(self._responses)))
                    self._bytes -= len(oldest.body) + ENTRY_BYTES
        return response
