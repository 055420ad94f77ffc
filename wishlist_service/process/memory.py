"""Memory given back to the system: a NAS has little."""

import contextlib
import ctypes
from typing import Final

# glibc's <malloc.h>
_TRIM_THRESHOLD: Final = -1
_ARENA_MAX: Final = -8


def give_memory_back() -> None:
    """To be called before the first thread: one arena for all, and what is free at its end goes back.

    By itself glibc keeps an arena for each thread, and what one large reply or list once took. Other C
    libraries know no such thing and are left alone.
    """
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_ARENA_MAX, 1)
        libc.mallopt(_TRIM_THRESHOLD, 128 * 1024)
