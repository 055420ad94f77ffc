"""Plex tokens at rest: encrypted, findable without decrypting, shown only masked."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from wishlist_service.errors import TokenUnreadable


class TokenCipher:
    """Encrypts with the first passphrase, decrypts with any of them.

    Each passphrase costs one scrypt (about 50 ms, 16 MB) when the cipher is made.
    """

    def __init__(self, passphrases: Sequence[str]) -> None:
        keys = [_derive(passphrase) for passphrase in passphrases]
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key[:32])) for key in keys])
        self._fingerprint_keys = [key[32:] for key in keys]

    def encrypt(self, token: str) -> str:
        """The ciphertext to store."""
        return self._fernet.encrypt(token.encode()).decode()

    def decrypt(self, ciphertext: str) -> str:
        """The token. Raises TokenUnreadable when no passphrase fits."""
        try:
            return self._fernet.decrypt(ciphertext).decode()
        except (InvalidToken, ValueError) as error:  # ValueError: not even ASCII
            raise TokenUnreadable(
                "The stored token cannot be decrypted: TOKEN_ENCRYPTION_KEY is not the one it was saved with. "
                "Put the earlier key back, if need be after the new one and a comma; nothing is lost."
            ) from error

    def fingerprints(self, token: str) -> list[str]:
        """The keyed hash of a token under each passphrase, the first one's first."""
        return [hmac.new(key, token.encode(), hashlib.sha256).hexdigest() for key in self._fingerprint_keys]


def mask(token: str) -> str:
    """What may be shown of a token: its last 4 characters, none of a short one."""
    return f"****{token[-4:]}" if len(token) >= 16 else "****"


def _derive(passphrase: str) -> bytes:
    # The salt is the same everywhere so that the key needs nothing but the passphrase:
    # a restored database and the old passphrase are enough to read the tokens again.
    salt = b"plex-wishlist-service token encryption"
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=2**14, r=8, p=1, dklen=64)
