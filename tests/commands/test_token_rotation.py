"""Stored tokens: each bound to its owner, encrypted anew with another key, unreadable ones told and kept."""

from dataclasses import replace

import pytest

from tests.support.fake_plex import row
from tests.support.household import PASSPHRASE, Household
from tests.support.processes import environment, free_port, gunicorn, program
from wishlist_service.errors import TokenUnreadable
from wishlist_service.tokens import TokenCipher

NEW = "the-new-passphrase-0123456789"
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


def test_token_stored_before_owners_were_told_is_bound_by_a_rotation(household: Household) -> None:
    household.add("Ann", [ALPHA])
    unbound = household.cipher._fernet.encrypt(b"token-of-ann-0123456789").decode()  # pyright: ignore[reportPrivateUsage]
    household.conn.execute("UPDATE plex_users SET plex_token = %s", [unbound])
    assert household.cipher.decrypt(unbound, owner=99) == "token-of-ann-0123456789"

    rotate(household, PASSPHRASE)

    with pytest.raises(TokenUnreadable):
        household.cipher.decrypt(household.user("Ann")["plex_token"], owner=99)


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
        assert 'names="Ann" reason="The stored token cannot be decrypted: TOKEN_ENCRYPTION_KEY' in told[0]
        assert "Traceback" not in output
    assert household.titles("Ann") == ["Alpha"]
    household.config = replace(household.config)
    assert household.sync().status == "succeeded"


def test_rotation_without_a_database_or_tables_says_what_to_do() -> None:
    env = environment("postgresql://nobody@127.0.0.1:9/none")

    with program("-m", "wishlist_service.tokens", "rotate", env=env) as command:
        assert command.exit_status() == 1

    assert command.output.startswith("The database cannot be reached: ")
    assert "Traceback" not in command.output
