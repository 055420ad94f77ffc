"""pyproject.toml describes the project with what the code and the Makefile say."""

import re
import tomllib
from typing import Any

from tests.support.processes import CHECKOUT

PYPROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


def test_version_and_dependencies_are_written_once() -> None:
    dynamic = PYPROJECT["tool"]["setuptools"]["dynamic"]

    assert PYPROJECT["project"]["dynamic"] == ["version", "dependencies"]
    assert dynamic == {
        "version": {"attr": "wishlist_service.__version__"},
        "dependencies": {"file": ["requirements.txt"]},
    }
    assert "-r " not in (CHECKOUT / "requirements.txt").read_text()  # setuptools cannot follow it


def test_oldest_python_is_the_same_everywhere() -> None:
    oldest = PYPROJECT["project"]["requires-python"].removeprefix(">=")
    makefile = (CHECKOUT / "Makefile").read_text()
    workflow = (CHECKOUT / ".github/workflows/ci.yml").read_text()
    image = re.findall(r"^FROM python:([\d.]+)", (CHECKOUT / "Dockerfile").read_text(), re.M)

    assert PYPROJECT["tool"]["basedpyright"]["pythonVersion"] == oldest
    assert f"sys.version_info < ({oldest.replace('.', ', ')})" in makefile
    assert f'python: ["{oldest}", "{image[0]}"]' in workflow
