"""Secrets: stored encrypted, each with a key for its column alone. Tokens are found by fingerprint and shown masked.

python -m wishlist_service.tokens rotate: encrypt all secrets with the first key.
"""

import argparse
import hashlib
import hmac
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Final, Literal

from nacl.encoding import URLSafeBase64Encoder
from nacl.exceptions import CryptoError
from nacl.secret import Aead
from psycopg import Connection
from psycopg.errors import UndefinedTable, UniqueViolation

from wishlist_service import db
from wishlist_service.config import DATABASE_SETTINGS, load_config
from wishlist_service.errors import TokenUnreadable
from wishlist_service.models import PlexAccount, SealedToken
from wishlist_service.queries import addresses, imports, sign_ins, users

logger = logging.getLogger(__name__)

Encrypted = Literal[
    "plex_users.plex_token",
    "plex_users.plex_pin",
    "plex_links.client_identifier",
    "sync_state.erased_key",
    "news_addresses.address",
]
Fingerprinted = Literal["plex_users.token_fingerprint", "news_addresses.fingerprint"]
CLIENT_IDENTIFIER: Final = "plex_links.client_identifier"
PIN: Final = "plex_users.plex_pin"
ADDRESS: Final = "news_addresses.address"
ERASED_KEY: Final = "sync_state.erased_key"
THE_ONE_ROW: Final = 1
"""Stands for the id of the row of sync_state."""


class TokenCipher:
    """Encrypts with the first passphrase, decrypts with any.

    Each column has keys of its own, so a value that was moved to another column is refused. The value holds the id of
    its row, so it is refused in another row, too. The first use, or derive_keys(), runs one scrypt for each passphrase
    (about 50 ms, 16 MB).
    """

    def __init__(self, passphrases: Sequence[str]) -> None:
        self._passphrases = passphrases

    @cached_property
    def _keys(self) -> list[bytes]:
        return [_derive(passphrase) for passphrase in self._passphrases]

    def derive_keys(self) -> None:
        """Derive the keys now, so that the first token is not slow."""
        _ = self._keys

    def encrypt(self, secret: str, *, owner: int, column: Encrypted = "plex_users.plex_token") -> str:
        """Return the ciphertext to store in this column of the row with the id `owner`. It is invalid elsewhere."""
        box = self._boxes(column)[0]
        return box.encrypt(f"{owner} {secret}".encode(), encoder=URLSafeBase64Encoder).decode()

    def decrypt(self, ciphertext: str, *, owner: int, column: Encrypted = "plex_users.plex_token") -> str:
        """Return the secret. Raises TokenUnreadable if no passphrase fits, or if it was stored in another place."""
        for box in self._boxes(column):
            # ValueError: no base64, or too short
            with suppress(CryptoError, ValueError):
                stored = box.decrypt(ciphertext.encode(), encoder=URLSafeBase64Encoder).decode()
                break
        else:
            raise TokenUnreadable(
                "The stored token cannot be decrypted: TOKEN_ENCRYPTION_KEY is not the one it was saved with. "
                "Put the earlier key back, or add it after the new one and a comma. Nothing is lost."
            )
        stored_for, _, secret = stored.partition(" ")
        if stored_for != str(owner):
            raise TokenUnreadable(
                "The stored token was saved for another person, so it was moved in the database. "
                "It is not used; save this person's token again."
            )
        return secret

    def seal(self, token: str, *, owner: int, account: PlexAccount | None) -> SealedToken:
        """Return what to store for the token of the user with the id `owner`."""
        return SealedToken(
            plex_token=self.encrypt(token, owner=owner),
            token_fingerprint=self.fingerprints(token)[0],
            token_masked=mask(token),
            uuid=account.uuid if account else None,
            username=account.username if account else None,
        )

    def fingerprints(self, secret: str, *, column: Fingerprinted = "plex_users.token_fingerprint") -> list[str]:
        """Return the keyed hash of a secret for each passphrase, in their order. It differs by column."""
        keys = [_subkey(key, f"fingerprint {column}") for key in self._keys]
        return [hmac.new(key, secret.encode(), hashlib.sha256).hexdigest() for key in keys]

    def _boxes(self, column: Encrypted) -> list[Aead]:
        return [Aead(_subkey(key, f"encrypt {column}")) for key in self._keys]


