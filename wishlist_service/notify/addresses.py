"""The addresses that people have for messages of their own: checked, encrypted, tested."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import Conflict, FieldError, Invalid, TokenUnreadable
from wishlist_service.models import Message, NewAddress
from wishlist_service.notify.targets import NOT_INSTALLED, open_notifier
from wishlist_service.queries import addresses as queries
from wishlist_service.queries.addresses import StoredAddress
from wishlist_service.tokens import ADDRESS, TokenCipher

MAXIMUM: Final = 10  # for each person
_TEST: Final = Message(title="Test message", body="This is a test message of the wishlist. It arrived.")


def prepare(
    cipher: TokenCipher,
    addresses: Sequence[str],
    *,
    name: str,
    user_id: int,
    known: Sequence[StoredAddress],
    kept: int = 0,
    anywhere: bool,
    any_target: bool = False,
) -> list[NewAddress]:
    """Return these addresses as they are stored for this person.

    name: of the field that holds them. known: the person's addresses until now. kept: how many of them stay beside
    these. anywhere: whether the addresses may always lead to this machine or a private network. any_target: whether all
    may now. Raises Invalid, and Conflict if Apprise is not installed.
    """
    errors: list[FieldError] = []
    if len(addresses) + kept > MAXIMUM:
        errors.append(FieldError(name, f"must hold at most {MAXIMUM} addresses."))
    found: list[NewAddress] = []
    given = {one for address in addresses for one in cipher.fingerprints(address, column="news_addresses.fingerprint")}
    masks = {_plain(one.masked) for one in known}
    lost_masks = {_plain(one.masked) for one in known if one.fingerprint not in given}
    for number, address in enumerate(dict.fromkeys(addresses), start=1):
        fingerprints = cipher.fingerprints(address, column="news_addresses.fingerprint")
        is_known = any(one.fingerprint in fingerprints for one in known)
        notifier = None
        try:
            notifier = open_notifier("", address, anywhere=anywhere or any_target)
            reason = notifier.find_obstacle() if notifier else "Apprise does not know this kind of address"
        except ImportError:
            raise Conflict(NOT_INSTALLED) from None
        except PermissionError as error:
            reason = str(error)
        if _plain(address) in (lost_masks if is_known else masks):
            reason = "it is masked. Send the whole address, or leave the field out to keep what is stored"
        if reason or not notifier:
            errors.append(FieldError(name, f"address {number} cannot be used: {reason}."))
            continue
        found.append(
            NewAddress(
                fingerprints=fingerprints,
                address=cipher.encrypt(address, owner=user_id, column=ADDRESS),
                masked=notifier.masked,
                anywhere=anywhere,
            )
        )
    if errors:
        raise Invalid(errors)
    return found


def _plain(address: str) -> str:
    """Return the address in the form in which a masked one can be told, however it is written."""
    return address.lower().rstrip("/?#&")


def change_own(
    config: Config,
    pool: db.Pool,
    cipher: TokenCipher,
    *,
    user_id: int,
    anywhere: bool,
    urls: Sequence[str] | None,
    kept_ids: Sequence[int] = (),
    available: bool | None,
    trouble: bool | None,
    new_wishes: bool | None,
) -> None:
    """Change what a person wants to be told, and where; None changes nothing.

    urls: the addresses from now on, beside those of `kept_ids`. Raises the errors of prepare().
    """
    new = None
    if urls is not None:
        known = db.read(pool, queries.list_addresses, user_id=user_id)
        kept = len({one.id for one in known} & set(kept_ids))
        new = prepare(
            cipher, urls,
            name="urls", user_id=user_id, known=known, kept=kept, anywhere=anywhere, any_target=_any_target(config),
        )  # fmt: skip
    with pool.connection() as conn, conn.transaction():
        if new is not None:
            queries.replace_addresses(conn, user_id=user_id, addresses=new, keep_ids=kept_ids)
        queries.update_settings(conn, user_id=user_id, available=available, trouble=trouble, new_wishes=new_wishes)


def send_test(config: Config, pool: db.Pool, cipher: TokenCipher, *, user_id: int) -> list[dict[str, Any]]:
    """Send a test message to each address of this person; return what the services answered. Raises NotFound."""
    db.read(pool, queries.get_settings, user_id=user_id)  # raises NotFound
    stored = db.read(pool, queries.list_addresses, user_id=user_id)

    def send(one: StoredAddress) -> dict[str, Any]:
        reason = _send(cipher, one, user_id=user_id, anywhere=one.anywhere or _any_target(config))
        return {"url": one.masked, "ok": reason is None, "detail": reason or "The service took the message."}

    with ThreadPoolExecutor(MAXIMUM) as threads:
        return list(threads.map(send, stored))


def _any_target(config: Config) -> bool:
    """Return whether all addresses may lead to this machine or a private network now."""
    return config.notify_targets == "any"


def _send(cipher: TokenCipher, one: StoredAddress, *, user_id: int, anywhere: bool) -> str | None:
    try:
        address = cipher.decrypt(one.address, owner=user_id, column=ADDRESS)
        notifier = open_notifier("", address, anywhere=anywhere)
    except (TokenUnreadable, PermissionError) as error:
        return str(error)
    except ImportError:
        return NOT_INSTALLED
    return notifier.send(_TEST) if notifier else "Apprise does not know this kind of address"
