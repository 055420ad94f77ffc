"""News, as tests have a scheduler tell them."""

import threading
from dataclasses import replace

from tests.support.household import Household
from wishlist_service.notify.worker import Notifications
from wishlist_service.tokens import TokenCipher


class Teller:
    """What a scheduler with these NOTIFY_URLS does about news, look by look."""

    def __init__(self, household: Household, *addresses: str, cipher: TokenCipher | None = None) -> None:
        self._conn = household.conn
        self._stop = threading.Event()
        config = replace(household.config, notify_urls=addresses)
        cipher = cipher or household.cipher
        self._notifications = Notifications(config, cipher, stop=self._stop)
        self._notifications.start()

    def look(self) -> None:
        self._notifications.look()

    def retry(self) -> None:
        """Another look, when what was put off is due."""
        self._conn.execute("UPDATE news_addresses SET due_at = now()")
        self.look()

    def close(self) -> None:
        self._stop.set()
