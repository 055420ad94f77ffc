"""Plex tokens at rest: readable with the passphrase alone, found without reading, shown to nobody."""

import traceback
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wishlist_service.errors import SyncFailure, TokenUnreadable
from wishlist_service.models import SyncUser
from wishlist_service.tokens import TokenCipher, mask

TOKEN = "xyz-Secret-Token-9876"
OLD = "the-old-passphrase-0123456789"
NEW = "the-new-passphrase-0123456789"


@pytest.fixture(scope="module")
def old() -> TokenCipher:
    return TokenCipher([OLD])


@pytest.fixture(scope="module")
def new() -> TokenCipher:
    return TokenCipher([NEW])


@pytest.fixture(scope="module")
def both() -> TokenCipher:
    """As after a change of passphrase: the new one first, the old one kept."""
    return TokenCipher([NEW, OLD])


@settings(deadline=None)
@given(token=st.text(st.characters(codec="utf-8"), max_size=2000))
def test_any_token_comes_back_as_it_was(cipher: TokenCipher, token: str) -> None:
    assert cipher.decrypt(cipher.encrypt(token, owner=7), owner=7) == token


def test_passphrase_alone_is_enough_to_read_a_token_again(old: TokenCipher) -> None:
    stored = old.encrypt(TOKEN, owner=7)

    assert TokenCipher([OLD]).decrypt(stored, owner=7) == TOKEN


def test_token_stored_by_an_earlier_version_is_still_read_and_found(old: TokenCipher) -> None:
    stored = (
        "gAAAAABrBeaKje96j6piFOFwlcpaxQ_ILGwtD_kKdHbbDmN_gvqGosZoTRZ2"
        "nSJeZ9ssnm8lqqEZcnPqYjsQlIgkq2oiRcx6JqK7OnVHERhNu1bO9Ywh_7c="
    )

    assert old.decrypt(stored, owner=7) == TOKEN
    assert old.fingerprints(TOKEN) == ["0e9afc14b5d296a7a9b78bbfdac6d60eceac9041a60a1ba5e96d7f760bdc450d"]


def test_stored_text_holds_no_token_and_differs_each_time(cipher: TokenCipher) -> None:
    stored = [cipher.encrypt(TOKEN, owner=7) for _ in range(2)]

    assert stored[0] != stored[1]
    assert all(TOKEN[start : start + 5] not in text for text in stored for start in range(len(TOKEN) - 4))


def test_first_passphrase_encrypts_and_every_one_decrypts(
    old: TokenCipher, new: TokenCipher, both: TokenCipher
) -> None:
    stored_before, stored_after = old.encrypt(TOKEN, owner=7), both.encrypt(TOKEN, owner=7)

    assert both.decrypt(stored_before, owner=7) == TOKEN
    assert both.decrypt(stored_after, owner=7) == TOKEN
    assert new.decrypt(stored_after, owner=7) == TOKEN
    with pytest.raises(TokenUnreadable):
        old.decrypt(stored_after, owner=7)


def test_wrong_passphrase_fails_with_a_sentence_that_names_the_setting(old: TokenCipher, new: TokenCipher) -> None:
    stored = old.encrypt(TOKEN, owner=7)

    with pytest.raises(TokenUnreadable) as caught:
        new.decrypt(stored, owner=7)

    assert "TOKEN_ENCRYPTION_KEY is not the one it was saved with" in str(caught.value)
    assert "Nothing is lost" in str(caught.value)
    assert isinstance(caught.value, SyncFailure)
    assert caught.value.state == "token_unreadable"


@pytest.mark.parametrize("stored", ["", "x", "gAAAAA", "not base64 at all", "A" * 120])
def test_damaged_stored_text_is_unreadable(cipher: TokenCipher, stored: str) -> None:
    with pytest.raises(TokenUnreadable):
        cipher.decrypt(stored, owner=7)


@pytest.mark.parametrize("position", [0, 20, 60, 110])
def test_stored_text_that_was_tampered_with_is_unreadable(cipher: TokenCipher, position: int) -> None:
    stored = list(cipher.encrypt(TOKEN, owner=7))
    stored[position] = "A" if stored[position] != "A" else "B"

    with pytest.raises(TokenUnreadable):
        cipher.decrypt("".join(stored), owner=7)


def test_fingerprint_is_the_same_after_every_start(new: TokenCipher) -> None:
    again = TokenCipher([NEW])

    assert new.fingerprints(TOKEN) == again.fingerprints(TOKEN)


def test_fingerprints_differ_by_passphrase_and_by_token(old: TokenCipher, new: TokenCipher) -> None:
    found = [cipher.fingerprints(token)[0] for cipher in (old, new) for token in (TOKEN, TOKEN.lower())]

    assert len(set(found)) == 4
    assert all(TOKEN not in fingerprint for fingerprint in found)


def test_there_is_a_fingerprint_for_each_passphrase_the_first_ones_first(
    old: TokenCipher, new: TokenCipher, both: TokenCipher
) -> None:
    assert both.fingerprints(TOKEN) == [*new.fingerprints(TOKEN), *old.fingerprints(TOKEN)]


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("", "****"),
        ("abcd", "****"),
        ("x" * 11 + "abcd", "****"),
        ("x" * 12 + "abcd", "****abcd"),
        ("x" * 500 + "abcd", "****abcd"),
    ],
)
def test_mask_shows_the_end_of_a_long_token_only(token: str, shown: str) -> None:
    assert mask(token) == shown


@settings(deadline=None)
@given(token=st.text(st.characters(codec="utf-8", exclude_characters="*")))
def test_mask_never_shows_more_than_four_characters_nor_how_long_a_token_is(token: str) -> None:
    shown = mask(token).removeprefix("****")

    assert len(shown) <= 4
    assert shown == "" or (len(token) >= 16 and token.endswith(shown))


def test_nothing_that_is_printed_shows_a_token(old: TokenCipher, new: TokenCipher) -> None:
    stored = old.encrypt(TOKEN, owner=7)
    user = SyncUser(
        id=1,
        name="Ann",
        active=True,
        plex_token=stored,
        plex_username="ann",
        account_checked=True,
        plex_uuid=None,
        sync_state="ok",
        sync_detail=None,
        last_attempt_at=datetime(2024, 1, 1, tzinfo=UTC),
        list_etag=None,
        list_read_at=None,
        list_size=0,
        held_removals=None,
        list_changes=0,
    )

    with pytest.raises(TokenUnreadable) as caught:
        new.decrypt(stored, owner=7)

    printed = "\n".join([repr(user), repr(old), repr(new), *traceback.format_exception(caught.value)])
    assert "Ann" in printed
    assert all(secret not in printed for secret in (TOKEN, stored, OLD, NEW))
