"""Many cases of one rule: a few are tried at each change, all of them by `make check`."""

from collections.abc import Iterable
from typing import Any

import pytest


def slow(*cases: Any) -> list[Any]:
    """The cases, for `parametrize`, marked as slow. A tuple has the values of several parameters."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow) for case in cases]


def first_quick(count: int, cases: Iterable[Any]) -> list[Any]:
    """The cases, all but the first so many marked as slow."""
    listed = [*cases]
    return [*listed[:count], *slow(*listed[count:])]
