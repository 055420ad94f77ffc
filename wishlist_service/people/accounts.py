"""People and their tokens: checked with Plex, encrypted, stored."""

import logging
from collections.abc import Sequence

from wishlist_service import db
from wishlist_service.errors import Conflict, FieldError, Invalid, PlexError, TokenRejected
from wishlist_service.models import NewAddress, PlexAccount
from wishlist_service.people import erased
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import imports, locks, merging, records, sign_ins, sync_runs, users
from wishlist_service.queries.addresses import replace_addresses
from wishlist_service.queries.imports import Imported
from wishlist_service.tokens import TokenCipher

logger = logging.getLogger(__name__)


def add_user(
    pool: db.Pool, plex: PlexClient, cipher: TokenCipher, *, name: str, token: str, link_id: int | None = None
) -> tuple[int, bool]:
    """Add a person. Return their id, and whether they are new. If Plex cannot check the token now, the next sync does.

    Somebody who is here and was read through another person gets this token, and keeps their name.
    link_id: the sign-in that gave the token; it ends in the same transaction. Then nothing is stored until Plex names
    the account: raises PlexError if it cannot be asked now.
    Raises Invalid if Plex refuses the token, Conflict if name, token or account is taken or the sign-in had ended.
    """
    account = _check_token(pool, plex, cipher, token, must_know=link_id is not None)
    owner = db.read(pool, users.find_account_owner, uuid=account.uuid) if account else None
    if account and owner and owner[2] == "own":
        raise Conflict(f"The Plex account {account.username} already belongs to {owner[1]}.")
    with pool.connection() as conn, conn.transaction():
        user_id = owner[0] if owner else users.next_user_id(conn)
        sealed = cipher.seal(token, owner=user_id, account=account)
        if owner:
            users.update_token(conn, user_id=user_id, token=sealed)
        else:
            users.add_user(conn, user_id=user_id, name=name, token=sealed)
        if account:
            erased.forget(conn, cipher, uuid=account.uuid)
        if link_id is not None:
            sign_ins.finish_link(conn, link_id=link_id, user_id=user_id)
    logger.info("user %s user=%s checked=%s", "got a token" if owner else "added", user_id, account is not None)
    return user_id, owner is None


def change_user(
    pool: db.Pool,
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    user_id: int,
    name: str | None = None,
    token: str | None = None,
    active: bool | None = None,
    by_self: bool = False,
    admin: bool | None = None,
    moved: Imported | None = None,
    addresses: Sequence[NewAddress] | None = None,
    link_id: int | None = None,
    account: PlexAccount | None = None,
) -> None:
    """Change what is not None, all or nothing. `link_id` is that of add_user(), `moved` is of imports.prepare_move().

    by_self: whether the person does it: after a pause of their own, signing in resumes them. account: that of the
    token, if Plex was already asked.
    Raises NotFound, the errors of add_user(), and Conflict for a token of another Plex account, whose watchlist
    would replace this person's.
    """
    known_uuid, known_username = db.read(pool, users.get_account, user_id=user_id)
    must_know = link_id is not None
    if token and account is None:
        account = _check_token(pool, plex, cipher, token, except_id=user_id, must_know=must_know)
    owner = db.read(pool, users.find_account_owner, uuid=account.uuid) if account else None
    if account and owner and owner[0] != user_id:
        raise Conflict(f"The Plex account {account.username} already belongs to {owner[1]}.")
    if account and known_uuid and account.uuid != known_uuid:
        raise Conflict(
            f"This token is of the Plex account {account.username}, but this person's watchlist is read from "
            f"{known_username}. Add {account.username} as another person instead."
        )
    with pool.connection() as conn, conn.transaction():
        if active is not None:
            locks.lock_wishlist(conn)
        users.update_user(conn, user_id=user_id, name=name, active=active, by_self=by_self, admin=admin)
        if token is not None:
            users.update_token(conn, user_id=user_id, token=cipher.seal(token, owner=user_id, account=account))
        if moved is not None:
            imports.move_imported(conn, user_id=user_id, person=moved)
        if addresses is not None:
            replace_addresses(conn, user_id=user_id, addresses=addresses)
        imports.tell_via_gaps(conn)
        if active or token is not None:
            imports.make_readable_due(conn, via_id=user_id)
        if link_id is not None:
            sign_ins.finish_link(conn, link_id=link_id, user_id=user_id)
    given = {"name": name, "token": token, "active": active, "admin": admin, "via": moved}
    given |= {"notify_urls": addresses}
    changed = ",".join(field for field, value in given.items() if value is not None)
    logger.info("user changed user=%s changed=%s%s", user_id, changed, "" if active is None else f" active={active}")


def drop_token(pool: db.Pool, *, user_id: int) -> None:
    """Make a person be read through somebody else again, as before they had a token of their own.

    Raises NotFound, and Conflict if they have none, or were never read through somebody else.
    """
    with pool.connection() as conn, conn.transaction():
        users.drop_token(conn, user_id=user_id)
        imports.tell_via_gaps(conn)
    logger.info("user lost their token user=%s", user_id)


def erase_user(pool: db.Pool, cipher: TokenCipher, *, user_id: int) -> None:
    """Erase a person, their token, their wishes, and the items that only they wanted. Raises NotFound.

    Their Plex account is remembered as a keyed hash, see erased.py.
    """
    with pool.connection() as conn, conn.transaction():
        locks.lock_wishlist(conn)
        uuid, _username = users.get_account(conn, user_id=user_id)
        if uuid:
            erased.remember(conn, cipher, uuid=uuid)
        item_ids = merging.list_wished_item_ids(conn, user_id=user_id)
        users.remove_user(conn, user_id=user_id)
        imports.tell_via_gaps(conn)
        merging.remove_unwanted_items(conn, item_ids=item_ids)
        records.show_newest(conn, item_ids=item_ids)
        sync_runs.remove_person(conn, user_id=user_id)
    logger.info("user erased user=%s", user_id)


def _check_token(
    pool: db.Pool,
    plex: PlexClient,
    cipher: TokenCipher,
    token: str,
    *,
    except_id: int | None = None,
    must_know: bool = False,
) -> PlexAccount | None:
    """Return the account of the token. If Plex cannot be asked now: None, or with `must_know` PlexError is raised.

    Raises Conflict if a person other than `except_id` has the token, Invalid if Plex refuses it.
    """
    owner = db.read(pool, users.find_token_owner, fingerprints=cipher.fingerprints(token))
    if owner and owner[0] != except_id:
        raise Conflict(f"This token already belongs to {owner[1]}.")
    try:
        return plex.account(token, tries=1)  # a person waits for the reply; the next sync asks again
    except TokenRejected as error:
        raise Invalid([FieldError("token", "Plex does not accept this token. Get a new one.")]) from error
    except PlexError as error:
        if must_know:
            raise
        logger.warning("token could not be checked now reason=%r", str(error))
        return None
