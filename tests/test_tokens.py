"""Plex tokens at rest: readable with the passphrase alone, bound to their owner, encrypted anew, shown to nobody."""

import traceback
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_plex import row
from tests.support.household import PASSPHRASE, Household, token_of
from tests.support.processes import environment, free_port, gunicorn, program
from tests.support.sign_ins import add_pending_and_failed
from wishlist_service.errors import SyncError, TokenUnreadable
from wishlist_service.models import SyncUser
from wishlist_service.tokens import CLIENT_IDENTIFIER, TokenCipher, mask

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
    stored = "ZQcW9fkg1p7KdCbYAEUxwFhON8ELMPQ0usU2QTnXQ9TZOEVEkhMvx-tYXHgMl5M8Fjj4tk7KTbGmuVtXFT-8"

    assert old.decrypt(stored, owner=7) == TOKEN
    assert old.fingerprints(TOKEN) == ["0037a4bd726b163f81034b166487672ef325ce3ea84ec93afdf9af41fa9330ac"]


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
    assert isinstance(caught.value, SyncError)
    assert caught.value.state == "token_unreadable"


@pytest.mark.parametrize("stored", ["", "x", "AAAA", "not base64 at all", "ü" * 40, "A" * 120])
def test_damaged_stored_text_is_unreadable(cipher: TokenCipher, stored: str) -> None:
    with pytest.raises(TokenUnreadable):
        cipher.decrypt(stored, owner=7)


@pytest.mark.parametrize("position", [0, 20, 60, 80])
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
@given(token=st.text(st.characters(codec="utf-8")).map(lambda token: token.replace("*", "")))
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
        source="home",
        plex_token=stored,
        plex_pin=stored,
        via_id=2,
        via_source="own",
        via_name="Ben",
        via_token=stored,
        via_gap=None,
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
        account_read_at=datetime(2024, 1, 1, tzinfo=UTC),
        miscount=None,
        odd_rows_since=None,
        missed=[],
        failures=0,
    )

    with pytest.raises(TokenUnreadable) as caught:
        new.decrypt(stored, owner=7)

    printed = "\n".join([repr(user), repr(old), repr(new), *traceback.format_exception(caught.value)])
    assert "Ann" in printed
    assert all(secret not in printed for secret in (TOKEN, stored, OLD, NEW))


ALPHA = row("1", "Alpha")


def rotate(household: Household, keys: str) -> tuple[int, str]:
    env = environment(household.config.database_url, TOKEN_ENCRYPTION_KEY=keys)
    with program("-m", "wishlist_service.tokens", "rotate", env=env) as command:
        return command.exit_status(), command.output


def test_token_is_read_for_its_owner_alone(cipher: TokenCipher) -> None:
    stored = cipher.encrypt("token-0123456789", owner=7)

    with pytest.raises(TokenUnreadable, match="saved for another person"):
        cipher.decrypt(stored, owner=8)
    with pytest.raises(TokenUnreadable, match="saved for another person"):
        cipher.decrypt(stored, owner=77)


