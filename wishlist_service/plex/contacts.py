"""Parses whom Plex shows an account: members of its Plex Home, friends, and people with access to its servers.

Pure functions. Accounts are known by their uuid, since names change and collide.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from wishlist_service.errors import PlexChanged
from wishlist_service.models import Contact
from wishlist_service.plex.rows import clean_text

LONGEST_NAME: Final = 100
_AVATAR: Final = re.compile(r"/users/([0-9A-Za-z]{1,100})/avatar")
_SHAPE: Final = "Plex listed the people of this account in a way that this version does not understand."


def parse_members(body: object, *, admin_uuid: str) -> list[Contact]:
    """Return the members of a Plex Home from its object. Empty if the account is not the admin."""
    users = body.get("users") if isinstance(body, Mapping) else body
    if not isinstance(users, list):
        raise PlexChanged(_SHAPE)
    members = [user for user in users if isinstance(user, Mapping)]
    if not any(user.get("uuid") == admin_uuid and _is_true(user.get("admin")) for user in members):
        return []
    return _contacts(
        (
            user.get("uuid"),
            user.get("username"),
            (user.get("friendlyName"), user.get("title")),
            "managed" if _is_true(user.get("restricted")) else "home",
            _is_true(user.get("protected")),
        )
        for user in members
    )


def parse_friends(body: object) -> list[Contact]:
    """Return the friends in the reply to a GraphQL query."""
    match body:
        case {"errors": errors} if errors:
            raise PlexChanged(_SHAPE)
        case {"data": {"allFriendsV2": list() as friends}}:
            pass
        case _:
            raise PlexChanged(_SHAPE)
    told = [friend.get("user") for friend in friends if isinstance(friend, Mapping)]
    users: list[Mapping[str, Any]] = [user for user in told if isinstance(user, Mapping)]
    return _contacts(
        (user.get("id"), user.get("username"), (user.get("displayName"),), "friend", False) for user in users
    )


def parse_others(body: object) -> list[Contact]:
    """Return the people with access to the account's servers. Their uuid is in the address of their picture."""
    container = body.get("MediaContainer") if isinstance(body, Mapping) else None
    if not isinstance(container, Mapping):
        raise PlexChanged(_SHAPE)
    users = container.get("User") or []
    if not isinstance(users, list):
        raise PlexChanged(_SHAPE)
    found = [(user, _AVATAR.search(str(user.get("thumb")))) for user in users if isinstance(user, Mapping)]
    return _contacts(
        (avatar[1], user.get("username"), (user.get("title"),), "other", False) for user, avatar in found if avatar
    )


def join(*lists: Iterable[Contact], own_uuid: str) -> list[Contact]:
    """Return each account once, from the first list that has it, without the account itself."""
    found: dict[str, Contact] = {}
    for contact in (contact for contacts in lists for contact in contacts):
        if contact.plex_uuid != own_uuid:
            found.setdefault(contact.plex_uuid, contact)
    return list(found.values())


def _contacts(rows: Iterable[tuple[Any, Any, tuple[Any, ...], str, bool]]) -> list[Contact]:
    contacts: list[Contact] = []
    for uuid, username, titles, kind, protected in rows:
        plex_uuid, name = clean_text(uuid, longest=100), clean_text(username, longest=LONGEST_NAME)
        title = next(filter(None, (clean_text(each, longest=LONGEST_NAME) for each in titles)), None) or name
        if plex_uuid:
            contacts.append(
                Contact(plex_uuid=plex_uuid, username=name, title=title or plex_uuid, kind=kind, protected=protected)
            )
    return contacts


def _is_true(value: object) -> bool:
    # XML replies have flags as text
    return value in (True, 1, "1", "true")
