"""HTTP to Plex: bounded in time and size, retried with backoff, one cooldown for the whole process."""

import email.utils
import json
import logging
import random
import re
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree

import certifi
import requests
from requests.adapters import HTTPAdapter

# requests turns these into its own errors only where it reads the body itself
from urllib3 import exceptions as body_errors

from wishlist_service import __version__
from wishlist_service.errors import PlexChanged, RateLimited, Unreachable

logger = logging.getLogger(__name__)

PRODUCT: Final = "Plex Wishlist Service"  # as people see it in their account's list of devices
TRIES: Final = 3
_CONNECT_SECONDS: Final = 5
_MOST_BYTES: Final = 20_000_000
_PIECE_BYTES: Final = 65_536
_SESSIONS_OF_A_THREAD: Final = 4
_LONGEST_COOLDOWN_SECONDS: Final = 3600.0
_COOLDOWN_WITHOUT_HEADER_SECONDS: Final = 60.0
_WAITED_OUT_SECONDS: Final = 10.0
_CUT_SHORT: Final = "cut short"
_JSON_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*\\?"?', re.DOTALL)  # or what there is of it
# expat's codes for: no element found, unclosed token, partial character, unclosed CDATA section
_XML_ENDED_EARLY: Final = (3, 5, 6, 20)


@dataclass(frozen=True)
class Reply:
    """What Plex answered, whatever the status."""

    status: int
    etag: str | None
    retry_after: str | None
    content_type: str
    body: bytes

    def decoded(self) -> Any:
        """The body from JSON, or from XML in the same shape. Raises PlexChanged if it is neither."""
        return self._decoded

    def ends_early(self) -> bool:
        """Whether the body is the beginning of JSON or XML, and not the whole."""
        if "html" in self.content_type:
            return False
        try:
            self.decoded()
        except PlexChanged as error:
            if isinstance(error.__cause__, ElementTree.ParseError):
                return error.__cause__.code in _XML_ENDED_EARLY
            text = _JSON_STRING.sub(b"", self.body.strip())
            unclosed = text.count(b"{") + text.count(b"[") - text.count(b"}") - text.count(b"]")
            return not text or (text[:1] in b"{[" and unclosed > 0)
        return False

    @cached_property
    def _decoded(self) -> Any:
        try:
            if "html" in self.content_type:
                raise ValueError("an HTML page")
            if "xml" in self.content_type:
                return _from_xml(self.body)
            return json.loads(self.body)
        except (ValueError, RecursionError, ElementTree.ParseError) as error:
            what = ascii(self.content_type)[:60] if self.content_type else "no content type"
            raise PlexChanged(
                f"Plex answered something that is not JSON ({what}, {len(self.body)} bytes). "
                "A login page of this network, or a change at Plex; the list is kept as it was."
            ) from error


class _CutShort(requests.ConnectionError):
    """The body ended before it was complete."""


class _Session(requests.Session):
    """Follows no redirect, and does not look where one leads."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Called even when no redirect is followed. requests would then read the whole body, however slow or long."""


