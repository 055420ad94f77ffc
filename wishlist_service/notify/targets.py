"""Apprise: messages to the addresses of NOTIFY_URLS. An optional extra, imported only when there are any."""

import logging
import re
from collections.abc import Sequence
from typing import Any, Final

from wishlist_service.models import Message

logger = logging.getLogger(__name__)

READ_SECONDS: Final = 20  # a service that takes longer is told again, and may have understood the first time


class Notifier:
    """One address, the `number`th of NOTIFY_URLS. It holds secrets and is told to nobody."""

    def __init__(self, number: int, address: str, hub: Any) -> None:
        self.number = number
        self.address = address
        self._hub = hub

    def send(self, message: Message) -> str | None:
        """Send it; None if the service took it, or else why not."""
        try:
            result = self._hub.notify(
                title=message.title,
                body=message.body,
                notify_type="warning" if message.urgent else "info",
                body_format="text",
            )
        except Exception as error:  # of any of 170 services; its text may hold the address
            return type(error).__name__
        return None if result else _why(" ".join(entry.message for entry in result.logs()))


def open_notifiers(addresses: Sequence[str]) -> list[Notifier]:
    """Those of the addresses that can be used; what is wrong with the others is logged."""
    if not addresses:
        return []
    try:
        import apprise
    except ImportError:
        logger.error(
            "nobody is told news: NOTIFY_URLS is set, but Apprise is not installed, "
            "run: pip install -r requirements-notify.txt"
        )
        return []
    _keep_addresses_out_of_the_log()
    found: list[Notifier] = []
    for number, address in enumerate(addresses, start=1):
        hub = apprise.Apprise()
        if not hub.add(address):
            logger.error("address %s of NOTIFY_URLS is not one that Apprise knows, it is told nothing", number)
            continue
        for service in hub:
            # some refuse what is too long for them, and would refuse it for ever
            if service.overflow_mode == apprise.OverflowMode.UPSTREAM:
                service.overflow_mode = apprise.OverflowMode.TRUNCATE
            service.socket_read_timeout = max(service.socket_read_timeout or 0, READ_SECONDS)
        found.append(Notifier(number, address, hub))
    return found


def _keep_addresses_out_of_the_log() -> None:
    # its warnings, which tell hosts and recipients, are kept for _why() alone
    ours = logging.getLogger("apprise")
    ours.setLevel(logging.WARNING)
    ours.propagate = False
    ours.addHandler(logging.NullHandler())
    # what is below it tells whole addresses and tokens when debugging
    for name in ("urllib3", "oauthlib", "requests_oauthlib"):
        logging.getLogger(name).setLevel(logging.INFO)


def _why(told: str) -> str:
    status = re.search(r"\berror=(\d{3})\b", told)
    if status:
        return f"HTTP {status[1]}"
    return "no answer" if "onnection error" in told else "not taken"
