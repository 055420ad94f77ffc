"""Plex Wishlist Service: several Plex watchlists merged into one shared wishlist, served by a REST API."""

import sys
from types import TracebackType

__version__ = "0.2.0"


def _end_plainly(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say that Ctrl-C stopped the program, also while it is still being imported. Show other errors as always."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("Stopped.\n")
    else:
        sys.__excepthook__(kind, error, trace)


def _tell_ignored(ignored: "sys.UnraisableHookArgs") -> None:
    """Say nothing of a Ctrl-C in a place that cannot be interrupted, as at the end of the program."""
    if not issubclass(ignored.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(ignored)


sys.excepthook = _end_plainly
sys.unraisablehook = _tell_ignored
