"""The addresses of NOTIFY_URLS. Apprise, an optional package, sends to them; it is imported only if there are any."""

import logging
import re
from collections.abc import Sequence
from typing import Any, Final

from wishlist_service.models import Message

logger = logging.getLogger(__name__)

READ_SECONDS: Final = 20  # a slower service gets the message again, although it may have taken the first one


class Notifier:
    """One address, the `number`th of NOTIFY_URLS. The address is a secret: never log it."""

    def __init__(self, number: int, address: str, hub: Any) -> None:
        self.number = number
        self.address = address
        self._hub = hub

    def send(self, message: Message) -> str | None:
        """Send the message. Return None if the service took it, or else the reason."""
        kind = "warning" if message.urgent else "info"
        try:
            result = self._hub.notify(title=message.title, body=message.body, notify_type=kind, body_format="text")
        except Exception as error:  # any of 170 services may raise; the text may hold the address
            return type(error).__name__
        return None if result else _reason(" ".join(entry.message for entry in result.logs()))


def open_notifiers(addresses: Sequence[str]) -> list[Notifier]:
    """Return the usable addresses. Log why the others are skipped."""
    if not addresses:
        return []
    try:
        import apprise
    except ImportError:
        logger.error("no messages are sent: Apprise is not installed, run: pip install -r requirements-notify.txt")
        return []
    _keep_addresses_out_of_the_log()
    notifiers: list[Notifier] = []
    for number, address in enumerate(addresses, start=1):
        hub = apprise.Apprise()
        if not hub.add(address):
            logger.error("address %s of NOTIFY_URLS is skipped: Apprise does not know this kind of address", number)
            continue
        for service in hub:
            # some services refuse a message that is too long, again at every try
            if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
                service.overflow_mode = apprise.OverflowMode.TRUNCATE
            service.socket_read_timeout = max(service.socket_read_timeout or 0, READ_SECONDS)
        notifiers.append(Notifier(number, address, hub))
    return notifiers


def _keep_addresses_out_of_the_log() -> None:
    # Apprise's warnings contain hosts and recipients; only _reason() reads them
    apprise_log = logging.getLogger("apprise")
    apprise_log.setLevel(logging.WARNING)
    apprise_log.propagate = False
    apprise_log.addHandler(logging.NullHandler())
    # at DEBUG, these log whole addresses and tokens
    for name in ("urllib3", "oauthlib", "requests_oauthlib"):
        logging.getLogger(name).setLevel(logging.INFO)


def _reason(logged: str) -> str:
    if status := re.search(r"\berror=(\d{3})\b", logged):
        return f"HTTP {status[1]}"
    return "no answer" if "onnection error" in logged else "not taken"
