"""A Plex Home at the simulated Plex: Home(plex, admin) adds it, and who has access to the admin's servers.

Modelled on what is known of plex.tv: members are an object with `users`, only the admin lists and switches, a member
with a PIN needs it (403, code 1041), and several switches in a row may get 429 without Retry-After. A switch gives a
new token of the member's account.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from xml.sax.saxutils import quoteattr

from tests.support.fake_plex import FakePlex, Handler, Person, Row


@dataclass
class Member:
    """A member of the Home; `tokens` are those that switches gave."""

    person: Person
    pin: str = ""
    managed: bool = False
    tokens: list[str] = field(default_factory=list)


class Home:
    """The Home of this admin, who is a member of it. `faults` answer a switch instead, one each."""

    def __init__(self, plex: FakePlex, admin: Person) -> None:
        self.admin = admin
        self.members: dict[str, Member] = {admin.uuid: Member(admin)}
        self.others: list[Person] = []
        """Who has access to the admin's servers."""
        self.faults: deque[Callable[[Handler], None]] = deque()
        self.listing_faults: deque[Callable[[Handler], None]] = deque()
        self.gives_instead: Person | None = None
        """Whose token every switch gives, instead of the member's."""
        self.switches: list[tuple[float, str, dict[str, str]]] = []
        """When each switch was asked for, by the clock of time.monotonic(), the uuid and the query."""
        self.most_at_a_time = 0
        self.before_switch: Callable[[], None] = lambda: None
        self._busy = 0
        self._plex = plex
        plex.routes["GET", "/api/v2/home/users"] = self._list
        plex.routes["POST", "/api/v2/home/users/([^/]+)/switch"] = self._switch
        plex.routes["GET", "/api/users"] = self._list_others

    def join(self, name: str, rows: list[Row] | None = None, *, pin: str = "", managed: bool = False) -> Person:
        """A member joins, with an account of their own."""
        person = self._plex.add(f"own-token-of-{name.lower()}-0123456789", username=name.lower(), rows=rows)
        self.members[person.uuid] = Member(person, pin, managed)
        return person

    def revoke(self, person: Person) -> None:
        """Plex takes back every token that a switch gave for this member."""
        for token in self.members[person.uuid].tokens:
            self._plex.people.pop(token, None)

    def _list(self, handler: Handler) -> None:
        if self.listing_faults:
            return self.listing_faults.popleft()(handler)
        if handler.person is None:
            return _refuse(handler, 401, 1001, "User could not be authenticated")
        if handler.person is not self.admin:
            return _refuse(handler, 403, 1004, "You are not allowed to do this")
        return handler.plex_tv(
            {
                "id": 1,
                "name": "home",
                "guestUserID": 2,
                "guestUserUUID": "00000000000000a0",
                "guestEnabled": False,
                "subscription": True,
                "users": [self._shown(member) for member in self.members.values()],
            }
        )

    def _shown(self, member: Member) -> dict[str, object]:
        person = member.person
        return {
            "id": int(person.uuid[:6], 16),
            "uuid": person.uuid,
            "title": person.username.title(),
            "username": "" if member.managed else person.username,
            "email": "",
            "friendlyName": None,
            "thumb": f"https://plex.tv/users/{person.uuid}/avatar?c=1",
            "restricted": member.managed,
            "restrictionProfile": "teen" if member.managed else None,
            "admin": person is self.admin,
            "guest": False,
            "protected": bool(member.pin),
            "pin": "a-hash-of-the-pin" if member.pin else None,
        }

    def _switch(self, handler: Handler, uuid: str) -> None:
        with self._plex.lock:
            self._busy += 1
            self.most_at_a_time = max(self.most_at_a_time, self._busy)
            self.switches.append((time.monotonic(), uuid, handler.asked.query))
        try:
            self.before_switch()
            return self._answer(handler, uuid)
        finally:
            with self._plex.lock:
                self._busy -= 1

    def _answer(self, handler: Handler, uuid: str) -> None:
        if self.faults:
            return self.faults.popleft()(handler)
        if handler.person is None:
            return _refuse(handler, 401, 1001, "User could not be authenticated")
        if handler.person is not self.admin:
            return _refuse(handler, 403, 1004, "You are not allowed to do this")
        member = self.members.get(uuid)
        if member is None:
            return _refuse(handler, 404, 1002, "Not found")
        if member.pin and handler.asked.query.get("pin") != member.pin:
            return _refuse(handler, 403, 1041, "A valid PIN is required to perform this action")
        person = self.gives_instead or member.person
        token = f"switched-{len(self.switches)}-{sha256(uuid.encode()).hexdigest()[:12]}"
        member.tokens.append(token)
        self._plex.people[token] = person
        return handler.send_json(201, {"uuid": person.uuid, "username": person.username, "authToken": token})

    def _list_others(self, handler: Handler) -> None:
        if handler.person is None:
            return _refuse(handler, 401, 1001, "User could not be authenticated")
        people = [*self.others, *(member.person for member in self.members.values() if member.person is not self.admin)]
        users = "".join(
            f"<User id={quoteattr(str(int(person.uuid[:6], 16)))} title={quoteattr(person.username.title())} "
            f'username={quoteattr(person.username)} thumb="https://plex.tv/users/{person.uuid}/avatar?c=1" '
            'home="0" restricted="0"><Server id="1" name="nas"/></User>'
            for person in (people if handler.person is self.admin else [])
        )
        body = f'<MediaContainer friendlyName="myPlex" size="{users.count("<User")}">{users}</MediaContainer>'
        return handler.send_body(200, body.encode(), "application/xml;charset=utf-8")


def _refuse(handler: Handler, status: int, code: int, message: str) -> None:
    handler.send_json(status, {"errors": [{"code": code, "message": message, "status": status}]})
