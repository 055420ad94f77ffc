"""Plex tokens: stored encrypted, found by fingerprint, shown masked.

python -m wishlist_service.tokens rotate: encrypt all tokens with the first key.
"""

import argparse
import base64
import hashlib
import hmac
import logging
import sys
from collections.abc import Sequence
from functools import cached_property

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from psycopg import Connection
from psycopg.errors import UndefinedTable, UniqueViolation

from wishlist_service import db
from wishlist_service.config import DATABASE_SETTINGS, load_config
from wishlist_service.errors import TokenUnreadable
from wishlist_service.models import PlexAccount, SealedToken
from wishlist_service.queries import users

logger = logging.getLogger(__name__)


class TokenCipher:
    """Encrypts with the first passphrase, decrypts with any.

    The first use, or derive_keys(), runs one scrypt for each passphrase (about 50 ms, 16 MB).
    """

    def __init__(self, passphrases: Sequence[str]) -> None:
        self._passphrases = passphrases

    @cached_property
    def _keys(self) -> list[bytes]:
        return [_derive(passphrase) for passphrase in self._passphrases]

    def derive_keys(self) -> None:
        """Derive the keys now, so that the first token is not slow."""
        _ = self._keys

    @cached_property
    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key[:32])) for key in self._keys])

    def encrypt(self, token: str, *, owner: int) -> str:
        """Return the ciphertext to store for the user with the id `owner`. It is invalid for other users."""
        return self._fernet.encrypt(f"{owner} {token}".encode()).decode()

    def decrypt(self, ciphertext: str, *, owner: int) -> str:
        """Return the token. Raises TokenUnreadable if no passphrase fits, or if it was stored for another user."""
        try:
            stored = self._fernet.decrypt(ciphertext).decode()
        except (InvalidToken, ValueError) as error:  # ValueError: not ASCII
            raise TokenUnreadable(
                "The stored token cannot be decrypted: TOKEN_ENCRYPTION_KEY is not the one it was saved with. "
                "Put the earlier key back, or add it after the new one and a comma. Nothing is lost."
            ) from error
        stored_for, space, token = stored.partition(" ")
        if not space:  # stored before ciphertexts named the user; a token has no space
            return stored
        if stored_for != str(owner):
            raise TokenUnreadable(
                "The stored token was saved for another person, so it was moved in the database. "
                "It is not used; save this person's token again."
            )
        return token

    def seal(self, token: str, *, owner: int, account: PlexAccount | None) -> SealedToken:
        """Return what to store for the token of the user with the id `owner`."""
        return SealedToken(
            plex_token=self.encrypt(token, owner=owner),
            token_fingerprint=self.fingerprints(token)[0],
            token_masked=mask(token),
            uuid=account.uuid if account else None,
            username=account.username if account else None,
        )

    def fingerprints(self, token: str) -> list[str]:
        """Return the keyed hash of a token for each passphrase, in their order."""
        return [hmac.new(key[32:], token.encode(), hashlib.sha256).hexdigest() for key in self._keys]


def mask(token: str) -> str:
    """Return the token as it may be shown: its last 4 characters, none if it is short."""
    return f"****{token[-4:]}" if len(token) >= 16 else "****"


def _derive(passphrase: str) -> bytes:
    # With a fixed salt, a restored database and the passphrase are enough to read the tokens.
    salt = b"plex-wishlist-service token encryption"
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**14, r=8, p=1, dklen=64)


def rotate(conn: Connection, cipher: TokenCipher) -> tuple[int, dict[str, str]]:
    """Encrypt every token with the first key, in one transaction.

    Returns how many, and for each person whose token cannot be read, the reason by name.
    """
    with conn.transaction():
        readable, unreadable = decrypt_all(users.lock_tokens(conn), cipher)
        for user_id, token in readable.items():
            users.replace_ciphertext(
                conn,
                user_id=user_id,
                plex_token=cipher.encrypt(token, owner=user_id),
                token_fingerprint=cipher.fingerprints(token)[0],
            )
    return len(readable), unreadable


def warn_of_unreadable(database_url: str, cipher: TokenCipher) -> None:
    """Log in one line whose tokens cannot be read. Does nothing if the database cannot be reached."""
    try:
        _, unreadable = decrypt_all(db.ask(database_url, users.list_tokens), cipher)
    except db.EXPECTED:
        return
    if unreadable:
        logger.error("tokens cannot be read names=%r reason=%r", ", ".join(unreadable), next(iter(unreadable.values())))


def decrypt_all(stored: list[tuple[int, str, str]], cipher: TokenCipher) -> tuple[dict[int, str], dict[str, str]]:
    """Decrypt rows (id, name, ciphertext): return the tokens by id, and by name why a token cannot be read."""
    readable: dict[int, str] = {}
    unreadable: dict[str, str] = {}
    for user_id, name, ciphertext in stored:
        try:
            readable[user_id] = cipher.decrypt(ciphertext, owner=user_id)
        except TokenUnreadable as error:
            unreadable[name] = str(error)
    return readable, unreadable


def refuse_new_key(database_url: str) -> None:
    """End the program with a sentence if the database holds tokens, which a new key could not read."""
    try:
        people = db.ask(database_url, users.count_users, active=None)
    except UndefinedTable:
        return
    if people:
        sys.exit(
            f"The TOKEN_ENCRYPTION_KEY is gone, but the database holds the tokens of {people} people, encrypted with "
            "it. No other key is made. Put the old key back: into .env, or into /keys/token_encryption_key in a "
            "container. If it is lost, put TOKEN_ENCRYPTION_KEY= with a new one into .env (openssl rand -hex 24), and "
            "let everybody sign in again by link."
        )


def main() -> None:
    """Rotate, with exit status 1 if a token could not be read; or check."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.tokens", description=__doc__)
    parser.add_argument(
        "action",
        choices=["rotate", "check"],
        help="rotate: encrypt every token with the first TOKEN_ENCRYPTION_KEY; "
        "check: exit status 1 if there are tokens, for which no new key must be made",
    )
    if parser.parse_args().action == "check":
        refuse_new_key(load_config(uses=DATABASE_SETTINGS).database_url)
        return
    config = load_config()
    with db.exit_on_error(), db.connect(config.database_url, role="tokens") as conn:
        try:
            rotated, unreadable = rotate(conn, TokenCipher(config.token_encryption_keys))
        except UniqueViolation:
            sys.exit(
                "Nothing was changed: two people have the same token, saved with two keys. Remove one of them first."
            )
    print(f"{rotated} tokens are now encrypted with the first key of TOKEN_ENCRYPTION_KEY.")
    for name, reason in unreadable.items():
        print(f"{name}: {reason}")
    if unreadable:
        sys.exit("These tokens were not changed. Keep the other keys until you fixed this and ran the command again.")
    print("You can now remove the other keys from TOKEN_ENCRYPTION_KEY.")


if __name__ == "__main__":
    with db.exit_on_error():
        main()
