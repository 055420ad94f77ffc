"""Many cases of one rule: a few are tried at each change, all of them by `make check`."""

from collections.abc import Iterable
from typing import Any

import pytest


def first_quick(count: int, cases: Iterable[Any]) -> list[Any]:
    """The cases of a parametrised test, of which all but the first so many are marked as slow."""
    return [case if number < count else _slow(case) for number, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    return pytest.param(*case if isinstance(case, tuple) else [case], marks=pytest.mark.slow)
