"""pyproject.toml describes the project with what the code and the Makefile say."""

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

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


def test_release_builds_from_base_images_by_digest_and_prints_them(tmp_path: Path) -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/release.yml").read_text())
    steps = workflow["jobs"]["image"]["steps"]
    [fix] = [step for step in steps if step.get("name") == "Fix the base images to what they are now"]
    (tmp_path / "Dockerfile").write_text((CHECKOUT / "Dockerfile").read_text())
    (tmp_path / "docker").write_text("#!/bin/sh\necho sha256:0123abcd\n")
    (tmp_path / "docker").chmod(0o755)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", fix["run"]],
        cwd=tmp_path, env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    bases = [line.split()[1] for line in (tmp_path / "Dockerfile").read_text().splitlines() if line.startswith("FROM")]
    assert done.returncode == 0, done.stderr
    assert bases == ["postgres:18@sha256:0123abcd", "python:3.13-slim@sha256:0123abcd"]
    assert "postgres:18 is sha256:0123abcd" in done.stdout


def test_every_change_is_audited() -> None:
    workflow = yaml.safe_load((CHECKOUT / ".github/workflows/ci.yml").read_text())

    assert {"run": "make audit"} in workflow["jobs"]["audit"]["steps"]


def test_image_installs_exactly_the_pinned_packages_and_checks_each_by_its_hash() -> None:
    pins = "".join((CHECKOUT / name).read_text() for name in ("requirements.txt", "requirements-notify.txt"))
    pinned = {normal(name): version for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==(\S+)$", pins, re.M)}
    hashed = re.split(r"\n(?=\S)", re.sub("^#.*\n", "", (CHECKOUT / "requirements-hashed.txt").read_text(), flags=re.M))
    found = dict(re.findall(r"^([\w.-]+)==(\S+) ", "\n".join(hashed), re.M))

    # psycopg[binary] stands for two packages
    assert found == pinned | {"psycopg-binary": pinned["psycopg"]}
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in hashed)
    installs = re.findall(r"pip install (.+?) \\$", (CHECKOUT / "Dockerfile").read_text(), re.M)
    assert installs == ["--no-cache-dir --require-hashes --only-binary :all: -r requirements-hashed.txt"]
    assert "://" not in (CHECKOUT / "requirements-hashed.txt").read_text()


def normal(name: str) -> str:
    """A package's name as the index writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()