def test_swapped_rows_are_noticed_and_neither_list_is_touched(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.add("Ben", [row("2", "Beta")])
    household.sync()
    household.conn.execute(
        """
        UPDATE plex_users SET token_fingerprint = id::text;
        UPDATE plex_users AS person
           SET plex_token = other.plex_token, token_fingerprint = other.token_fingerprint || 'x'
          FROM plex_users AS other
         WHERE other.id <> person.id
        """
    )

    household.sync()

    states = {name: household.user(name) for name in ("Ann", "Ben")}
    assert {user["sync_state"] for user in states.values()} == {"token_unreadable"}
    assert states["Ann"]["sync_detail"].startswith("The stored token was saved for another person")
    assert (household.titles("Ann"), household.titles("Ben")) == (["Alpha"], ["Beta"])


def test_rotated_tokens_need_the_first_key_alone(household: Household) -> None:
    household.add("Ann", [ALPHA])
    before = household.user("Ann")

    exit_status, output = rotate(household, f"{NEW},{PASSPHRASE}")

    household.cipher = TokenCipher([NEW])
    after = household.user("Ann")
    assert (exit_status, output.splitlines()[0]) == (
        0,
        "1 tokens are now encrypted with the first key of TOKEN_ENCRYPTION_KEY.",
    )
    assert after["token_fingerprint"] == household.cipher.fingerprints("token-of-ann-0123456789")[0]
    assert after["plex_token"] != before["plex_token"]
    assert household.sync().status == "succeeded"
    assert {name for name in after if after[name] != before[name]} == {"plex_token", "token_fingerprint"}


@pytest.mark.slow
def test_token_that_cannot_be_read_stays_as_it_was_and_is_named(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.cipher = TokenCipher(["a-third-passphrase-0123456789"])
    household.add("Ben")
    before = household.user("Ben")

    exit_status, output = rotate(household, f"{NEW},{PASSPHRASE}")

    assert exit_status == 1
    assert "Ben: The stored token cannot be decrypted" in output
    assert "Traceback" not in output
    assert household.user("Ben") == before
    assert TokenCipher([NEW]).decrypt(household.user("Ann")["plex_token"], owner=1) == "token-of-ann-0123456789"


@pytest.mark.slow
def test_rotation_carries_the_sign_ins_that_are_pending(household: Household) -> None:
    add_pending_and_failed(household)

    rotate(household, f"{NEW},{PASSPHRASE}")

    rotated = TokenCipher([NEW])
    stored = household.conn.execute("SELECT id, client_identifier FROM plex_links ORDER BY id").fetchall()
    assert [
        rotated.decrypt(link["client_identifier"], owner=link["id"], column=CLIENT_IDENTIFIER) for link in stored
    ] == ["client", "client"]


def test_secret_is_read_in_its_own_column_alone(cipher: TokenCipher) -> None:
    token = cipher.encrypt(TOKEN, owner=7)
    identifier = cipher.encrypt("a-client", owner=7, column=CLIENT_IDENTIFIER)

    with pytest.raises(TokenUnreadable):
        cipher.decrypt(token, owner=7, column=CLIENT_IDENTIFIER)
    with pytest.raises(TokenUnreadable):
        cipher.decrypt(identifier, owner=7)
    assert cipher.decrypt(identifier, owner=7, column=CLIENT_IDENTIFIER) == "a-client"


def test_fingerprint_of_a_token_says_nothing_about_an_address(cipher: TokenCipher) -> None:
    assert cipher.fingerprints(TOKEN) != cipher.fingerprints(TOKEN, column="news_addresses.fingerprint")


def test_token_moved_into_a_sign_in_is_not_shown_in_its_address(household: Household, api: FlaskClient) -> None:
    household.add("Ann", [ALPHA])
    add_pending_and_failed(household)
    household.conn.execute("UPDATE plex_links SET client_identifier = (SELECT plex_token FROM plex_users)")

    reply = api.get("/api/users/link/1")

    assert reply.status_code == 409
    assert token_of("Ann") not in reply.text


@pytest.mark.slow
def test_wrong_key_is_told_in_one_line_at_the_start_and_nothing_is_lost(household: Household) -> None:
    household.add("Ann", [ALPHA])
    household.sync()
    env = environment(
        household.config.database_url, household.plex.url, TOKEN_ENCRYPTION_KEY=NEW, PORT=str(free_port())
    )

    with gunicorn(env) as (api, _address):
        api.wait_for("tokens cannot be read")
        api.end()
    with program("-m", "wishlist_service.scheduler", env=env) as scheduler:
        scheduler.wait_for("tokens cannot be read")
        scheduler.end()

    for output in (api.output, scheduler.output):
        told = [line for line in output.splitlines() if "tokens cannot be read" in line]
        assert len(told) == 1
        assert "names='Ann' reason='The stored token cannot be decrypted: TOKEN_ENCRYPTION_KEY" in told[0]
        assert "Traceback" not in output
    assert household.titles("Ann") == ["Alpha"]
    household.config = replace(household.config)
    assert household.sync().status == "succeeded"


@pytest.mark.slow
def test_rotation_without_a_database_or_tables_says_what_to_do() -> None:
    env = environment("postgresql://nobody@127.0.0.1:9/none")

    with program("-m", "wishlist_service.tokens", "rotate", env=env) as command:
        assert command.exit_status() == 1

    assert command.output.startswith("The database cannot be reached: ")
    assert "Traceback" not in command.output