class _Adapter(HTTPAdapter):
    """Trusts certificates that the system or SSL_CERT_FILE vouches for, beside those that requests trusts.

    REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE replace them all; then `verify` is their value, not True.
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
        """Called for each request. requests would read all certificates anew for each connection, which is slow."""
        if verify is not True:
            super().cert_verify(conn, url, verify, cert)


@cache
def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    return context


def open_session() -> requests.Session:
    """Return a session for one thread and one person, with the proxies and certificates of the environment.

    It keeps connections, and nothing else: a token must not travel on with a redirect, nor a cookie to another person.
    """
    session = _Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = lambda request: request  # with none at all, requests would look into ~/.netrc
    session.mount("https://", _Adapter())
    return session


class _Sessions(threading.local):
    """The sessions of one thread, for the people it asked about last. They close when dropped or the thread ends."""

    def __init__(self) -> None:
        self.of = lru_cache(_SESSIONS_OF_A_THREAD)(lambda *_person: open_session())


class PlexHttp:
    """Requests to Plex from all threads of one process.

    client_identifier: by which Plex knows this installation.
    stop: once set, nothing is waited for any longer.
    retry_seconds: the first pause before another try; it doubles each time.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        client_identifier: str,
        stop: threading.Event,
        retry_seconds: float = 1,
        language: str = "en",
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._headers = {
            "Accept": "application/json",
            "User-Agent": f"PlexWishlistService/{__version__}",
            "X-Plex-Product": PRODUCT,
            "X-Plex-Client-Identifier": client_identifier,
            "X-Plex-Language": language,
            "Accept-Language": language,
        }
        self._stop = stop
        self._retry_seconds = retry_seconds
        self._cooldown_until = 0.0
        self._counts: Counter[str] = Counter()
        self._counts_lock = threading.Lock()
        self._sessions = _Sessions()

    def get(
        self,
        url: str,
        token: str,
        *,
        query: dict[str, str] | None = None,
        etag: str | None = None,
        tries: int = TRIES,
    ) -> Reply:
        """What ask() gives for a GET with this token."""
        headers = {"X-Plex-Token": token} | ({"If-None-Match": etag} if etag else {})
        return self.ask("GET", url, headers=headers, query=query, tries=tries)

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        query: dict[str, str] | None = None,
        tries: int = TRIES,
    ) -> Reply:
        """The reply, whatever its status, except for those that ask to come again later.

        headers: beside those of every request, or instead of them.
        Raises RateLimited (429 and no time to wait it out) or Unreachable (no answer or 5xx, every time).
        """
        problem = ""
        for attempt in range(1, tries + 1):
            self._wait_out_cooldown()
            try:
                reply = self._exchange(method, url, query, self._headers | headers)
            except (OSError, body_errors.HTTPError) as error:  # every error of requests is an OSError
                self._count("no_answer")
                problem = _describe(error)
            else:
                self._count(_outcome(reply.status))
                if reply.status == 429:
                    self._cool_down(_retry_after_seconds(reply.retry_after))
                    continue
                if reply.status < 500:
                    return reply
                problem = f"HTTP {reply.status}"
            logger.info("plex gave no answer host=%s attempt=%s problem=%s", urlsplit(url).hostname, attempt, problem)
            delay = self._retry_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            if attempt == tries or self._stop.wait(delay):
                break
        if not problem:
            raise self._rate_limited()
        kept = "The list is kept as it was and read again at the next sync"
        if problem.startswith("HTTP"):
            raise Unreachable(f"Plex is in trouble ({problem}). {kept}.")
        if problem == _CUT_SHORT:
            raise Unreachable(
                f"The answer of Plex was cut short. {kept}; "
                "if this lasts, look for a proxy or a filter between this machine and Plex."
            )
        raise Unreachable(
            f"Plex did not answer ({problem}). {kept}; "
            "if this lasts, check this machine's internet connection and name resolution."
        )

    def counts(self) -> Counter[str]:
        """How many requests ended in what way so far."""
        with self._counts_lock:
            return self._counts.copy()

    def _count(self, outcome: str) -> None:
        with self._counts_lock:
            self._counts[outcome] += 1

    def _exchange(self, method: str, url: str, query: dict[str, str] | None, headers: dict[str, str]) -> Reply:
        # the time-out counts from byte to byte, so a dripping body needs a deadline of its own
        deadline = time.monotonic() + 3 * self._timeout_seconds
        session = self._sessions.of(headers.get("X-Plex-Token"), headers["X-Plex-Client-Identifier"])
        with session.request(
            method,
            url,
            params=query,
            headers=headers,
            timeout=(min(_CONNECT_SECONDS, self._timeout_seconds), self._timeout_seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = bytearray()
            try:
                # iter_content() would wait until a piece is full, however slowly it comes
                while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
                    body += piece
                    if time.monotonic() > deadline or len(body) > _MOST_BYTES:
                        raise requests.Timeout("The body is too slow or too long.")
            except body_errors.ProtocolError as error:
                raise _CutShort from error
            reply = Reply(
                status=response.status_code,
                etag=response.headers.get("ETag"),
                retry_after=response.headers.get("Retry-After"),
                content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
                body=bytes(body),
            )
            # urllib3 checks the length, but not every reply tells it, and it does not cover the packed contents
            length_told = response.headers.keys() & {"Content-Length", "Transfer-Encoding"}
            length_checked = length_told and "Content-Encoding" not in response.headers
            if reply.status in (200, 201) and not length_checked and reply.ends_early():
                raise _CutShort
            return reply

    def _cool_down(self, seconds: float) -> None:
        logger.warning("plex asks to slow down cooldown_seconds=%.0f", seconds)
        # "now" is no answer to being too fast
        seconds = max(seconds, self._retry_seconds)
        self._cooldown_until = max(self._cooldown_until, time.monotonic() + seconds)

    def _wait_out_cooldown(self) -> None:
        left = self._cooldown_until - time.monotonic()
        if left > _WAITED_OUT_SECONDS or (left > 0 and self._stop.wait(left)):
            raise self._rate_limited()

    def _rate_limited(self) -> RateLimited:
        left = max(0, self._cooldown_until - time.monotonic())
        until = datetime.now(UTC) + timedelta(seconds=left)
        return RateLimited(
            "Plex asks to slow down (HTTP 429). The list is kept as it was; "
            f"no more is asked before {until:%H:%M:%S} UTC."
        )


def _outcome(status: int) -> str:
    if status in (304, 429):
        return "not_modified" if status == 304 else "rate_limited"
    return "ok" if status < 300 else "refused" if status < 500 else "server_error"


def _retry_after_seconds(header: str | None) -> float:
    """Seconds to wait, from a number or an HTTP date; capped, for a wrong one would silence the service."""
    if header and re.fullmatch("[0-9]+", header):
        return min(float(header), _LONGEST_COOLDOWN_SECONDS)
    try:
        when = email.utils.parsedate_to_datetime(header or "")
    except (ValueError, TypeError):
        return _COOLDOWN_WITHOUT_HEADER_SECONDS
    seconds = (when.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_COOLDOWN_SECONDS)


def _from_xml(body: bytes) -> dict[str, Any]:
    if b"<!DOCTYPE" in body:
        raise ValueError("a document type is not expected here")
    root = ElementTree.fromstring(body)
    return {root.tag: _from_element(root)}


def _from_element(element: ElementTree.Element) -> dict[str, Any]:
    children: dict[str, Any] = {}
    for child in element:
        # JSON has movies and shows in one list, in order; so it shall be here
        name = "Metadata" if child.tag in ("Video", "Directory") else child.tag
        children.setdefault(name, []).append(_from_element(child))
    return {**element.attrib, **children}


def _describe(error: Exception) -> str:
    # never the text of the error: it holds the address
    if isinstance(error, requests.Timeout | body_errors.TimeoutError):
        return "timed out"
    if isinstance(error, _CutShort):
        return _CUT_SHORT
    if isinstance(error, requests.exceptions.SSLError | body_errors.SSLError):
        return "no secure connection"
    if not isinstance(error, requests.RequestException | body_errors.HTTPError):
        return "no certificates at the path in REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE"
    return "connection failed"
