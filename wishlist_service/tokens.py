"""Plex tokens at rest: encrypted, findable without decrypting, shown only masked.

python -m wishlist_service.tokens rotate: encrypts all of them anew with the first key.
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
from psycopg import Connection, OperationalError
from psycopg.errors import UndefinedTable, UniqueViolation

from wishlist_service import db
from wishlist_service.config import load_config
from wishlist_service.errors import TokenUnreadable
from wishlist_service.models import PlexAccount, SealedToken
from wishlist_service.queries import users

logger = logging.getLogger(__name__)


class TokenCipher:
    """Encrypts with the first passphrase, decrypts with any of them.

    Each passphrase costs one scrypt (about 50 ms, 16 MB) when the first token is looked at, or derive_keys() called.
    """

    def __init__(self, passphrases: Sequence[str]) -> None:
        self._passphrases = passphrases

    @cached_property
    def _keys(self) -> list[bytes]:
        return [_derive(passphrase) for passphrase in self._passphrases]

    def derive_keys(self) -> None:
        """Have the keys ready for the first token."""
        _ = self._keys

    @cached_property
    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(base64.urlsafe_b64encode(key[:32])) for key in self._keys])

    def encrypt(self, token: str, *, owner: int) -> str:
        """The ciphertext to store in the row of the person with the id `owner`, and of no other use."""
        return self._fernet.encrypt(f"{owner} {token}".encode()).decode()

    def decrypt(self, ciphertext: str, *, owner: int) -> str:
        """The token. Raises TokenUnreadable when no passphrase fits, or when it was stored for somebody else."""
        try:
            stored = self._fernet.decrypt(ciphertext).decode()
        except (InvalidToken, ValueError) as error:  # ValueError: not even ASCII
            raise TokenUnreadable(
                "The stored token cannot be decrypted: TOKEN_ENCRYPTION_KEY is not the one it was saved with. "
                "Put the earlier key back, if need be after the new one and a comma; nothing is lost."
            ) from error
        stored_for, space, token = stored.partition(" ")
        if not space:  # from before owners were told; a token holds no space
            return stored
        if stored_for != str(owner):
            raise TokenUnreadable(
                "The stored token was saved for another person: somebody has moved it in the database. "
                "It is not used; save this person's token again."
            )
        return token

    def seal(self, token: str, *, owner: int, account: PlexAccount | None) -> SealedToken:
        """What is stored of the token of the person with the id `owner`."""
        return SealedToken(
            plex_token=self.encrypt(token, owner=owner),
            token_fingerprint=self.fingerprints(token)[0],
            token_masked=mask(token),
            uuid=account.uuid if account else None,
            username=account.username if account else None,
        )

    def fingerprints(self, token: str) -> list[str]:
        """The keyed hash of a token under each passphrase, the first one's first."""
        return [hmac.new(key[32:], token.encode(), hashlib.sha256).hexdigest() for key in self._keys]


def mask(token: str) -> str:
    """What may be shown of a token: its last 4 characters, none of a short one."""
    return f"****{token[-4:]}" if len(token) >= 16 else "****"


def _derive(passphrase: str) -> bytes:
    # The salt is the same everywhere so that the key needs nothing but the passphrase:
    # a restored database and the old passphrase are enough to read the tokens again.
    salt = b"plex-wishlist-service token encryption"
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**14, r=8, p=1, dklen=64)


def rotate(conn: Connection, cipher: TokenCipher) -> tuple[int, dict[str, str]]:
    """Encrypt every token anew with the first key, all or none.

    Returns how many, and why not by the names of those whose token cannot be read.
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
    """Say at the start of a program, in one line, whose tokens cannot be read; a database that is away is no matter."""
    try:
        _, unreadable = decrypt_all(db.ask(database_url, users.list_tokens), cipher)
    except (OperationalError, UndefinedTable):
        return
    if unreadable:
        logger.error(
            'tokens cannot be read names="%s" reason="%s"', ", ".join(unreadable), next(iter(unreadable.values()))
        )


def decrypt_all(stored: list[tuple[int, str, str]], cipher: TokenCipher) -> tuple[dict[int, str], dict[str, str]]:
    """Of rows (id, name, ciphertext): the tokens by id, and by name why a token cannot be read."""
    readable: dict[int, str] = {}
    unreadable: dict[str, str] = {}
    for user_id, name, ciphertext in stored:
        try:
            readable[user_id] = cipher.decrypt(ciphertext, owner=user_id)
        except TokenUnreadable as error:
            unreadable[name] = str(error)
    return readable, unreadable


def main() -> None:
    """Rotate; exit status 1 if a token could not be read."""
    parser = argparse.ArgumentParser(prog="python -m wishlist_service.tokens", description=__doc__)
    parser.add_argument(
        "action", choices=["rotate"], help="encrypt every token anew with the first TOKEN_ENCRYPTION_KEY"
    )
    parser.parse_args()
    config = load_config()
    try:
        with db.connect(config.database_url, role="tokens") as conn:
            rotated, unreadable = rotate(conn, TokenCipher(config.token_encryption_keys))
    except UndefinedTable:
        sys.exit("The database has no tables yet. Run: python -m wishlist_service.migrate")
    except UniqueViolation:
        sys.exit("Nothing was changed: two people have the same token, saved under two keys. Remove one of them first.")
    except OperationalError as error:
        sys.exit(f"The database is away: {str(error).strip()}")
    print(f"{rotated} tokens are now encrypted with the first key of TOKEN_ENCRYPTION_KEY.")
    for name, reason in unreadable.items():
        print(f"{name}: {reason}")
    if unreadable:
        sys.exit(
            "What could not be read stays as it was. Keep the other keys until it is mended and this was run again."
        )
    print("The other keys can be taken out of TOKEN_ENCRYPTION_KEY now.")


if __name__ == "__main__":
    main()
