"""Messages about what is new: to each address of NOTIFY_URLS with everything, to those of a person with their part.

New are the events, state changes and arrivals after those that an address was told. The message is sent, and the very
next statement stores how far the address was told. So no message is lost. One is repeated only if the process or its
connection ends between the two, or if a service took the message without answering in time.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import NotFound, PlexAway, TokenUnreadable
from wishlist_service.models import Message, SignIn
from wishlist_service.notify import digest
from wishlist_service.notify.targets import NOT_INSTALLED, Notifier, open_notifier
from wishlist_service.people.sign_ins import Links
from wishlist_service.queries import locks, sign_ins
from wishlist_service.queries import notifications as queries
from wishlist_service.queries.notifications import Arrival, ListError, NewWish, Recipient
from wishlist_service.queries.wishlist import count_current_items
from wishlist_service.tokens import ADDRESS, TokenCipher

logger = logging.getLogger(__name__)

MINIMUM_LEFT: Final = timedelta(minutes=15)  # a sign-in link that expires sooner is not sent to another address


class Notifications:
    """The messages of one scheduler. If there are several schedulers, one at a time sends."""

    def __init__(
        self,
        config: Config,
        cipher: TokenCipher,
        *,
        stop: threading.Event,
        on_sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._url = config.database_url
        self._cipher = cipher
        self._stop = stop
        self._on_sent = on_sent
        self._household = _open_household(config.notify_urls)
        self._known: dict[int, tuple[str, Notifier | None]] = {}
        """The addresses of people by their ids: each as it is stored, and ready for messages."""
        self._line = db.KeptConnection(config.database_url, role="news")
        self._pool = db.Pool(config.database_url, size=2)
        self._sign_ins: dict[int, SignIn] = {}

    def start(self) -> None:
        """Store new addresses, which are not told about existing titles. Call this before the first sync."""
        if not self._household:
            return
        with db.connect(self._url, role="news") as conn:
            with conn.transaction():
                known = [self._fingerprints(notifier) for notifier in self._household]
                for fingerprints in known:
                    queries.rename_address(conn, fingerprints=fingerprints)
                    queries.add_address(conn, fingerprint=fingerprints[0])
                queries.remove_other_addresses(conn, fingerprints=[fingerprints[0] for fingerprints in known])
            if sign_ins.is_any_pending(conn):  # its link may have been sent before a restart
                self._links.watch()

    def look(self) -> None:
        """Send each address what is new to it. Raises OperationalError when the database is away."""
        if not self._household and not self._line.ask(queries.is_any_of_people):
            return
        with db.connect(self._url, role="news") as conn, locks.giving_back_locks(conn):
            if not locks.try_turn(conn, locks.NEWS_LOCK):
                return
            household = {self._fingerprints(notifier)[0]: notifier for notifier in self._household}
            for fingerprint in household:
                queries.add_address(conn, fingerprint=fingerprint)  # a restored backup may not have it
            for recipient in queries.list_due(conn):
                if self._stop.is_set():
                    return
                notifier = self._open(recipient) if recipient.address else household.get(recipient.fingerprint)
                if notifier:
                    self._tell(conn, recipient, notifier)
                    self._on_sent()

    def close(self) -> None:
        """Close the connections."""
        self._line.close()
        self._pool.close()

    def _open(self, recipient: Recipient) -> Notifier | None:
        """Return the address of a person, ready for messages; None if it cannot be used, which is logged once."""
        assert recipient.address
        assert recipient.user_id
        stored, notifier = self._known.get(recipient.id, ("", None))
        anywhere = recipient.anywhere or self._config.notify_targets == "any"
        if stored != recipient.address:
            label, reason = f"{recipient.user_id}/{recipient.id}", "Apprise does not know this kind of address"
            notifier = None
            try:
                address = self._cipher.decrypt(recipient.address, owner=recipient.user_id, column=ADDRESS)
                notifier = open_notifier(label, address, anywhere=anywhere)
            except TokenUnreadable as error:
                reason = str(error)
            except ImportError:
                reason = NOT_INSTALLED
            if not notifier:
                logger.error("address of a person is skipped address=%s reason=%r", label, reason)
            self._known[recipient.id] = (recipient.address, notifier)
        return notifier

    def _tell(self, conn: Connection, recipient: Recipient, notifier: Notifier) -> None:
        """Send what is new: one message about the wishlist, and one about the media server."""
        present, own = queries.get_present(conn, told=recipient), recipient.user_id
        wishes: list[NewWish] = []
        errors: list[ListError] = []
        arrivals: list[Arrival] = []
        if recipient.tell_new_wishes:
            wishes = queries.list_new_wishes(conn, after=recipient.event_id, upto=present.event_id)
        if recipient.tell_trouble:
            errors = queries.list_errors(conn, after=recipient.change_id, upto=present.change_id, user_id=own)
        if recipient.tell_available:
            arrivals = queries.list_arrivals(conn, after=recipient.arrival_id, upto=present.arrival_id, user_id=own)
        message = None
        if wishes or errors:
            message = digest.compose(wishes, errors, self._sign_ins_for(errors), count_current_items(conn))
        told = replace(recipient, event_id=present.event_id, change_id=present.change_id)
        about = f"wishes={len(wishes)} errors={len(errors)}"
        if not self._deliver(conn, recipient, notifier, message, told=told, about=about):
            return
        message = digest.compose_arrivals(arrivals, own=bool(own), link=self._link(arrivals, own)) if arrivals else None
        upto = replace(told, arrival_id=present.arrival_id)
        self._deliver(conn, told, notifier, message, told=upto, about=f"arrivals={len(arrivals)}")

    def _deliver(
        self, conn: Connection, before: Recipient, notifier: Notifier, message: Message | None, *, told: Recipient,
        about: str,
    ) -> bool:  # fmt: skip
        """Send a message, if there is one, and store up to where the address is told then. Return whether that is so.

        If the service did not take it, the next try waits.
        """
        if message and (reason := notifier.send(message)):
            if put_off := queries.put_off(conn, address_id=before.id):
                failures, again_at = put_off
                logger.warning(
                    "message could not be sent address=%s reason=%r failures=%s again_at=%s",
                    notifier.label, reason, failures, f"{again_at:%Y-%m-%dT%H:%M:%SZ}",
                )  # fmt: skip
            return False
        if told != before:
            queries.store_told(conn, address_id=before.id, told=told)
        if message:
            logger.info("message sent address=%s %s", notifier.label, about)
        return True

    def _link(self, arrivals: list[Arrival], user_id: int | None) -> str:
        """Return where the titles can be seen that came since the first of these."""
        base = self._config.url_base
        public = self._config.public_url.removesuffix(base) or f"http://localhost:{self._config.port}"
        day = min(arrival.happened_at for arrival in arrivals).date()
        return f"{public}{base}/?status=all&arrived_since={day}{f'&user={user_id}' if user_id else ''}"

    def _fingerprints(self, notifier: Notifier) -> list[str]:
        return self._cipher.fingerprints(notifier.address, column="news_addresses.fingerprint")

    def _sign_ins_for(self, errors: list[ListError]) -> dict[int, SignIn]:
        """Return a sign-in link for each refused token, the same for all addresses, as far as Plex makes them."""
        enough = datetime.now(UTC) + MINIMUM_LEFT
        self._sign_ins = {change: sign_in for change, sign_in in self._sign_ins.items() if sign_in.expires_at > enough}
        for error in errors:
            # Without a known account, anyone who reads the message could sign in as this person.
            if error.sync_state == "token_rejected" and error.account_known and error.change_id not in self._sign_ins:
                try:
                    link_id = self._links.renew(user_id=error.user_id)
                    link = db.read(self._pool, sign_ins.get_link, link_id=link_id)
                    url = self._links.url(link)
                    self._sign_ins[error.change_id] = SignIn(url=url, expires_at=link.expires_at)
                except (PlexAway, NotFound) as reason:
                    logger.warning("message goes without a sign-in link user=%s reason=%r", error.user_id, str(reason))
        return self._sign_ins

    @cached_property
    def _links(self) -> Links:
        self._pool.open()
        return Links(self._config, self._pool, self._cipher, stop=self._stop)


def _open_household(addresses: Sequence[str]) -> list[Notifier]:
    """Return the usable addresses of NOTIFY_URLS. Log why the others are skipped."""
    notifiers: list[Notifier] = []
    for number, address in enumerate(addresses, start=1):
        try:
            notifier = open_notifier(str(number), address, anywhere=True)
        except ImportError:
            logger.error("no messages are sent: %s", NOT_INSTALLED)
            return []
        if notifier:
            notifiers.append(notifier)
        else:
            logger.error("address %s of NOTIFY_URLS is skipped: Apprise does not know this kind of address", number)
    return notifiers
