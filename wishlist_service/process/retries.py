"""When to try again what failed: 1, 2, 4, 8, 16 and 32 minutes later, then every hour."""

import random
from datetime import timedelta
from typing import Final

LONGEST: Final = timedelta(hours=1)


def draw_jitter() -> float:
    """Return a factor from 0.8 to 1.2. What failed together uses one, so that it stays together."""
    return random.uniform(0.8, 1.2)


def retry_in(failures: int, *, jitter: float, at_most: timedelta = timedelta.max) -> timedelta:
    """Return the time until the next try, after so many failures in a row (1 or more), and at most `at_most`."""
    return min(min(timedelta(minutes=1) * 2 ** min(failures - 1, 10), LONGEST) * jitter, at_most)
