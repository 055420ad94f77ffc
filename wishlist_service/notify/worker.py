"""Telling people what is new: one message for all of it, to each address of NOTIFY_URLS.

What is new are the events and the changes of state after those that an address was told. First it is sent, then
how far the address was told is stored, in the very next statement. So none is lost. One is repeated only if the
process, or the way to the database, ends between the two, or if a service took it and did not say so in time.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import NotFound, PlexAway
from wishlist_service.models import SignIn, Trouble
from wishlist_service.notify import digest
from wishlist_service.notify.targets import Notifier, open_notifiers
from wishlist_service.people.sign_ins import Links
from wishlist_service.queries import locks, sign_ins
from wishlist_service.queries import notifications as queries
from wishlist_service.queries.wishlist import count_current_items
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)

LEAST_LEFT: Final = timedelta(minutes=15)  # of a sign-in, to be sent to another address


class Notifications:
    """The messages of one scheduler. Of several, one at a time sends."""

    def __init__(
        self,
        config: Config,
        cipher: TokenCipher,
        *,
        stop: threading.Event,
        on_sent: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = config.database_url
        self._cipher = cipher
        self._stop = stop
        self._on_sent = on_sent
        self._notifiers = open_notifiers(config.notify_urls)
        # for the sign-ins alone, opened when there is one
        self._pool = db.Pool(config.database_url, size=2)
        self._links = Links(config, self._pool, cipher, stop=stop)
        self._links_open = False
        self._sign_ins: dict[int, SignIn] = {}

    def start(self) -> None:
        """Begin with addresses that are new: of what is here they are told nothing. To be called before any sync."""
        if not self._notifiers:
            return
        with db.connect(self._url, role="news") as conn:
            with conn.transaction():
                for notifier in self._notifiers:
                    fingerprints = self._cipher.fingerprints(notifier.address)
                    queries.rename_address(conn, fingerprints=fingerprints)
                    queries.add_address(conn, fingerprint=fingerprints[0])
                queries.remove_other_addresses(conn, fingerprints=[self._fingerprint(each) for each in self._notifiers])
            if sign_ins.is_any_pending(conn):  # one that a message before a restart told
                self._open_links().watch()

    def look(self) -> None:
        """Tell each address what is new to it. Raises OperationalError when the database is away."""
        if not self._notifiers:
            return
        with db.connect(self._url, role="news") as conn, locks.giving_back_locks(conn):
            if locks.try_turn(conn, locks.NEWS_LOCK):
                for notifier in self._notifiers:
                    if not self._stop.is_set():
                        self._tell(conn, notifier)
                        self._on_sent()

    def close(self) -> None:
        """Give the connections back."""
        if self._links_open:
            self._pool.close()

    def _tell(self, conn: Connection, notifier: Notifier) -> None:
        fingerprint = self._fingerprint(notifier)
        queries.add_address(conn, fingerprint=fingerprint)  # a restored backup may not have it
        told = queries.find_due_address(conn, fingerprint=fingerprint)
        present = queries.get_present(conn, told=told) if told else None
        if told is None or present is None or present == told:
            return
        wishes = queries.list_new_wishes(conn, after=told.event_id, upto=present.event_id)
        troubles = queries.list_troubles(conn, after=told.change_id, upto=present.change_id)
        if wishes or troubles:
            message = digest.compose(wishes, troubles, self._sign_ins_for(troubles), count_current_items(conn))
            if problem := notifier.send(message):
                failures, again_at = queries.put_off(conn, fingerprint=fingerprint)
                logger.warning(
                    "news could not be sent address=%s reason=%r failures=%s again_at=%s",
                    notifier.number, problem, failures, f"{again_at:%Y-%m-%dT%H:%M:%SZ}",
                )  # fmt: skip
                return
        queries.store_told(conn, fingerprint=fingerprint, told=present)
        if wishes or troubles:
            logger.info("news sent address=%s wishes=%s troubles=%s", notifier.number, len(wishes), len(troubles))

    def _sign_ins_for(self, troubles: list[Trouble]) -> dict[int, SignIn]:
        """Sign-ins for those whose token is refused, as far as Plex makes them; the same for all addresses."""
        enough = datetime.now(UTC) + LEAST_LEFT
        self._sign_ins = {change: sign_in for change, sign_in in self._sign_ins.items() if sign_in.expires_at > enough}
        for trouble in troubles:
            if trouble.sync_state == "token_rejected" and trouble.change_id not in self._sign_ins:
                try:
                    self._sign_ins[trouble.change_id] = self._sign_in(trouble.user_id)
                except (PlexAway, NotFound) as error:
                    logger.warning("news go without a link user=%s reason=%s", trouble.user_id, error)
        return self._sign_ins

    def _sign_in(self, user_id: int) -> SignIn:
        links = self._open_links()
        link = db.read(self._pool, sign_ins.get_link, link_id=links.renew(user_id=user_id))
        return SignIn(url=links.url(link), expires_at=link.expires_at)

    def _open_links(self) -> Links:
        if not self._links_open:
            self._pool.open()
            self._links_open = True
        return self._links

    def _fingerprint(self, notifier: Notifier) -> str:
        return self._cipher.fingerprints(notifier.address)[0]
