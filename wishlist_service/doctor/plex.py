"""The doctor's look at Plex: the way there step by step, the clock, and everybody's token."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from requests import exceptions
from requests.utils import get_environ_proxies, select_proxy

from wishlist_service import __version__, db
from wishlist_service.config import Config
from wishlist_service.doctor.database import find_unreadable_of_paused
from wishlist_service.doctor.findings import Finding, Kind
from wishlist_service.errors import OtherAccount, PlexChanged, RateLimited, TokenRejected, TokenUnreadable, Unreachable
from wishlist_service.models import SyncUser
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.http import open_session
from wishlist_service.process.deadline import within
from wishlist_service.queries import sync_users
from wishlist_service.sync.person import refuse_other_account
from wishlist_service.tokens import TokenCipher

_DATABASE_SECONDS: Final = 20
_WRONG_CLOCK_SECONDS: Final = 60


class _Obstacle(Exception):
    """Where the way to Plex ends."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class _Place:
    """Where to connect to."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class _Answer:
    status: int
    content_type: str
    seconds_ahead: float | None
    """How far this machine's clock is ahead of Plex's, 0 within what the header can tell; None without one."""


def check_way(url: str, *, timeout_seconds: float, on_clock: Callable[[float], None]) -> list[Finding]:
    """Name, connection, TLS and one answer, all within the time-out; on_clock is told how far our clock is ahead.

    No token is sent. Goes by the proxy and the certificates that the sync would use.
    """
    deadline = time.monotonic() + timeout_seconds
    plex = _place(url)
    proxy, through = None, ""
    try:
        if proxy := _proxy(url):
            through = f", through the proxy {proxy},"
        _connect(proxy or plex, deadline)
        answer = _ask(url, deadline)
        if answer.status == 407 and proxy:
            raise _Obstacle(Kind.PROXY, "wants a user and a password.")
        _expect_plex(answer)
    except _Obstacle as obstacle:
        if obstacle.kind is Kind.PROXY or (proxy and obstacle.kind in (Kind.NAME_NOT_FOUND, Kind.NO_CONNECTION)):
            text = f"The proxy {proxy or 'of the environment'} for {plex.host} {obstacle}"
            return [Finding("plex", text, fault=Kind.PROXY)]
        return [Finding("plex", f"{plex}{through} {obstacle}", fault=obstacle.kind)]
    if answer.seconds_ahead is not None:
        on_clock(answer.seconds_ahead)
    secured = "over a verified secure connection" if url.startswith("https:") else "without encryption"
    return [Finding("plex", f"{plex}{through} answers {secured}.")]


def check_clock(seconds_ahead: list[float]) -> list[Finding]:
    """How far the clock is from Plex's, from what was told at each answer."""
    if not seconds_ahead:
        return [Finding("clock", "Not checked: Plex did not tell its time.", mark="skip")]
    most = max(seconds_ahead, key=abs)
    if most == 0:
        return [Finding("clock", "Within a second of Plex's.")]
    text = f"{abs(most):.0f} s {'ahead of' if most > 0 else 'behind'} Plex's."
    return [Finding("clock", text, fault=Kind.CLOCK if abs(most) >= _WRONG_CLOCK_SECONDS else None)]


def check_tokens(config: Config) -> list[Finding]:
    """Whether each token can be read, and an active person's is accepted by Plex and of the right account."""
    cipher = TokenCipher(config.token_encryption_keys)
    findings = find_unreadable_of_paused(config.database_url, cipher)
    people = within(_DATABASE_SECONDS, lambda: db.ask(config.database_url, sync_users.list_active_users))
    if not people:
        return [*findings, Finding("token", "There is nobody active whose token could be checked.", mark="note")]
    identifier = within(_DATABASE_SECONDS, lambda: db.ask(config.database_url, sync_users.get_client_identifier))
    plex = PlexClient(config, client_identifier=identifier, stop=threading.Event())
    away = ""
    for person in people:
        if away:
            findings.append(Finding("token", f"{person.name}: not checked, {away}", mark="skip"))
            continue
        try:
            findings.append(_check_token(config, person, plex, cipher))
        except (Unreachable, RateLimited, TimeoutError) as error:
            away = f"Plex {'asks to slow down' if isinstance(error, RateLimited) else 'does not answer'} now."
            findings.append(Finding("token", f"{person.name}: not checked, {away}", mark="skip"))
    return findings


