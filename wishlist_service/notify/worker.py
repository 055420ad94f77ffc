"""Messages about what is new: one with everything, to each address of NOTIFY_URLS.

New are the events and state changes after those that an address was told. The message is sent, and the very next
statement stores how far the address was told. So no message is lost. One is repeated only if the process or its
connection ends between the two, or if a service took the message without answering in time.
"""

import logging
import threading
from collections.abc import Callable

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import Conflict, NotFound
from wishlist_service.models import Renewal
from wishlist_service.notify import digest
from wishlist_service.notify.targets import Notifier, open_notifiers
from wishlist_service.people import invitations
from wishlist_service.queries import locks
from wishlist_service.queries import notifications as queries
from wishlist_service.queries.invitations import Invitation, get_invitation
from wishlist_service.queries.notifications import ListError
from wishlist_service.queries.wishlist import count_current_items
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)


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
        self._made: dict[int, tuple[int, str]] = {}
        """Id and path of the invitation for each refused token, by change_id."""

    def start(self) -> None:
        """Store new addresses, which are not told about existing titles. Call this before the first sync."""
        if not self._notifiers:
            return
        with db.connect(self._url, role="news") as conn, conn.transaction():
            known = [self._fingerprints(notifier) for notifier in self._notifiers]
            for fingerprints in known:
                queries.rename_address(conn, fingerprints=fingerprints)
                queries.add_address(conn, fingerprint=fingerprints[0])
            queries.remove_other_addresses(conn, fingerprints=[fingerprints[0] for fingerprints in known])

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
            message = digest.compose(wishes, errors, self._renewals_for(conn, errors), count_current_items(conn))
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

    def _renewals_for(self, conn: Connection, errors: list[ListError]) -> dict[int, Renewal]:
        """Return an invitation for each refused token by the error's change_id, the same for all addresses.

        There is none before the service knows its own address.
        """
        address = invitations.own_address(conn, self._config)
        # Without a known account, anyone who reads the message could sign in as this person.
        refused = [each for each in errors if each.sync_state == "token_rejected" and each.account_known]
        found: dict[int, Renewal] = {}
        for error in refused if address else []:
            try:
                with conn.transaction():
                    invitation, path = self._invite(conn, error)
                found[error.change_id] = Renewal(url=f"{address}{path}", expires_at=invitation.expires_at)
            except (Conflict, NotFound) as reason:  # erased meanwhile
                logger.warning("message goes without an invitation user=%s reason=%r", error.user_id, str(reason))
        return found

    def _invite(self, conn: Connection, error: ListError) -> tuple[Invitation, str]:
        """Return the invitation of this error, made now if there is none that works."""
        invitation_id, path = self._made.get(error.change_id, (None, ""))
        if invitation_id is not None and (known := get_invitation(conn, invitation_id=invitation_id)).works:
            return known, path
        invitation_id, path = self._made[error.change_id] = invitations.make(conn, user_id=error.user_id)
        return get_invitation(conn, invitation_id=invitation_id), path
