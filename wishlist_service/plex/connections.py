"""Connections to other hosts: by the proxies that the environment names, with certificates that the system trusts.

Nothing is followed or remembered from one request to the next: a token must not travel on with a redirect, nor
one person's cookie with another's token.
"""

import threading
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3

_CONNECT_SECONDS: Final = 5
_KEPT_OPEN: Final = 4  # to each host; a sync reads two lists at a time


class Connections:
    """Those of one process, shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def request(
        self, method: str, url: str, *, headers: dict[str, str], timeout_seconds: float
    ) -> urllib3.BaseHTTPResponse:
        """The reply, of which nothing is read yet but its head; to be closed.

        The time-out is for connecting, at most 5 seconds, and then from byte to byte.
        Raises urllib3.exceptions.HTTPError.
        """
        return self._pool(find_proxy(url)).request(
            method,
            url,
            headers={"Accept-Encoding": "gzip, deflate"} | headers,
            timeout=urllib3.Timeout(connect=min(_CONNECT_SECONDS, timeout_seconds), read=timeout_seconds),
            retries=False,
            preload_content=False,
        )

    def _pool(self, proxy: str | None) -> urllib3.PoolManager:
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = _through(proxy) if proxy else urllib3.PoolManager(maxsize=_KEPT_OPEN)
            return self._pools[proxy]


def find_proxy(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names for this address, unless NO_PROXY names the address."""
    to, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(to.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(to.netloc.rpartition("@")[2]) or _in_networks(to.hostname, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _in_networks(host: str | None, names: str) -> bool:
    """Whether one of the names is a network, like 192.168.0.0/16, in which this address is."""
    with suppress(ValueError):  # a name, no number
        address = ip_address(host or "")
        for name in names.split(","):
            with suppress(ValueError):
                if address in ip_network(name.strip(), strict=False):
                    return True
    return False


def _through(proxy: str) -> urllib3.ProxyManager:
    account = urlsplit(proxy)
    headers = None
    if account.username is not None:
        name, password = unquote(account.username), unquote(account.password or "")
        headers = urllib3.make_headers(proxy_basic_auth=f"{name}:{password}")
    return urllib3.ProxyManager(proxy, maxsize=_KEPT_OPEN, proxy_headers=headers)
