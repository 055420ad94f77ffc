"""How values are written in .env and in files of secrets: quotes, commas, byte order marks."""

from collections.abc import Iterator, MutableMapping
from os import environ
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.support.settings import ENOUGH, config, faults
from wishlist_service.config import load_config


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MutableMapping[str, str]]:
    """An empty environment in an empty working directory; load_config() may write into it."""
    monkeypatch.chdir(tmp_path)
    with patch.dict(environ, clear=True):
        yield environ


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("json://a/x ntfy://b", ("json://a/x", "ntfy://b")),
        ("json://a/x,ntfy://b", ("json://a/x", "ntfy://b")),
        ("json://a/x, ntfy://b,\r\ntgram://c\n", ("json://a/x", "ntfy://b", "tgram://c")),
        ("mailto://me:pass@mail/?to=a@b,c@d,json://e", ("mailto://me:pass@mail/?to=a@b,c@d", "json://e")),
        ("tgram://bot/1,2,3", ("tgram://bot/1,2,3",)),
        (",json://a,, ,ntfy://b,", ("json://a", "ntfy://b")),
        (" , ,", ()),
    ],
)
def test_addresses_of_messages_are_split_at_spaces_and_between_addresses(text: str, expected: tuple[str, ...]) -> None:
    assert config(NOTIFY_URLS=text).notify_urls == expected


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("'se$$ame${HOME}-q7x31w9'", "se$$ame${HOME}-q7x31w9"),
        ("  'back\\\\slash\\n-0123456789'  # a comment", "back\\\\slash\\n-0123456789"),
        ("'it\\'s-a-key-0123456789'", "it's-a-key-0123456789"),
        ("'#no-comment-0123456789'", "#no-comment-0123456789"),
        ('"${PORT}-0123456789abcdef"', "1234-0123456789abcdef"),
        ("${PORT}='0123456789abcdef'", "1234='0123456789abcdef'"),
    ],
)
def test_value_in_single_quotes_is_taken_as_it_is(
    environment: MutableMapping[str, str], tmp_path: Path, line: str, value: str
) -> None:
    environment["HOME"] = "/root"
    others = [f"{name}={value}" for name, value in ENOUGH.items() if name != "API_KEY"]
    (tmp_path / ".env").write_text("\n".join(["PORT=1234", f"\nexport API_KEY={line}", *others]))

    assert load_config().api_key == value


def test_byte_order_mark_is_ignored(environment: MutableMapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{ENOUGH['API_KEY']}\r\n", encoding="utf-8-sig")
    lines = [f"API_KEY_FILE={tmp_path / 'key'}", *(f"{name}={ENOUGH[name]}" for name in ENOUGH if name != "API_KEY")]
    (tmp_path / ".env").write_text("\r\n".join(lines), encoding="utf-8-sig")

    assert load_config() == config()


@pytest.mark.parametrize("content", ["", " \n"])
def test_empty_file_of_a_secret_is_a_fault_and_opens_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret"
    file.write_text(content)

    assert faults(READ_API_KEY_FILE=str(file)) == ["READ_API_KEY_FILE names an empty file"]
