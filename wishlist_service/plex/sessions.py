"""Sessions of requests: which certificates they trust, whom they serve, and how long they are kept."""

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache, lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import certifi
import requests
from requests.adapters import HTTPAdapter

SESSIONS_OF_A_THREAD: Final = 4
SESSIONS_KEPT: Final = 50


class _Session(requests.Session):
    """Follows no redirect and does not read its body."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return no target. requests calls this for every reply, and with a target it would read the whole body."""


class _Adapter(HTTPAdapter):
    """Trusts the certificates of the system or of SSL_CERT_FILE, beside those that requests trusts.

    REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE replaces them all; `verify` is then its value instead of True.
    """

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Called for each request."""
        host, options = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True:
            options["ssl_context"] = _trust()
        return host, options

    def cert_verify(self, conn: Any, url: str, verify: bool | str, cert: Any) -> None:
        """Called for each request. Does not let requests read all certificates for each connection, which is slow."""
        if verify is not True:
            super().cert_verify(conn, url, verify, cert)


@cache
def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def open_session() -> requests.Session:
    """Return a session for one thread and one person, with the proxies and certificates of the environment.

    It keeps only connections: no redirect may take a token elsewhere, and no cookie may reach another person.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = lambda request: request  # without it, requests would read ~/.netrc
    session.mount("https://", _Adapter())
    return session


class ThreadSessions(threading.local):
    """The sessions of one thread, for the people of its last requests."""

    def __init__(self) -> None:
        self._of = lru_cache(SESSIONS_OF_A_THREAD)(lambda *_person: open_session())

    @contextmanager
    def lend(self, *person: str | None) -> Generator[requests.Session]:
        """Lend this thread's session for the person."""
        yield self._of(*person)


class KeptSessions:
    """A session for each of the last people, whatever thread asks. Each is lent to one thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, ...], requests.Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, *person: str | None) -> Generator[requests.Session]:
        """Lend the person's session."""
        with self._lock:
            session = self._kept.pop(person, None)
        session = session or open_session()
        try:
            yield session
        finally:
            with self._lock:
                self._kept[person] = session
                if len(self._kept) > SESSIONS_KEPT:
                    del self._kept[next(iter(self._kept))]
