"""A brake on guessing keys."""

import ipaddress
import threading
import time
from typing import Final

from werkzeug.exceptions import TooManyRequests

MOST_WRONG_KEYS: Final = 10
WINDOW_SECONDS: Final = 60
_MOST_ADDRESSES: Final = 1000


class WrongKeys:
    """The wrong keys that came from each address lately. Somebody who sends many different ones is guessing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, set[int]]] = {}

    def refuse_guesser(self, address: str) -> None:
        """Raise TooManyRequests, whatever the key, when the address has guessed too often."""
        with self._lock:
            until, keys = self._seen.get(_network(address), (0.0, set[int]()))
        left = until - time.monotonic()
        if left > 0 and len(keys) >= MOST_WRONG_KEYS:
            raise TooManyRequests("Too many wrong keys came from this address.", retry_after=int(left) + 1)

    def add(self, address: str, key: str) -> None:
        """Remember a wrong key. The same one again does not count: that is a client with an old key."""
        network = _network(address)
        now = time.monotonic()
        with self._lock:
            until, keys = self._seen.pop(network, (0.0, set[int]()))
            if until < now:
                until, keys = now + WINDOW_SECONDS, set[int]()
            keys.add(hash(key))
            self._seen[network] = until, keys
            if len(self._seen) > _MOST_ADDRESSES:
                del self._seen[next(iter(self._seen))]


def _network(address: str) -> str:
    """The address; of IPv6 the network, whose other addresses are the same client's for the taking."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4 or ip.ipv4_mapped:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False))
