"""What was seen lately, counted by all web processes together and not written to any disk.

gunicorn.conf.py imports this module before it forks, so its workers share the memory of SHARED.
"""

import hashlib
import ipaddress
import mmap
import struct
import threading
import time
from typing import Final

MAXIMUM_WRONG_KEYS: Final = 10
MAXIMUM_SIGN_INS: Final = 30
WINDOW_SECONDS: Final = 60


class RecentValues:
    """The different values seen for each name within a window that begins with the first of them.

    Hashes of them are stored in a table of a fixed size. A name may displace another one with the same place.
    """

    def __init__(self, *, names: int, maximum: int, seconds: float) -> None:
        self._maximum = maximum
        self._seconds = seconds
        self._place = struct.Struct(f"d8s{8 * maximum}s")  # end of the window, name, values
        self._names = names
        self._table = mmap.mmap(-1, names * self._place.size)  # shared with processes that are forked later
        # Two processes that write at once may lose a value. That does not matter.
        self._lock = threading.Lock()

    def add(self, name: str, value: str) -> bool:
        """Return whether the value is new, and add it. One more than the maximum is not new."""
        hashed = _hash(value)
        with self._lock:
            ends_at, values = self._read(name)
            if not values:
                ends_at = time.monotonic() + self._seconds
            if hashed in values or len(values) >= self._maximum:
                return False
            self._place.pack_into(self._table, self._offset(name), ends_at, _hash(name), b"".join([*values, hashed]))
            return True

    def seconds_left(self, name: str) -> float:
        """Return when the name may have new values again: 0 unless it has the maximum of them."""
        with self._lock:
            ends_at, values = self._read(name)
        return ends_at - time.monotonic() if len(values) >= self._maximum else 0

    def _read(self, name: str) -> tuple[float, list[bytes]]:
        ends_at, stored_name, joined = self._place.unpack_from(self._table, self._offset(name))
        if stored_name != _hash(name) or ends_at <= time.monotonic():
            return 0, []
        values = [joined[start : start + 8] for start in range(0, len(joined), 8)]
        return ends_at, [value for value in values if any(value)]

    def _offset(self, name: str) -> int:
        return int.from_bytes(_hash(name)) % self._names * self._place.size


class Recent:
    """What one service has seen lately."""

    def __init__(self) -> None:
        # by way and address: "header 192.0.2.1". Many different ones mean that someone guesses.
        self.wrong_keys = RecentValues(names=1024, maximum=MAXIMUM_WRONG_KEYS, seconds=WINDOW_SECONDS)
        # by address: the sign-ins with Plex that were started, because each asks Plex for a PIN
        self.sign_ins = RecentValues(names=256, maximum=MAXIMUM_SIGN_INS, seconds=WINDOW_SECONDS)
        # addresses whose wrong keys were logged
        self.logged_addresses = RecentValues(names=1024, maximum=1, seconds=WINDOW_SECONDS)
        # hosts whose refusal was logged
        self.logged_hosts = RecentValues(names=1, maximum=20, seconds=3600)
        # when the service started, by time.monotonic(); a worker that replaces another one knows it, too
        self.started = time.monotonic()


SHARED: Final = Recent()


def network_of(address: str) -> str:
    """Return an address without port and as IPv4 where it is a form of that; for other IPv6 its /64 network.

    One client can use every address of such a network. What is no address is returned as it is.
    """
    ip = parse_address(address)
    if ip is None:
        return address
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def parse_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address without port and as IPv4 where it is a form of that; None if the text is no address."""
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest()
