"""People who are read through somebody else's sign-in: members of their Plex Home, and friends."""

import logging
from dataclasses import replace
from typing import NoReturn

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.errors import (
    Conflict,
    FieldError,
    Invalid,
    NotFound,
    PinRejected,
    PlexAway,
    Refused,
    SyncError,
    TokenRejected,
    TokenUnreadable,
)
from wishlist_service.models import Contact, SyncUser
from wishlist_service.people import erased
from wishlist_service.plex.client import PlexClient
from wishlist_service.queries import imports, users
from wishlist_service.queries.imports import Imported, Reader
from wishlist_service.queries.sync_users import find_sync_user
from wishlist_service.sync.switches import switch
from wishlist_service.tokens import PIN, TokenCipher

logger = logging.getLogger(__name__)


def list_contacts(pool: db.Pool, plex: PlexClient, cipher: TokenCipher, *, user_id: int) -> list[Contact]:
    """Return the people whom Plex shows this person, each with the id of the person here who has the account.

    Raises NotFound, Conflict if the person is paused or has no token of their own, and PlexAway.
    """
    reader = db.read(pool, imports.find_reader, user_id=user_id)
    if reader is None:
        raise NotFound(f"No user has id {user_id}.")
    if reason := _why_no_reader(reader):
        raise Conflict(f"{reason} So Plex cannot be asked whom it shows them.")
    contacts = _ask_contacts(plex, cipher, reader)
    owners = dict(db.read(pool, imports.list_account_owners, uuids=[contact.plex_uuid for contact in contacts]))
    return [replace(contact, user_id=owners.get(contact.plex_uuid)) for contact in contacts]


def find_erased(pool: db.Pool, cipher: TokenCipher, contacts: list[Contact]) -> set[str]:
    """Return the uuids of the contacts who are not here and were erased."""
    return {
        contact.plex_uuid
        for contact in contacts
        if contact.user_id is None and db.read(pool, erased.is_remembered, cipher, uuid=contact.plex_uuid)
    }


def find_reader(pool: db.Pool, user_id: int) -> Reader:
    """Return the person through whom others are to be added. Raises Invalid, at the field `via`."""
    reader = db.read(pool, imports.find_reader, user_id=user_id)
    if reader is None:
        _fail("via", f"is unknown: no user has id {user_id}.")
    if reason := _why_no_reader(reader):
        _fail("via", f"cannot be used: {reason}")
    return reader


def add_user(
    config: Config,
    pool: db.Pool,
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    via_id: int,
    plex_uuid: str,
    name: str | None = None,
    pin: str | None = None,
    again: bool = False,
) -> int:
    """Add a person who is read through the one of `via_id`, and return their id.

    name: what Plex calls them if None, with a number if it is taken.
    again: whether to add somebody who was erased.
    Raises Invalid, Conflict if the name or account is here or was erased, and PlexAway; then nothing is stored.
    """
    reader = find_reader(pool, via_id)
    _refuse_known(pool, cipher, plex_uuid, again=again)
    contact = _find_contact(_ask_contacts(plex, cipher, reader), reader, plex_uuid, field="plex_uuid")
    return add_contact(config, pool, plex, cipher, reader, contact, name=name, pin=pin, again=again)


def add_contact(
    config: Config,
    pool: db.Pool,
    plex: PlexClient,
    cipher: TokenCipher,
    reader: Reader,
    contact: Contact,
    *,
    name: str | None = None,
    pin: str | None = None,
    again: bool = False,
) -> int:
    """Add a contact of the reader, as add_user() does."""
    _refuse_known(pool, cipher, contact.plex_uuid, again=again)
    person, token = _read_through(config, plex, cipher, reader, contact, pin)
    with pool.connection() as conn, conn.transaction():
        user_id = users.next_user_id(conn)
        free = name or imports.find_free_name(conn, name=contact.title)
        imports.add_imported(conn, user_id=user_id, name=free, person=_sealed(cipher, person, user_id, token, pin))
        erased.forget(conn, cipher, uuid=contact.plex_uuid)
    logger.info("user added user=%s source=%s via=%s", user_id, person.via_source, reader.id)
    return user_id


