"""HTTP to Plex: limited in time and size, repeated after errors, with one cooldown for each PlexHttp."""

import email.utils
import logging
import random
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

import requests

# requests converts these to its own errors only if it reads the body itself
from urllib3 import exceptions as body_errors

from wishlist_service import __version__
from wishlist_service.config import Config
from wishlist_service.errors import RateLimited, Unreachable
from wishlist_service.plex import bodies
from wishlist_service.plex.sessions import KeptSessions, ThreadSessions

logger = logging.getLogger(__name__)

PRODUCT: Final = "Plex Wishlist Service"  # people see it among the devices of their Plex account
TRIES: Final = 3
_CONNECT_SECONDS: Final = 5
_PIECE_BYTES: Final = 65_536
_LONGEST_COOLDOWN_SECONDS: Final = 3600.0
_COOLDOWN_WITHOUT_HEADER_SECONDS: Final = 60.0
_WAITED_OUT_SECONDS: Final = {False: 10.0, True: 600.0}  # by whether the client is patient
_PATIENCE_SECONDS: Final = 3600.0
_CUT_SHORT: Final = "cut short"


@dataclass(frozen=True)
class Reply:
    """A reply of Plex with any status."""

    status: int
    etag: str | None
    retry_after: str | None
    content_type: str
    body: bytes

    def decoded(self) -> Any:
        """Return the body from JSON, or from XML in the same shape. Raises PlexChanged if it is neither."""
        return self._decoded

    def ends_early(self) -> bool:
        """Return whether the body is only the beginning of JSON or XML."""
        return bodies.ends_early(self.body, self.content_type, self.decoded)

    @cached_property
    def _decoded(self) -> Any:
        return bodies.decode(self.body, self.content_type)


class _CutShort(requests.ConnectionError):
    """The body ended before it was complete."""


