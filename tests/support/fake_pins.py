"""Signing in with a PIN at the simulated Plex: Pins(plex) adds it.

Modelled on what is known of plex.tv: a PIN is shown only to the client identifier that made it, 25 characters
and half an hour with strong=true, error 1020 once it has expired.
"""

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

from tests.support.fake_plex import FakePlex, Handler

SIGN_IN_PAGE = """<!DOCTYPE html><html lang="en"><title>Plex</title><h1>Sign in to Plex</h1><script>
const asked = location.hash.slice(2);
for (const name of [...NAMES, ""]) {
  const link = document.createElement("a");
  link.href = `/auth/agree?${asked}` + (name ? `&as=${encodeURIComponent(name)}` : "");
  link.textContent = name ? `Continue as ${name}` : "Cancel";
  document.body.append(link, document.createElement("br"));
}
</script></html>"""


@dataclass
class Pin:
    """A sign-in; `token` is what the person agreed with."""

    id: int
    code: str
    client_identifier: str
    token: str | None = None
    seconds_left: int = 1800


class Pins:
    """Every PIN made, by its code; `faults` answer instead, one request each."""

    def __init__(self, plex: FakePlex, *, on_made: Callable[[Pin], None] = lambda _pin: None) -> None:
        self.made: dict[str, Pin] = {}
        self.asked: Counter[str] = Counter()
        """How often a PIN was asked about, by its code."""
        self.making_faults: deque[Callable[[Handler], None]] = deque()
        self.asking_faults: deque[Callable[[Handler], None]] = deque()
        self.signed_out: list[str] = []
        """The tokens that were signed out."""
        self._plex = plex
        self._on_made = on_made
        self._ids = count(900_001)
        plex.routes["POST", "/api/v2/pins"] = self._make
        plex.routes["GET", "/api/v2/pins/([0-9]+)"] = self._show
        plex.routes["DELETE", "/api/v2/users/signout"] = self._sign_out
        plex.routes["GET", "/auth"] = self._show_sign_in_page
        plex.routes["GET", "/auth/agree"] = self._agree_and_lead_back

    def agree(self, code: str, token: str) -> None:
        """The person opens the address, signs in and agrees; the token must be one of the simulated Plex's."""
        self.made[code].token = token

    def agree_as(self, code: str, username: str) -> str:
        """The same with an account, for which Plex makes a new token. Returns it."""
        person = next(person for person in self._plex.people.values() if person.username == username)
        token = f"token-number-{next(self._ids)}-of-{username}"
        self._plex.people[token] = person
        self.agree(code, token)
        return token

    def expire(self, code: str) -> None:
        """Half an hour goes by."""
        self.made[code].seconds_left = 0

    def _make(self, handler: Handler) -> None:
        if self.making_faults:
            return self.making_faults.popleft()(handler)
        client_identifier = handler.headers.get("X-Plex-Client-Identifier")
        if not client_identifier or not handler.headers.get("X-Plex-Product"):
            error = {"code": 1000, "message": "X-Plex-Client-Identifier is missing", "status": 400}
            return handler.send_json(400, {"errors": [error]})
        number = next(self._ids)
        strong = handler.asked.query.get("strong") == "true"
        code = sha256(str(number).encode()).hexdigest()[: 25 if strong else 4]
        pin = Pin(number, code, client_identifier)
        self.made[pin.code] = pin
        self._on_made(pin)
        return handler.send_json(201, _body(pin))

    def _show(self, handler: Handler, number: str) -> None:
        pin = next((pin for pin in self.made.values() if pin.id == int(number)), None)
        if pin:
            self.asked[pin.code] += 1
        if self.asking_faults:
            return self.asking_faults.popleft()(handler)
        known = pin and pin.client_identifier == handler.headers.get("X-Plex-Client-Identifier")
        if pin is None or not known or not pin.seconds_left:
            error = {"code": 1020, "message": "Code not found or expired", "status": 404}
            return handler.send_json(404, {"errors": [error]})
        return handler.send_json(200, _body(pin))

    def _sign_out(self, handler: Handler) -> None:
        if handler.person is None or not handler.headers.get("X-Plex-Client-Identifier"):
            return handler.plex_tv(None)
        self.signed_out.append(handler.token)
        del self._plex.people[handler.token]
        return handler.send_body(204, b"", "text/plain")

    def _show_sign_in_page(self, handler: Handler) -> None:
        """Plex's own page, which reads what is behind # in its address. A link for each account, one to refuse."""
        names = sorted({person.username for person in self._plex.people.values()})
        handler.send_body(200, SIGN_IN_PAGE.replace("NAMES", json.dumps(names)).encode(), "text/html; charset=utf-8")

    def _agree_and_lead_back(self, handler: Handler) -> None:
        """Somebody has signed in at that page and agreed, or refused; their browser is led on."""
        asked = handler.asked.query
        pin = self.made.get(asked["code"])
        if not pin or pin.client_identifier != asked["clientID"]:
            return handler.send_body(404, b"No such PIN", "text/plain")
        if name := asked.get("as"):
            self.agree_as(pin.code, name)
        return handler.send_body(302, b"", "text/plain", {"Location": asked["forwardUrl"]})


def _body(pin: Pin) -> dict[str, object]:
    return {
        "id": pin.id,
        "code": pin.code,
        "product": "Plex Wishlist Service",
        "trusted": False,
        "clientIdentifier": pin.client_identifier,
        "expiresIn": pin.seconds_left,
        "authToken": pin.token,
        "newRegistration": None,
    }
