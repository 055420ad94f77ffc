"""Messages about what is new: to each address of NOTIFY_URLS with everything, to those of a person with their part.

New are the events, state changes and arrivals after those that an address was told. The message is sent, and the very
next statement stores how far the address was told. So no message is lost. One is repeated only if the process or its
connection ends between the two, or if a service took the message without answering in time.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from psycopg import Connection

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import Conflict, NotFound, TokenUnreadable
from wishlist_service.models import Message, Renewal
from wishlist_service.notify import digest
from wishlist_service.notify.targets import NOT_INSTALLED, Notifier, open_notifier
from wishlist_service.people import invitations
from wishlist_service.queries import locks
from wishlist_service.queries import notifications as queries
from wishlist_service.queries.invitations import Invitation, get_invitation
from wishlist_service.queries.notifications import Arrival, ListError, NewWish, Recipient
from wishlist_service.queries.wishlist import count_current_items
from wishlist_service.tokens import ADDRESS, TokenCipher

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
        self._household = _open_household(config.notify_urls)
        self._known: dict[int, tuple[tuple[str, bool], Notifier | None]] = {}
        """The addresses of people by their ids: each as it is stored and may be used, and ready for messages."""
        self._made: dict[int, tuple[int, str]] = {}
        """Id and path of the invitation for each refused token, by change_id."""

    def start(self) -> None:
        """Store new addresses, which are not told about existing titles. Call this before the first sync.

        Those that are no longer in the setting are forgotten.
        """
        if self._config.notify_urls and not self._household:  # Apprise is missing, or knows none of them
            return
        with db.connect(self._url, role="news") as conn, conn.transaction():
            known = [self._fingerprints(notifier) for notifier in self._household]
            for fingerprints in known:
                queries.rename_address(conn, fingerprints=fingerprints)
                queries.add_address(conn, fingerprint=fingerprints[0])
            queries.remove_other_addresses(conn, fingerprints=[fingerprints[0] for fingerprints in known])

    def look(self) -> None:
        """Send each address what is new to it. Raises OperationalError when the database is away."""
        if not self._household and not db.ask(self._url, queries.is_any_of_people):
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

    def _open(self, recipient: Recipient) -> Notifier | None:
        """Return the address of a person, ready for messages; None if it cannot be used, which is logged once."""
        assert recipient.address
        assert recipient.user_id
        stored, notifier = self._known.get(recipient.id, (None, None))
        anywhere = recipient.anywhere or self._config.notify_targets == "any"
        if stored != (recipient.address, anywhere):
            label, reason = f"{recipient.user_id}/{recipient.id}", "Apprise does not know this kind of address"
            notifier = None
            try:
                address = self._cipher.decrypt(recipient.address, owner=recipient.user_id, column=ADDRESS)
                notifier = open_notifier(label, address, anywhere=anywhere)
            except (TokenUnreadable, PermissionError) as error:
                reason = str(error)
            except ImportError:
                reason = NOT_INSTALLED
            if not notifier:
                logger.error("address of a person is skipped address=%s reason=%r", label, reason)
            self._known[recipient.id] = ((recipient.address, anywhere), notifier)
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
            message = digest.compose(wishes, errors, self._renewals_for(conn, errors), count_current_items(conn))
        told = replace(recipient, event_id=present.event_id, change_id=present.change_id)
        about = f"wishes={len(wishes)} errors={len(errors)}"
        if not self._deliver(conn, recipient, notifier, message, told=told, about=about):
            return
        message = (
            digest.compose_arrivals(arrivals, own=bool(own), link=self._link(conn, arrivals)) if arrivals else None
        )
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

    def _link(self, conn: Connection, arrivals: list[Arrival]) -> str:
        """Return where the titles can be seen that came since the first of these."""
        address = (
            invitations.own_address(conn, self._config)
            or f"http://localhost:{self._config.port}{self._config.url_base}"
        )
        day = min(arrival.happened_at for arrival in arrivals).date()
        return f"{address}/arrived?since={day}"

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
