"""The doctor's checks of Plex: the way there step by step, the clock, the tokens, and the media server."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from requests import exceptions
from requests.utils import get_environ_proxies, select_proxy

from wishlist_service import __version__, db
from wishlist_service.config import Config
from wishlist_service.doctor.errors import Error, Result
from wishlist_service.errors import MediaServerError, RateLimited, SyncError, Unreachable
from wishlist_service.models import SyncUser
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.media_server import MediaServer
from wishlist_service.plex.sessions import open_session
from wishlist_service.process.deadline import within
from wishlist_service.queries import sync_users, users
from wishlist_service.sync.person import refuse_other_account
from wishlist_service.tokens import TokenCipher, decrypt_all

_DATABASE_SECONDS: Final = 20
_WRONG_CLOCK_SECONDS: Final = 60
_MEDIA_SERVER_SECONDS: Final = 5  # for each of three tries
_TOKEN_ERRORS: Final = {
    "token_rejected": Error.TOKEN_REFUSED,
    "token_unreadable": Error.TOKEN_UNREADABLE,
    "other_account": Error.OTHER_ACCOUNT,
    "plex_changed": Error.OTHER_ANSWER,
}


class _NotReached(Exception):
    """Why Plex cannot be reached; the text follows the name of the server or proxy."""

    def __init__(self, error: Error, text: str) -> None:
        super().__init__(text)
        self.error = error


class _Address(NamedTuple):
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class _Answer(NamedTuple):
    status: int
    content_type: str
    seconds_ahead: float | None
    """How far this machine's clock is ahead of Plex's. 0 if the header cannot tell, None without a header."""


def check_way(url: str, *, timeout_seconds: float, on_clock: Callable[[float], None]) -> list[Result]:
    """Check name, connection, TLS and one answer, all within the time-out, without sending a token.

    Uses the proxy and the certificates of a sync. Calls `on_clock` with the seconds that our clock is ahead.
    """
    deadline = time.monotonic() + timeout_seconds
    plex = _address(url)
    proxy, through = None, ""
    try:
        if proxy := _proxy(url):
            through = f", through the proxy {proxy},"
        _connect(proxy or plex, deadline)
        answer = _ask(url, deadline)
        if answer.status == 407 and proxy:
            raise _NotReached(Error.PROXY, "wants a user and a password.")
        _expect_plex(answer)
    except _NotReached as reason:
        if reason.error is Error.PROXY or (proxy and reason.error in (Error.NAME_NOT_FOUND, Error.NO_CONNECTION)):
            text = f"The proxy {proxy or 'of the environment'} for {plex.host} {reason}"
            return [Result("plex", text, Error.PROXY)]
        return [Result("plex", f"{plex}{through} {reason}", reason.error)]
    if answer.seconds_ahead is not None:
        on_clock(answer.seconds_ahead)
    secured = "over a verified secure connection" if url.startswith("https:") else "without encryption"
    return [Result("plex", f"{plex}{through} answers {secured}.")]


def check_clock(seconds_ahead: list[float]) -> list[Result]:
    """Compare the clock with Plex's, as measured at each answer."""
    if not seconds_ahead:
        return [Result("clock", "Not checked: Plex did not tell its time.", mark="skip")]
    ahead = max(seconds_ahead, key=abs)
    if ahead == 0:
        return [Result("clock", "Within a second of Plex's.")]
    text = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Plex's."
    return [Result("clock", text, Error.CLOCK if abs(ahead) >= _WRONG_CLOCK_SECONDS else None)]


def check_tokens(config: Config) -> list[Result]:
    """Check that every token can be decrypted, and that Plex accepts those of active people for the right account."""
    cipher = TokenCipher(config.token_encryption_keys)
    _, unreadable = decrypt_all(db.ask(config.database_url, users.list_tokens, active=False), cipher)
    results = [
        Result("token", f"{name} (paused): {reason}", Error.TOKEN_UNREADABLE) for name, reason in unreadable.items()
    ]
    active = within(_DATABASE_SECONDS, lambda: db.ask(config.database_url, sync_users.list_active_users))
    people = [person for person in active if person.source == "own"]
    if not people:
        return [*results, Result("token", "There are no active people whose token could be checked.", mark="note")]
    identifier = within(_DATABASE_SECONDS, lambda: db.ask(config.database_url, sync_users.get_client_identifier))
    plex = PlexClient(config, client_identifier=identifier, stop=threading.Event())
    away = ""
    for person in people:
        try:
            if not away:
                results.append(_check_token(config, person, plex, cipher))
                continue
        except (Unreachable, RateLimited, TimeoutError) as error:
            away = f"Plex {'asks to slow down' if isinstance(error, RateLimited) else 'does not answer'} now."
        results.append(Result("token", f"{person.name}: not checked, {away}", mark="skip"))
    return results


