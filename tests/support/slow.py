"""Cases of a matrix that are not needed at each change."""

from typing import Any

import pytest


def slow(*cases: Any) -> list[Any]:
    """The cases, for `parametrize`, marked as slow. A tuple has the values of several parameters."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow) for case in cases]