def _check_token(config: Config, person: SyncUser, plex: PlexClient, cipher: TokenCipher) -> Finding:
    def fault(kind: Kind, text: str) -> Finding:
        return Finding("token", f"{person.name}: {text}", fault=kind)

    try:
        token = cipher.decrypt(person.plex_token, owner=person.id)
        account = within(config.plex_timeout_seconds, lambda: plex.account(token, tries=1))
        with db.connect(config.database_url, role="doctor") as conn:
            refuse_other_account(conn, person, account)
    except TokenUnreadable as error:
        return fault(Kind.TOKEN_UNREADABLE, str(error))
    except TokenRejected:
        return fault(Kind.TOKEN_REFUSED, "Plex no longer accepts this token.")
    except OtherAccount as error:
        return fault(Kind.OTHER_ACCOUNT, str(error))
    except PlexChanged as error:
        return fault(Kind.OTHER_ANSWER, str(error))
    return Finding("token", f"{person.name}: accepted, account {account.username}.")


def _place(url: str) -> _Place:
    """Host and port of an address. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    return _Place(parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080))


def _proxy(url: str) -> _Place | None:
    """The proxy that a request to this address would take, without its password."""
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    try:
        return _place(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        raise _Obstacle(Kind.PROXY, "has an address that cannot be read.") from None


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _connect(place: _Place, deadline: float) -> None:
    try:
        within(_left(deadline), lambda: socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM))
    except TimeoutError:
        raise _Obstacle(Kind.NAME_NOT_FOUND, "is not found by name: the name server does not answer.") from None
    except (socket.gaierror, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, socket.gaierror) else None) or "no valid name"
        raise _Obstacle(Kind.NAME_NOT_FOUND, f"is not found by name: {reason}.") from None
    try:
        seconds = min(5, _left(deadline))
        within(_left(deadline), lambda: socket.create_connection((place.host, place.port), seconds).close())
    except TimeoutError:
        raise _Obstacle(Kind.NO_CONNECTION, "does not answer.") from None
    except OSError as error:
        raise _Obstacle(Kind.NO_CONNECTION, f"cannot be connected to: {error.strerror}.") from None


def _ask(url: str, deadline: float) -> _Answer:
    try:
        return within(_left(deadline), lambda: _exchange(url, _left(deadline)))
    except (TimeoutError, exceptions.Timeout):
        raise _Obstacle(Kind.NO_CONNECTION, "lets us connect, but does not answer.") from None
    except (exceptions.InvalidSchema, exceptions.InvalidURL):
        raise _Obstacle(Kind.PROXY, "is of a kind that is not supported here; http:// is.") from None
    except exceptions.ProxyError:
        raise _Obstacle(Kind.PROXY, "does not let the request through.") from None
    except exceptions.SSLError as error:
        raise _Obstacle(Kind.NO_SECURE_CONNECTION, f"shows no valid certificate: {_tls_reason(error)}.") from None
    except exceptions.RequestException:
        raise _Obstacle(Kind.OTHER_ANSWER, "lets us connect, but breaks off or speaks no HTTP.") from None
    except OSError:
        text = "cannot be verified: REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that does not exist."
        raise _Obstacle(Kind.NO_SECURE_CONNECTION, text) from None


def _exchange(url: str, seconds: float) -> _Answer:
    headers = {
        "Accept": "application/json",
        "Cache-Control": "no-cache",
        "User-Agent": f"PlexWishlistService/{__version__}",
    }
    asked_at = time.time()
    # the body is not read: it may be long, slow, or somebody else's
    with (
        open_session() as session,
        session.get(
            url, headers=headers, timeout=(min(5, seconds), seconds), allow_redirects=False, stream=True
        ) as response,
    ):
        return _Answer(
            status=response.status_code,
            content_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
            seconds_ahead=_seconds_ahead(response.headers.get("Date", ""), asked_at, time.time()),
        )


def _expect_plex(answer: _Answer) -> None:
    if answer.status == 429:
        return
    if answer.status >= 500:
        raise _Obstacle(Kind.OTHER_ANSWER, f"is in trouble: HTTP {answer.status}.")
    if 300 <= answer.status < 400 or not re.search("json|(?<!html.)xml", answer.content_type):
        kind = ascii(answer.content_type)[:60] if answer.content_type else "no content type"
        raise _Obstacle(Kind.OTHER_ANSWER, f"answers HTTP {answer.status} with {kind}; JSON was expected.")


def _seconds_ahead(date: str, asked_at: float, received_at: float) -> float | None:
    """How far we are ahead at least: the header is cut to whole seconds, and was written while we waited."""
    try:
        told = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return max(0.0, asked_at - told - 1) or min(0.0, received_at - told)


def _tls_reason(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and error.reason:
            return error.reason.replace("_", " ").lower()
        error = error.__cause__ or error.__context__
    return "no reason given"
