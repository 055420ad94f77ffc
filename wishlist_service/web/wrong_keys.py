"""A limit on guessing keys."""

import ipaddress
import threading
import time
from typing import Final

from werkzeug.exceptions import TooManyRequests

MAXIMUM_WRONG_KEYS: Final = 10
WINDOW_SECONDS: Final = 60
_MAXIMUM_ADDRESSES: Final = 1000


class WrongKeys:
    """The different wrong keys that came from each address within a minute. Many of them mean that someone guesses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, set[int]]] = {}

    def refuse_guesser(self, address: str) -> None:
        """Raise TooManyRequests if the address sent too many wrong keys, whether or not the key is right now."""
        with self._lock:
            until, keys = self._seen.get(_network(address), (0.0, set[int]()))
        left = until - time.monotonic()
        if left > 0 and len(keys) >= MAXIMUM_WRONG_KEYS:
            seconds = int(left) + 1
            raise TooManyRequests(
                f"Too many wrong keys came from this address. Try again in {seconds} s.", retry_after=seconds
            )

    def add(self, address: str, key: str) -> None:
        """Count a wrong key. The same key again does not count: that is a program with an old key."""
        network = _network(address)
        now = time.monotonic()
        with self._lock:
            until, keys = self._seen.pop(network, (0.0, set[int]()))
            if until < now:
                until, keys = now + WINDOW_SECONDS, set[int]()
            keys.add(hash(key))
            self._seen[network] = until, keys
            if len(self._seen) > _MAXIMUM_ADDRESSES:
                del self._seen[next(iter(self._seen))]


def _network(address: str) -> str:
    """Return the address; for IPv6 its /64 network, because one client can use every address in it."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4 or ip.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False))
