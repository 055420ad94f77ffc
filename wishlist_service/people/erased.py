"""The accounts of people who were erased: remembered as keyed hashes, so that no import brings them back unasked.

The key is made at random once and stored encrypted, so it stays the same when TOKEN_ENCRYPTION_KEY is rotated.
"""

import hashlib
import hmac
import logging
import secrets

from psycopg import Connection

from wishlist_service.errors import TokenUnreadable
from wishlist_service.queries import imports
from wishlist_service.tokens import ERASED_KEY, THE_ONE_ROW, TokenCipher

logger = logging.getLogger(__name__)


def remember(conn: Connection, cipher: TokenCipher, *, uuid: str) -> None:
    """Remember the account, in a transaction of the caller's."""
    stored = imports.get_erased_key(conn)
    if stored is None:
        key = secrets.token_hex(32)
        imports.set_erased_key(conn, erased_key=cipher.encrypt(key, owner=THE_ONE_ROW, column=ERASED_KEY))
    else:
        try:
            key = cipher.decrypt(stored, owner=THE_ONE_ROW, column=ERASED_KEY)
        except TokenUnreadable:  # erasing must work all the same
            logger.error("erased account not remembered, since TOKEN_ENCRYPTION_KEY is not the one of its key")
            return
    imports.add_erased_account(conn, account_hash=_hash(key, uuid))


def is_remembered(conn: Connection, cipher: TokenCipher, *, uuid: str) -> bool:
    """Return whether the person with this account was erased. True, too, if that cannot be told."""
    hashes = imports.list_erased_accounts(conn)
    stored = imports.get_erased_key(conn)
    if not hashes or stored is None:
        return False
    try:
        return _hash(cipher.decrypt(stored, owner=THE_ONE_ROW, column=ERASED_KEY), uuid) in hashes
    except TokenUnreadable:
        return True


def forget(conn: Connection, cipher: TokenCipher, *, uuid: str) -> None:
    """Forget the account, since its person is here again."""
    stored = imports.get_erased_key(conn)
    if stored is None:
        return
    try:
        key = cipher.decrypt(stored, owner=THE_ONE_ROW, column=ERASED_KEY)
    except TokenUnreadable:
        return
    imports.remove_erased_account(conn, account_hash=_hash(key, uuid))


def _hash(key: str, uuid: str) -> str:
    return hmac.new(bytes.fromhex(key), uuid.encode(), hashlib.sha256).hexdigest()