class PlexHttp:
    """Requests to Plex from all threads of one process.

    client_identifier: names this installation to Plex.
    stop: once set, all pauses end. retry_seconds: the first pause before another try; it doubles each time.
    patient: for a program in the background. It waits out every cooldown of up to 10 minutes, for up to an hour until
        an answer comes, and keeps a session for each person, whatever thread they are read in.
    """

    def __init__(
        self,
        config: Config,
        *,
        client_identifier: str,
        stop: threading.Event,
        retry_seconds: float = 1,
        patient: bool = False,
    ) -> None:
        self._timeout_seconds = config.plex_timeout_seconds
        self._headers = {
            "Accept": "application/json",
            "User-Agent": f"PlexWishlistService/{__version__}",
            "X-Plex-Product": PRODUCT,
            "X-Plex-Client-Identifier": client_identifier,
            "X-Plex-Language": config.plex_language,
            "Accept-Language": config.plex_language,
        }
        self._stop = stop
        self._retry_seconds = retry_seconds
        self._patient = patient
        self._cooldown_until = 0.0
        self._cooldown_told = False
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._sessions = KeptSessions() if patient else ThreadSessions()

    def get(
        self,
        url: str,
        token: str,
        *,
        query: dict[str, str] | None = None,
        etag: str | None = None,
        tries: int = TRIES,
        may_wait: bool = True,
    ) -> Reply:
        """Send a GET with this token, as ask() does."""
        headers = {"X-Plex-Token": token} | ({"If-None-Match": etag} if etag else {})
        return self.ask("GET", url, headers=headers, query=query, tries=tries, may_wait=may_wait)

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str],
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        tries: int = TRIES,
        may_wait: bool = True,
    ) -> Reply:
        """Return the reply, unless its status is 429 or 5xx.

        headers: added to those of every request, or replacing them.
        body: sent as JSON.
        may_wait: False makes this request as impatient as those of any other program.
        Raises RateLimited (429, and the cooldown is too long to wait), Unreachable (no answer or 5xx at each try) or
        TooLarge.
        """
        patient = self._patient and may_wait
        given_up_at = time.monotonic() + _PATIENCE_SECONDS
        reason, asked, attempt = "", False, 1
        while attempt <= tries:
            self._wait_out_cooldown(patient=patient, given_up_at=given_up_at, asked=asked)
            asked = True
            try:
                reply = self._exchange(method, url, query, body, self._headers | headers)
            except (OSError, body_errors.HTTPError) as error:  # every error of requests is an OSError
                self._count("no_answer")
                reason = _describe(error)
            else:
                self._count(_outcome(reply.status))
                if reply.status == 429:
                    self._cool_down(_retry_after_seconds(reply.retry_after))
                    attempt += not patient
                    continue
                if reply.status < 500:
                    return reply
                reason = f"HTTP {reply.status}"
            logger.info("plex gave no answer host=%s attempt=%s reason=%r", urlsplit(url).hostname, attempt, reason)
            delay = self._retry_seconds * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            if attempt == tries or self._stop.wait(delay):
                break
            attempt += 1
        if not reason:
            raise self._rate_limited(asked=True)
        kept = "Nothing was changed."
        if reason.startswith("HTTP"):
            raise Unreachable(f"Plex has an error ({reason}). {kept}")
        if reason == _CUT_SHORT:
            raise Unreachable(
                f"The answer of Plex was cut short. {kept} "
                "If this lasts, check the proxies and filters between this machine and Plex."
            )
        raise Unreachable(
            f"Plex did not answer ({reason}). {kept} "
            "If it happens again, check the internet connection and the name resolution of this machine."
        )

    def cooldown_seconds(self) -> float:
        """Return for how long no request may be sent, because Plex asked to slow down."""
        return max(0.0, self._cooldown_until - time.monotonic())

    def counts(self) -> Counter[str]:
        """Return how many requests ended in each way so far."""
        with self._lock:
            return self._counts.copy()

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1

    def _exchange(
        self,
        method: str,
        url: str,
        query: dict[str, str] | None,
        body_sent: dict[str, Any] | None,
        headers: dict[str, str],
    ) -> Reply:
        # the timeout applies between two bytes, so a slow body needs its own deadline
        deadline = time.monotonic() + 3 * self._timeout_seconds
        with (
            self._sessions.lend(headers.get("X-Plex-Token"), headers["X-Plex-Client-Identifier"]) as session,
            session.request(
                method,
                url,
                params=query,
                json=body_sent,
                headers=headers,
                timeout=(min(_CONNECT_SECONDS, self._timeout_seconds), self._timeout_seconds),
                allow_redirects=False,
                stream=True,
            ) as response,
        ):
            body = bytearray()
            try:
                # iter_content() would wait until a piece is full, however slowly it comes
                while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
                    body += piece
                    if len(body) > bodies.MOST_BYTES:
                        raise bodies.TooLarge
                    if time.monotonic() > deadline:
                        raise requests.Timeout("The body is too slow.")
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

    def _cool_down(self, told_seconds: float | None) -> None:
        seconds = _COOLDOWN_WITHOUT_HEADER_SECONDS if told_seconds is None else told_seconds
        logger.info("plex asks to slow down cooldown_seconds=%.0f", seconds)
        # wait even if Retry-After is 0
        until = time.monotonic() + max(seconds, self._retry_seconds)
        if until > self._cooldown_until:
            self._cooldown_until, self._cooldown_told = until, told_seconds is not None

    def _wait_out_cooldown(self, *, patient: bool, given_up_at: float, asked: bool) -> None:
        waited_until = 0.0
        while (left := self.cooldown_seconds()) and self._cooldown_until > waited_until:  # another may prolong it
            waited_until = self._cooldown_until
            if left > _WAITED_OUT_SECONDS[patient] or time.monotonic() + left > given_up_at or self._stop.wait(left):
                raise self._rate_limited(asked=asked)

    def _rate_limited(self, *, asked: bool) -> RateLimited:
        return RateLimited(
            "Plex asks to slow down (HTTP 429). Nothing was changed.",
            wait=timedelta(seconds=self.cooldown_seconds()),
            told=self._cooldown_told,
            asked=asked,
        )


def _outcome(status: int) -> str:
    if status in (304, 429):
        return "not_modified" if status == 304 else "rate_limited"
    return "ok" if status < 300 else "refused" if status < 500 else "server_error"


def _retry_after_seconds(header: str | None) -> float | None:
    """Return the seconds to wait, from a number or an HTTP date; None if it tells neither.

    Limited, since a wrong value would stop all syncs.
    """
    if header and re.fullmatch("[0-9]+", header):
        return min(float(header), _LONGEST_COOLDOWN_SECONDS)
    try:
        when = email.utils.parsedate_to_datetime(header or "")
    except (ValueError, TypeError):
        return None
    seconds = (when.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_COOLDOWN_SECONDS)


def _describe(error: Exception) -> str:
    # never the error's own text, which holds the address
    if isinstance(error, requests.Timeout | body_errors.TimeoutError):
        return "timed out"
    if isinstance(error, _CutShort):
        return _CUT_SHORT
    if isinstance(error, requests.exceptions.SSLError | body_errors.SSLError):
        return "no secure connection"
    if not isinstance(error, requests.RequestException | body_errors.HTTPError):
        return "no certificates at the path in REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE"
    return "connection failed"