def prepare_move(
    config: Config,
    pool: db.Pool,
    plex: PlexClient,
    cipher: TokenCipher,
    *,
    user_id: int,
    via_id: int | None,
    pin: str | None,
) -> Imported:
    """Return what to store so that the person is read through `via_id`, or with another PIN if that is None.

    Raises NotFound, Invalid, Conflict if the present via cannot be used, and PlexAway.
    """
    person = db.read(pool, find_sync_user, user_id=user_id)
    if person is None:
        raise NotFound(f"No user has id {user_id}.")
    if via_id is None:
        if person.via_source != "home":
            _fail("pin", f"is only for a member of a Plex Home. {person.name} is none.")
        if person.via_id is None or (reader := db.read(pool, imports.find_reader, user_id=person.via_id)) is None:
            raise Conflict(f"The person through whom {person.name} was read was erased. Send via, too.")
        if reason := _why_no_reader(reader):
            raise Conflict(f"{reason} So Plex cannot be asked whether it accepts the PIN.")
    else:
        reader = find_reader(pool, via_id)
        if via_id == user_id:
            _fail("via", "must be another person.")
    if person.plex_uuid is None:
        _fail("via", f"cannot be used: Plex has not yet said which account {person.name} has.")
    field = "pin" if via_id is None else "via"
    contact = _find_contact(_ask_contacts(plex, cipher, reader), reader, person.plex_uuid, field=field)
    pin = None if contact.kind == "friend" else pin or _known_pin(cipher, person)
    moved, token = _read_through(config, plex, cipher, reader, contact, pin)
    return _sealed(cipher, moved, user_id, token, pin)


def _known_pin(cipher: TokenCipher, person: SyncUser) -> str | None:
    try:
        return person.plex_pin and cipher.decrypt(person.plex_pin, owner=person.id, column=PIN)
    except TokenUnreadable:
        return None


def _why_no_reader(reader: Reader) -> str | None:
    if not reader.active:
        return f"{reader.name} is paused. Resume {reader.name} first."
    if reader.source != "own":
        return f"{reader.name} has no token of their own. Send {reader.name} a sign-in link first."
    return None


def _refuse_known(pool: db.Pool, cipher: TokenCipher, plex_uuid: str, *, again: bool) -> None:
    if owner := db.read(pool, users.find_account_owner, uuid=plex_uuid):
        raise Conflict(f"This Plex account already belongs to {owner[1]}.")
    if not again and db.read(pool, erased.is_remembered, cipher, uuid=plex_uuid):
        raise Conflict('The person with this Plex account was erased here. To add them again, send "again": true.')


def _ask_contacts(plex: PlexClient, cipher: TokenCipher, reader: Reader) -> list[Contact]:
    try:
        return plex.contacts(cipher.decrypt(reader.plex_token or "", owner=reader.id))
    except SyncError as error:
        logger.warning("contacts could not be listed user=%s reason=%s", reader.id, error)
        raise _away(reader, error) from error


def _find_contact(contacts: list[Contact], reader: Reader, plex_uuid: str, *, field: str) -> Contact:
    contact = next((contact for contact in contacts if contact.plex_uuid == plex_uuid), None)
    if contact is None:
        _fail(field, f"cannot be used: Plex does not show this account to {reader.name}.")
    if contact.kind == "other":
        _fail(
            field,
            f"cannot be used: {contact.title} has access to {reader.name}'s servers, but is neither in the Plex Home "
            f"nor a friend. Send {contact.title} a sign-in link.",
        )
    return contact


def _read_through(
    config: Config, plex: PlexClient, cipher: TokenCipher, reader: Reader, contact: Contact, pin: str | None
) -> tuple[Imported, str | None]:
    """Return what to store of the contact, without secrets, and the token that a switch gave."""
    person = Imported(
        via_id=reader.id,
        via_source="friend" if contact.kind == "friend" else "home",
        plex_uuid=contact.plex_uuid,
        plex_username=contact.username or contact.title,
    )
    if contact.kind == "friend":
        if pin is not None:
            _fail("pin", f"is only for a member of a Plex Home. {contact.title} is a friend.")
        return person, None
    try:
        token = cipher.decrypt(reader.plex_token or "", owner=reader.id)
        return person, switch(config.database_url, plex, token, contact.plex_uuid, pin=pin)
    except PinRejected:
        wanted = (
            f"is not the one of {contact.title}. Plex refused it." if pin else f"is missing: {contact.title} has one."
        )
        _fail("pin", wanted)
    except SyncError as error:
        logger.warning("switch failed via=%s reason=%s", reader.id, error)
        raise _away(reader, error) from error


def _sealed(cipher: TokenCipher, person: Imported, user_id: int, token: str | None, pin: str | None) -> Imported:
    return replace(
        person,
        plex_token=token and cipher.encrypt(token, owner=user_id),
        plex_pin=pin and cipher.encrypt(pin, owner=user_id, column=PIN),
    )


def _away(reader: Reader, error: SyncError) -> PlexAway:
    if isinstance(error, TokenRejected):
        return PlexAway(f"Plex no longer accepts the token of {reader.name}. Renew the token, then try again.")
    if isinstance(error, Refused):
        return PlexAway(f"{error} {reader.name} must be the admin of that Plex Home.")
    return PlexAway(str(error))


def _fail(field: str, detail: str) -> NoReturn:
    raise Invalid([FieldError(field, detail)])
