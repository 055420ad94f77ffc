"""Messages about what is new: one with everything, to each address of NOTIFY_URLS.

New are the events and state changes after those that an address was told. The message is sent, and the very next
statement stores how far the address was told. So no message is lost. One is repeated only if the process or its
connection ends between the two, or if a service took the message without answering in time.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import NotFound, PlexAway
from wishlist_service.models import SignIn
from wishlist_service.notify import digest
from wishlist_service.notify.targets import Notifier, open_notifiers
from wishlist_service.people.sign_ins import Links
from wishlist_service.queries import locks, sign_ins
from wishlist_service.queries import notifications as queries
from wishlist_service.queries.notifications import ListError
from wishlist_service.queries.wishlist import count_current_items
from wishlist_service.tokens import TokenCipher

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
        self._notifiers = open_notifiers(config.notify_urls)
        self._pool = db.Pool(config.database_url, size=2)
        self._sign_ins: dict[int, SignIn] = {}

    def start(self) -> None:
        """Store new addresses, which are not told about existing titles. Call this before the first sync."""
        if not self._notifiers:
            return
        with db.connect(self._url, role="news") as conn:
            with conn.transaction():
                known = [self._fingerprints(notifier) for notifier in self._notifiers]
                for fingerprints in known:
                    queries.rename_address(conn, fingerprints=fingerprints)
                    queries.add_address(conn, fingerprint=fingerprints[0])
                queries.remove_other_addresses(conn, fingerprints=[fingerprints[0] for fingerprints in known])
            if sign_ins.is_any_pending(conn):  # its link may have been sent before a restart
                self._links.watch()

    def look(self) -> None:
        """Send each address what is new to it. Raises OperationalError when the database is away."""
        if not self._notifiers:
            return
        with db.connect(self._url, role="news") as conn, locks.giving_back_locks(conn):
            if locks.try_turn(conn, locks.NEWS_LOCK):
                for notifier in self._notifiers:
                    if not self._stop.is_set():
                        self._tell(conn, notifier)
                        self._on_sent()

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _tell(self, conn: Connection, notifier: Notifier) -> None:
        fingerprint = self._fingerprints(notifier)[0]
        queries.add_address(conn, fingerprint=fingerprint)  # a restored backup may not have it
        told = queries.find_due_address(conn, fingerprint=fingerprint)
        present = queries.get_present(conn, told=told) if told else None
        if told is None or present is None or present == told:
            return
        wishes = queries.list_new_wishes(conn, after=told.event_id, upto=present.event_id)
        errors = queries.list_errors(conn, after=told.change_id, upto=present.change_id)
        if wishes or errors:
            message = digest.compose(wishes, errors, self._sign_ins_for(errors), count_current_items(conn))
            if reason := notifier.send(message):
                failures, again_at = queries.put_off(conn, fingerprint=fingerprint)
                logger.warning(
                    "message could not be sent address=%s reason=%r failures=%s again_at=%s",
                    notifier.number, reason, failures, f"{again_at:%Y-%m-%dT%H:%M:%SZ}",
                )  # fmt: skip
                return
        queries.store_told(conn, fingerprint=fingerprint, told=present)
        if wishes or errors:
            logger.info("message sent address=%s wishes=%s errors=%s", notifier.number, len(wishes), len(errors))

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
