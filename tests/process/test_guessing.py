"""Keys that are easy to guess, or used twice, are refused at the start; no random one ever is."""

import secrets
import uuid
from pathlib import Path

import pytest

from tests.support.settings import faults


@pytest.mark.parametrize("name", ["API_KEY", "READ_API_KEY"])
@pytest.mark.parametrize("in_file", [False, True])
def test_keys_and_passphrases_must_differ(tmp_path: Path, name: str, in_file: bool) -> None:
    key = "f3b1c6d2e8a97450"
    (tmp_path / "key").write_text(f"{key}\n")
    told = {name: "", f"{name}_FILE": str(tmp_path / "key")} if in_file else {name: key}

    said = faults(**told, TOKEN_ENCRYPTION_KEY=f"first-0123456789,{key}")

    assert [line.split(".")[0] for line in said] == [f"{name} must differ from TOKEN_ENCRYPTION_KEY"]
    assert key not in str(said)


def test_passphrases_must_differ_from_each_other() -> None:
    said = faults(TOKEN_ENCRYPTION_KEY="first-0123456789,first-0123456789")

    assert said == ["TOKEN_ENCRYPTION_KEY has the same key twice"]


@pytest.mark.parametrize("name", ["API_KEY", "READ_API_KEY"])
@pytest.mark.parametrize(
    ("key", "why"),
    [
        *((key, "fewer than 6 different") for key in ("x" * 16, "0" * 64, "abcdeabcdeabcdeedcba", "aAaAbBbBcCcCdDdD")),
        *((key, "repeats a short") for key in ("abcdefabcdefabcdef", "1234567890123456", "Secret1secret1Secret1")),
        *(
            (key, "repeats a short")
            for key in ("abc-def-abc-def-abc", "my-fun-key-my-fun-key-my", "0123456789abcdef" * 2)
        ),
        *((key, "the word password") for key in ("password12345678", "my-password-2026!", "Passw0rd-passw0rd-1")),
        *((key, "the word password") for key in ("thisismypassword", "P@ssword_for_plex_1", "xx-PASSWORD-xx-2026")),
        *((key, "placeholder") for key in ("change-me-please-1", "your-api-key-here", "<replace_this_key>")),
        *((key, "placeholder") for key in ("my-secret-api-key!", "YOUR_SECRET_KEY_1", "placeholder-key-1")),
    ],
)
def test_key_that_is_easy_to_guess_is_refused(name: str, key: str, why: str) -> None:
    [said] = faults(**{name: key})

    assert said.startswith(f"{name} is easy to guess: it ")
    assert why in said
    assert said.endswith("Make one with: openssl rand -hex 32")
    assert key not in said


def test_random_key_is_never_refused() -> None:
    for _ in range(2000):
        assert faults(API_KEY=secrets.token_hex(16)) == faults(API_KEY=str(uuid.uuid4())) == []


@pytest.mark.parametrize(
    "key",
    [
        *("correct horse battery staple", "correct-horse-battery-staple", "correcthorsebatterystaple"),
        *("password tulip anvil orbit", "change-metal-orbit-anvil", "example.river.stone.moon", "set-item-your-tulip"),
        *("my-apple-yourself-river", "edit-thistle-tulip-orbit"),
    ],
)
def test_four_random_words_are_a_key(key: str) -> None:
    assert faults(API_KEY=key) == []
