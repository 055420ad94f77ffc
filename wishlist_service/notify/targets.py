"""The addresses that get messages. Apprise, an optional package, sends to them; it is imported only if needed."""

import ipaddress
import logging
import re
import socket
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from wishlist_service.models import Message

logger = logging.getLogger(__name__)

READ_SECONDS: Final = 20  # a slower service gets the message again, although it may have taken the first one
NOT_INSTALLED: Final = "Apprise is not installed, run: pip install -r requirements-notify.txt"
_PRIVATE: Final = "the address leads to this machine or a private network"
_READS_FILES: Final = "the address names a file that this machine would read"
_FILES: Final = frozenset({"keyfile", "subfile", "template", "pgppub", "pgpkey", "pgpprv"})
"""The parameters for which Apprise reads a file of this machine, or fetches one."""
_LOCAL: Final = frozenset({"syslog", "dbus", "qt", "kde", "glib", "gnome", "macosx", "windows"})
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL: Final = ipaddress.ip_network("2000::/3")
_IPV4: Final = re.compile(r"(localhost|\d+(\.\d+){3})\.?(:\d+)?", re.ASCII | re.IGNORECASE)
_IPV6: Final = re.compile(r"\[?[0-9a-f]*:[0-9a-f.]*:[0-9a-f:.]*\]?", re.IGNORECASE)

# While messages may go to public addresses only: the list to which refused ones are added. Apprise hands its context
# on to the threads in which it sends.
_refused: Final[ContextVar[list[str] | None]] = ContextVar("refused", default=None)


class Notifier:
    """One address, with a `label` for the log. The address is a secret: never log it.

    anywhere: whether it may lead to this machine and to private networks.
    """

    def __init__(self, label: str, address: str, service: Any, *, anywhere: bool) -> None:
        self.label = label
        self.address = address
        self._service = service
        self._anywhere = anywhere

    @property
    def masked(self) -> str:
        """What may be shown of the address: scheme and host, or the name of the service where the host is a secret."""
        scheme, _, rest = self.address.partition("://")
        host = str(self._service.host or "")
        # what some services take for a host is a token, and no token looks like these
        is_host = re.fullmatch(r"localhost|[\w-]+(\.[\w-]+)+|[0-9a-fA-F]*:[0-9a-fA-F:.]*", host, re.ASCII)
        if rest and is_host and "host" in self._service.template_tokens:
            return f"{scheme.lower()}://{host}"
        return str(self._service.service_name)

    def find_obstacle(self) -> str | None:
        """Return why the address may not be used: it names this machine or a private host; None if it may.

        A name that cannot be resolved now is checked when a message is sent.
        """
        if self._anywhere:
            return None
        if self.address.partition("://")[0].lower() in _LOCAL:
            return _PRIVATE
        return _PRIVATE if any(_leads_inside(host) for host in self._hosts()) else None

    def _hosts(self) -> Iterator[str]:
        """The hosts that the address names, also in its parameters."""
        if "host" in self._service.template_tokens and self._service.host:
            yield str(self._service.host)
        for name, text in _parameters(self.address).items():
            for part in re.split(r"[\s,]+", text):
                if _IPV6.fullmatch(part):
                    yield part
                elif "://" in part or name == "smtp" or _IPV4.fullmatch(part):
                    yield _host_of(part if "://" in part else f"//{part}")

    def send(self, message: Message) -> str | None:
        """Send the message. Return None if the service took it, or else the reason."""
        import apprise

        hub = apprise.Apprise()
        hub.add(self._service)
        kind = "warning" if message.urgent else "info"
        refused: list[str] = []
        token = _refused.set(None if self._anywhere else refused)
        try:
            result = hub.notify(title=message.title, body=message.body, notify_type=kind, body_format="text")
        except Exception as error:  # any of 170 services may raise; the text may hold the address
            return _PRIVATE if refused else type(error).__name__
        finally:
            _refused.reset(token)
        if result:
            return None
        return _PRIVATE if refused else _reason(" ".join(entry.message for entry in result.logs()))


def open_notifier(label: str, address: str, *, anywhere: bool) -> Notifier | None:
    """Return the address, ready for messages; None if Apprise does not know this kind.

    Raises ImportError, and PermissionError if the address may not lead anywhere and has this machine read a file.
    """
    import apprise

    _prepare()
    if not anywhere and not _FILES.isdisjoint(_parameters(address)):
        raise PermissionError(_READS_FILES)
    service: Any = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if service is None:
        return None
    # some services refuse a message that is too long, again at every try
    if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
    service.socket_read_timeout = max(service.socket_read_timeout or 0, READ_SECONDS)
    return Notifier(label, address, service, anywhere=anywhere)


@cache
def _prepare() -> None:
    # Apprise's warnings contain hosts and recipients; only _reason() reads them
    apprise_log = logging.getLogger("apprise")
    apprise_log.setLevel(logging.WARNING)
    apprise_log.propagate = False
    apprise_log.addHandler(logging.NullHandler())
    # at DEBUG, these log whole addresses and tokens
    for name in ("urllib3", "oauthlib", "requests_oauthlib"):
        logging.getLogger(name).setLevel(logging.INFO)
    sys.addaudithook(_refuse_private)


def _refuse_private(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what leads to this machine or a private network: by a name, by a redirect or without a network."""
    if (refused := _refused.get()) is None:
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        target = arguments[1]
        if target is None or (isinstance(target, tuple) and target and _is_public(str(target[0]))):
            return
    elif event not in ("subprocess.Popen", "os.system", "os.posix_spawn", "syslog.openlog", "syslog.syslog"):
        return
    refused.append(event)
    raise PermissionError(_PRIVATE)


def _parameters(address: str) -> dict[str, str]:
    """Return what follows the question mark, as Apprise reads it: names in lower case."""
    import apprise

    parsed: Any = apprise.URLBase.parse_url(address, verify_host=False)
    return {str(name): str(text) for name, text in ((parsed or {}).get("qsd") or {}).items()}


def _host_of(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _leads_inside(host: str) -> bool:
    """Return whether this host is this machine or a private one. One that cannot be resolved now is not."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM) if host else []
    except (OSError, UnicodeError):
        return False
    return not all(_is_public(str(entry[4][0])) for entry in found)


def _is_public(host: str) -> bool:
    """Return whether this is an IP address outside of this machine and of private networks."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if not inner and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if not inner and address not in _GLOBAL:
            return False
        address = inner or address
    return address.is_global and not address.is_multicast


def _reason(logged: str) -> str:
    if status := re.search(r"\berror=(\d{3})\b", logged):
        return f"HTTP {status[1]}"
    return "no answer" if "onnection error" in logged else "not taken"