def hash_of(random_secret: str) -> str:
    """Return the SHA-256 of what was drawn at random, in hex digits. It is stored to know that secret again."""
    return hashlib.sha256(random_secret.encode(errors="replace")).hexdigest()


def mask(token: str) -> str:
    """Return the token as it may be shown: its last 4 characters, none if it is short."""
    return f"****{token[-4:]}" if len(token) >= 16 else "****"


def _derive(passphrase: str) -> bytes:
    # With a fixed salt, a restored database and the passphrase are enough to read the tokens.
    salt = b"plex-wishlist-service token encryption"
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**14, r=8, p=1, dklen=64)


def _subkey(key: bytes, purpose: str) -> bytes:
    # HKDF-Expand (RFC 5869) for one block; the key is random already, so nothing is extracted
    return hmac.digest(key, purpose.encode() + b"\x01", "sha256")


def rotate(conn: Connection, cipher: TokenCipher) -> tuple[int, dict[str, str]]:
    """Encrypt every secret with the first key, in one transaction.

    Returns how many tokens, and for each person whose token or PIN cannot be read, the reason by name. A sign-in that
    cannot be read stays as it is, because it ends within half an hour.
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
        pins, unreadable_pins = decrypt_all(imports.lock_pins(conn), cipher, column=PIN)
        for user_id, pin in pins.items():
            imports.replace_pin(conn, user_id=user_id, plex_pin=cipher.encrypt(pin, owner=user_id, column=PIN))
        if erased_key := imports.get_erased_key(conn):
            try:
                key = cipher.decrypt(erased_key, owner=THE_ONE_ROW, column=ERASED_KEY)
                imports.set_erased_key(conn, erased_key=cipher.encrypt(key, owner=THE_ONE_ROW, column=ERASED_KEY))
            except TokenUnreadable as error:
                unreadable_pins["The memory of erased people"] = str(error)
        for address_id, user_id, name, stored in addresses.lock_addresses(conn):
            try:
                address = cipher.decrypt(stored, owner=user_id, column=ADDRESS)
            except TokenUnreadable as error:
                unreadable_pins[f"An address of {name}"] = str(error)
                continue
            addresses.replace_ciphertext(
                conn,
                address_id=address_id,
                address=cipher.encrypt(address, owner=user_id, column=ADDRESS),
                fingerprint=cipher.fingerprints(address, column="news_addresses.fingerprint")[0],
            )
        for link_id, stored in sign_ins.lock_client_identifiers(conn):
            with suppress(TokenUnreadable):
                identifier = cipher.decrypt(stored, owner=link_id, column=CLIENT_IDENTIFIER)
                ciphertext = cipher.encrypt(identifier, owner=link_id, column=CLIENT_IDENTIFIER)
                sign_ins.replace_client_identifier(conn, link_id=link_id, client_identifier=ciphertext)
    return len(readable), unreadable_pins | unreadable


def warn_of_unreadable(database_url: str, cipher: TokenCipher) -> None:
    """Log in one line whose tokens cannot be read. Does nothing if the database cannot be reached."""
    try:
        _, unreadable = decrypt_all(db.ask(database_url, users.list_tokens), cipher)
    except db.EXPECTED:
        return
    if unreadable:
        logger.error("tokens cannot be read names=%r reason=%r", ", ".join(unreadable), next(iter(unreadable.values())))


def decrypt_all(
    stored: list[tuple[int, str, str]], cipher: TokenCipher, *, column: Encrypted = "plex_users.plex_token"
) -> tuple[dict[int, str], dict[str, str]]:
    """Decrypt rows (id, name, ciphertext): return the secrets by id, and by name why one cannot be read."""
    readable: dict[int, str] = {}
    unreadable: dict[str, str] = {}
    for user_id, name, ciphertext in stored:
        try:
            readable[user_id] = cipher.decrypt(ciphertext, owner=user_id, column=column)
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
        help="rotate: encrypt every secret with the first TOKEN_ENCRYPTION_KEY; "
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
