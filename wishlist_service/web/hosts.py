"""Which hosts are answered without a key.

A web page can point its own name at this machine (DNS rebinding). Its scripts then read what their visitor's browser
may read. So whoever sends no key must ask for a name that no stranger can own.
"""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

_LOCAL: Final = (
    *(".local", ".lan", ".home", ".home.arpa", ".internal", ".localdomain", ".localhost"),
    *(".fritz.box", ".ts.net"),
)


def name_of(host: str) -> str:
    """Return the name in a Host header: in small letters, without port and without one dot at its end."""
    return re.sub(r":[0-9]*$", "", host.strip().lower()).removesuffix(".")


def is_answered(host: str, allowed: Iterable[str]) -> bool:
    """Return whether requests for this Host are answered without a key. `allowed`: names, *.example.org, or *."""
    name = name_of(host)
    if name.startswith("[") and name.endswith("]"):
        return _is_address(name[1:-1], ipaddress.IPv6Address)
    if _is_address(name, ipaddress.IPv4Address) or re.fullmatch("[a-z0-9_-]+", name):
        return True
    if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+", name):
        return "*" in allowed
    return name.endswith(_LOCAL) or any(
        entry in ("*", name) or (entry.startswith("*.") and name.endswith(entry[1:])) for entry in allowed
    )


def _is_address(text: str, kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
