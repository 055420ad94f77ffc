"""Ending in time when told to."""

import logging
import os
import signal
import threading
from typing import Final

logger = logging.getLogger(__name__)

STOP_SECONDS: Final = 8  # Docker kills after 10 unless told otherwise


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and the first Ctrl-C; a second Ctrl-C ends the program at once.

    A program that has not ended STOP_SECONDS later is waiting for Plex, with nothing written of that person:
    it ends as if killed, which loses nothing, but with exit status 0.
    """

    def handle(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # The main thread may be inside stop.wait(), holding the event's own lock: set it from another one.
        threading.Thread(target=stop.set).start()
        last_resort = threading.Timer(STOP_SECONDS, _end_at_once)
        last_resort.daemon = True
        last_resort.start()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _end_at_once() -> None:
    logger.warning("told to stop, what was still under way is left as it was")
    logging.shutdown()
    os._exit(0)
