"""Settings read from .env in the working directory and from the environment."""

from collections.abc import Iterator, MutableMapping
from os import environ
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.commands.test_config import ENOUGH, config
from wishlist_service.config import load_config


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MutableMapping[str, str]]:
    """An empty environment in an empty working directory; load_config() may write into it."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(environ, clear=True):
        yield environ


def test_settings_are_read_from_the_file_and_the_environment_wins(
    environment: MutableMapping[str, str], tmp_path: Path
) -> None:
    lines = [f"{name}={value}" for name, value in ENOUGH.items()]
    (tmp_path / ".env").write_text("\n".join([*lines, "PORT=1111", "WEB_THREADS=3", "# a comment"]))
    environment["PORT"] = "2222"

    found = load_config()

    assert (found.api_key, found.port, found.web_threads) == (ENOUGH["API_KEY"], 2222, 3)


def test_environment_alone_is_enough(environment: MutableMapping[str, str]) -> None:
    environment.update(ENOUGH)

    assert load_config() == config()


def test_faults_end_the_program_with_the_message_and_no_traceback(
    environment: MutableMapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("API_KEY=short\n")

    with pytest.raises(SystemExit) as caught:
        load_config()

    assert isinstance(caught.value.code, str)
    assert caught.value.code.startswith("Invalid settings")
    assert [line.split()[1] for line in caught.value.code.splitlines()[1:]] == list(ENOUGH)


def test_empty_variable_counts_as_unset_and_leaves_the_file_its_say(
    environment: MutableMapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("\n".join(f"{name}={value}" for name, value in ENOUGH.items()))
    environment["API_KEY"] = ""

    assert load_config() == config()


def test_file_that_is_no_text_is_told_in_a_sentence(environment: MutableMapping[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes("API_KEY=\u00e9".encode("latin-1"))

    with pytest.raises(SystemExit, match=r"\.env cannot be read"):
        load_config()