def _check_token(config: Config, person: SyncUser, plex: PlexClient, cipher: TokenCipher) -> Result:
    try:
        token = cipher.decrypt(person.plex_token or "", owner=person.id)
        account = within(config.plex_timeout_seconds, lambda: plex.account(token, tries=1))
        with db.connect(config.database_url, role="doctor") as conn:
            refuse_other_account(conn, person, account)
    except SyncError as error:
        if error.state not in _TOKEN_ERRORS:
            raise
        text = "Plex no longer accepts this token." if error.state == "token_rejected" else error
        return Result("token", f"{person.name}: {text}", _TOKEN_ERRORS[error.state])
    return Result("token", f"{person.name}: accepted, account {account.username}.")


def check_media_server(config: Config) -> list[Result]:
    """Check that the media server answers, accepts the token, and shows libraries."""
    server = MediaServer(
        replace(config, plex_timeout_seconds=min(_MEDIA_SERVER_SECONDS, config.plex_timeout_seconds)),
        client_identifier=db.ask(config.database_url, sync_users.get_client_identifier),
        stop=threading.Event(),
        retry_seconds=0.1,
    )
    try:
        titles = [section.title for section in server.sections()]
    except MediaServerError as error:
        return [Result("server", str(error), Error.MEDIA_SERVER)]
    return [Result("server", f"The media server shows {len(titles)} libraries: {', '.join(titles)}.")]


def _address(url: str) -> _Address:
    """Return host and port of a URL. Raises ValueError."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("no host")
    return _Address(parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme, 1080))


def _proxy(url: str) -> _Address | None:
    """Return the proxy that requests would use for this URL, if any."""
    proxy = select_proxy(url, get_environ_proxies(url))
    if not proxy:
        return None
    try:
        return _address(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        raise _NotReached(Error.PROXY, "has an address that cannot be read.") from None


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _connect(to: _Address, deadline: float) -> None:
    try:
        within(_left(deadline), lambda: socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM))
    except TimeoutError:
        raise _NotReached(Error.NAME_NOT_FOUND, "is not found by name: the name server does not answer.") from None
    except (socket.gaierror, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, socket.gaierror) else None) or "the name is not valid"
        raise _NotReached(Error.NAME_NOT_FOUND, f"is not found by name: {reason}.") from None
    try:
        seconds = min(5, _left(deadline))
        within(_left(deadline), lambda: socket.create_connection(to, seconds).close())
    except TimeoutError:
        raise _NotReached(Error.NO_CONNECTION, "does not answer.") from None
    except OSError as error:
        raise _NotReached(Error.NO_CONNECTION, f"cannot be connected to: {error.strerror}.") from None


def _ask(url: str, deadline: float) -> _Answer:
    try:
        return within(_left(deadline), lambda: _exchange(url, _left(deadline)))
    except (TimeoutError, exceptions.Timeout):
        raise _NotReached(Error.NO_CONNECTION, "accepts the connection, but does not answer.") from None
    except (exceptions.InvalidSchema, exceptions.InvalidURL):
        raise _NotReached(Error.PROXY, "is of a kind that is not supported. Use http://.") from None
    except exceptions.ProxyError:
        raise _NotReached(Error.PROXY, "does not let the request through.") from None
    except exceptions.SSLError as error:
        raise _NotReached(Error.NO_SECURE_CONNECTION, f"has no valid certificate: {_tls_reason(error)}.") from None
    except exceptions.RequestException:
        raise _NotReached(Error.OTHER_ANSWER, "accepts the connection, but does not speak HTTP.") from None
    except OSError:
        text = "cannot be verified: REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that does not exist."
        raise _NotReached(Error.NO_SECURE_CONNECTION, text) from None


def _exchange(url: str, seconds: float) -> _Answer:
    headers = {
        "Accept": "application/json",
        "Cache-Control": "no-cache",
        "User-Agent": f"PlexWishlistService/{__version__}",
    }
    timeout = (min(5, seconds), seconds)
    asked_at = time.time()
    with (
        open_session() as session,
        # streamed and never read: the body may be long or slow
        session.get(url, headers=headers, timeout=timeout, allow_redirects=False, stream=True) as response,
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
        raise _NotReached(Error.OTHER_ANSWER, f"has an error: HTTP {answer.status}.")
    if 300 <= answer.status < 400 or not re.search("json|(?<!html.)xml", answer.content_type):
        kind = ascii(answer.content_type)[:60] if answer.content_type else "no content type"
        raise _NotReached(Error.OTHER_ANSWER, f"answers HTTP {answer.status} with {kind}; JSON was expected.")


def _seconds_ahead(date: str, asked_at: float, received_at: float) -> float | None:
    """Return how far we are ahead at least: the header has whole seconds, and was written while we waited."""
    try:
        written = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return max(0.0, asked_at - written - 1) or min(0.0, received_at - written)


def _tls_reason(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        if isinstance(error, ssl.SSLError) and error.reason:
            return error.reason.replace("_", " ").lower()
        error = error.__cause__ or error.__context__
    return "no reason given"
