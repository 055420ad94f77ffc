"""Stopping a program in time."""

import logging
import os
import signal
import threading
from typing import Final

logger = logging.getLogger(__name__)

STOP_SECONDS: Final = 8  # Docker kills after 10


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM and the first Ctrl-C. A second Ctrl-C ends the program at once.

    After STOP_SECONDS, a program that still waits for Plex is ended with status 0. That loses nothing: a person's
    list is stored completely or not at all.
    """

    def handle(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # from another thread, because the main one may hold the event's lock
        threading.Thread(target=stop.set).start()
        last_resort = threading.Timer(STOP_SECONDS, _end_at_once)
        last_resort.daemon = True
        last_resort.start()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _end_at_once() -> None:
    logger.warning("did not end in time, stopped without storing unfinished work")
    logging.shutdown()
    os._exit(0)
