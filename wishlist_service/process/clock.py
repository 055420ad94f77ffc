"""What happens to the clock of this machine while a program runs."""

import time
from datetime import datetime, timedelta


class Clock:
    """Notices when the clock was set, and when daylight saving time began or ended.

    `schedule` plans by that clock. Jobs that are moved by these steps run as if by the monotonic clock.
    """

    def __init__(self) -> None:
        self._ahead = self._measure()

    def step(self) -> timedelta:
        """Return by how much the local time was moved since the last call; below zero if backwards."""
        before, self._ahead = self._ahead, self._measure()
        return self._ahead - before

    @staticmethod
    def _measure() -> datetime:
        return datetime.now() - timedelta(seconds=time.monotonic())
