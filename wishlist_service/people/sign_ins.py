"""Sign-in links: a person signs in at Plex, and their token arrives here.

Each process may start sign-ins. A process that has seen one runs a thread that asks Plex about all pending sign-ins.
The database decides which process asks about which.
"""

import logging
import threading
from datetime import timedelta
from functools import cached_property
from typing import Final

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import (
    Conflict,
    Invalid,
    NotFound,
    PinExpired,
    PlexAway,
    PlexError,
    RateLimited,
    TokenUnreadable,
    Unreachable,
)
from wishlist_service.models import PlexLink
from wishlist_service.people import accounts
from wishlist_service.plex.client import PlexClient
from wishlist_service.plex.pins import PlexPins
from wishlist_service.queries import sign_ins, users
from wishlist_service.queries.sync_users import get_client_identifier
from wishlist_service.tokens import CLIENT_IDENTIFIER, TokenCipher

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 3.0  # Plex wants at least 2 between two requests about one PIN
LOOK_SECONDS: Final = 1.0  # between any two requests of this process
LONGEST_LOOK_SECONDS: Final = 60.0
_KEY_CHANGED: Final = "TOKEN_ENCRYPTION_KEY changed during this sign-in. Start a new one."


class Links:
    """The sign-ins of one process."""

    def __init__(self, config: Config, pool: db.Pool, cipher: TokenCipher, *, stop: threading.Event) -> None:
        self._config = config
        self._pool = pool
        self.pins = PlexPins(config, stop=stop)
        self._cipher = cipher
        self._stop = stop
        self._lock = threading.Lock()
        self._watching = False
        self._look_again = False

    def start(self, *, name: str) -> int:
        """Start the sign-in of a new person with this name and return its id.

        Raises Conflict if the name is taken, and PlexAway.
        """
        if db.read(self._pool, sign_ins.is_name_taken, name=name):
            raise Conflict(users.NAME_TAKEN)
        return self._start(name=name, user_id=None)

    def renew(self, *, user_id: int) -> int:
        """Start a sign-in that renews this person's token and return its id. Raises NotFound and PlexAway."""
        db.read(self._pool, users.get_account, user_id=user_id)
        return self._start(name=None, user_id=user_id)

    def url(self, link: PlexLink) -> str:
        """Return the address at Plex where the person signs in. Raises Conflict if the sign-in cannot succeed."""
        try:
            return self.pins.sign_in_url(link.code, self._client_identifier(link))
        except TokenUnreadable as error:
            raise Conflict(_KEY_CHANGED) from error

    def watch(self) -> None:
        """Make this process ask Plex about the pending sign-ins while there are any."""
        with self._lock:
            self._look_again = True
            if not self._watching:
                self._watching = True
                # a daemon: another process, or the next start, continues with its sign-ins
                threading.Thread(target=self._watch, daemon=True, name="sign-ins").start()

    @cached_property
    def _plex(self) -> PlexClient:
        identifier = db.read(self._pool, get_client_identifier)
        return PlexClient(self._config, client_identifier=identifier, stop=self._stop)

    def _start(self, *, name: str | None, user_id: int | None) -> int:
        try:
            pin = self.pins.make()
        except PlexError as error:
            logger.warning("sign-in could not be started reason=%r", str(error))
            raise PlexAway(f"{_why(error)}, so no sign-in was started. Try again in a minute.") from error
        with self._pool.connection() as conn, conn.transaction():
            sign_ins.remove_old_links(conn)
            link_id = sign_ins.next_link_id(conn)
            encrypted = self._cipher.encrypt(pin.client_identifier, owner=link_id, column=CLIENT_IDENTIFIER)
            sign_ins.add_link(conn, link_id=link_id, name=name, user_id=user_id, pin=pin, client_identifier=encrypted)
        logger.info("sign-in started link=%s user=%s", link_id, user_id)
        self.watch()
        return link_id

    def _watch(self) -> None:
        pause, away = LOOK_SECONDS, False
        while not self._stop.wait(pause):
            self._look_again = False
            try:
                pending = self._ask_about_one()
                pause, away = LOOK_SECONDS, False
            except RateLimited:
                pending, pause = True, min(pause * 2, LONGEST_LOOK_SECONDS)
            except db.EXPECTED as error:
                if not away:
                    logger.warning("sign-ins wait for the database reason=%r", str(error).strip())
                pending, pause, away = True, 10 * LOOK_SECONDS, True
            except Exception:
                logger.exception("unexpected error while waiting for sign-ins")
                pending, pause = True, LONGEST_LOOK_SECONDS
            with self._lock:
                if not (pending or self._look_again):
                    self._watching = False
                    return

    def _ask_about_one(self) -> bool:
        """Ask Plex about the next sign-in; return False if none is pending. Raises RateLimited."""
        link = db.read(self._pool, sign_ins.claim_link, pause=timedelta(seconds=POLL_SECONDS))
        if link is None:
            return db.read(self._pool, sign_ins.is_any_pending)
        try:
            token = self.pins.token(link.pin_id, self._client_identifier(link))
            if token is not None:
                self._store(link, token)
        except RateLimited:
            logger.info("sign-ins wait, plex asks to slow down link=%s", link.id)
            raise
        except PlexError as error:
            logger.info("sign-in not checked now link=%s reason=%r", link.id, _why(error))
        except PinExpired:
            self._end(link, "expired", None)
        except TokenUnreadable:
            self._end(link, "failed", _KEY_CHANGED)
        except Invalid:
            self._end(link, "failed", "Plex does not accept the token it gave. Start a new sign-in.")
        except (Conflict, NotFound) as error:
            self._end(link, "failed", str(error))
        return True

    def _client_identifier(self, link: PlexLink) -> str:
        return self._cipher.decrypt(link.client_identifier, owner=link.id, column=CLIENT_IDENTIFIER)

    def _store(self, link: PlexLink, token: str) -> None:
        if link.user_id is None:
            accounts.add_user(self._pool, self._plex, self._cipher, name=link.name or "", token=token, link_id=link.id)
        else:
            accounts.change_user(
                self._pool, self._plex, self._cipher, user_id=link.user_id, token=token, link_id=link.id
            )
        logger.info("sign-in ended link=%s status=linked", link.id)

    def _end(self, link: PlexLink, status: str, detail: str | None) -> None:
        with self._pool.connection() as conn:
            ended = sign_ins.end_link(conn, link_id=link.id, status=status, detail=detail)
        if ended:
            logger.info("sign-in ended link=%s status=%s reason=%r", link.id, status, detail)


def _why(error: PlexError) -> str:
    if isinstance(error, RateLimited):
        return "Plex asks to slow down (HTTP 429)"
    return "Plex does not answer" if isinstance(error, Unreachable) else "Plex sent an unexpected reply"
