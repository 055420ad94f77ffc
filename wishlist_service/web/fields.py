"""Typed input: every error is collected, and all are reported at once."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar, overload

from flask import Request
from werkzeug.exceptions import BadRequest, LengthRequired, UnsupportedMediaType

from wishlist_service.config.parsers import parse_choice, parse_flag, parse_integer, parse_number
from wishlist_service.errors import FieldError, Invalid
from wishlist_service.web.auth import is_page

LARGEST_ID: Final = 2**31 - 1
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)

Value = TypeVar("Value")
Default = TypeVar("Default")


class Fields:
    """Named values with a reader for each type. A reader collects errors; done() raises Invalid if there are any.

    The values come from a JSON object, or as texts from a query string or a form.
    """

    def __init__(self, values: Mapping[str, object], *, texts: bool = False) -> None:
        self._values = values
        self._texts = texts
        self._read: set[str] = set()
        self._errors: list[FieldError] = []

    @classmethod
    def from_json(cls, request: Request) -> "Fields":
        """Return the fields of a JSON body. Raises BadRequest if it is not a JSON object."""
        if request.content_length is None and "Transfer-Encoding" in request.headers:
            raise LengthRequired("Send the body with its Content-Length, not in chunks.")
        try:
            body = request.get_json()
        except UnsupportedMediaType:
            raise
        except BadRequest as error:
            raise BadRequest("The body is not valid JSON.") from error
        if not isinstance(body, dict):
            raise BadRequest('The body must be a JSON object, like {"name": "Ann"}.')
        return cls(body)

    @classmethod
    def from_query(cls, request: Request, *, repeatable: str = "") -> "Fields":
        """Return the parameters of the query string. Only the one named `repeatable` may come more than once."""
        # check_key has read apikey. Every page also takes tv, which its own code reads.
        others = ("apikey", "tv") if is_page() else ("apikey",)
        given = [(name, values) for name, values in request.args.lists() if name not in others]
        fields = cls({name: values[0] for name, values in given}, texts=True)
        for name, values in given:
            if name == repeatable:
                fields._values = {**fields._values, name: values}
            elif len(values) > 1:
                fields.error(name, "must be given only once.")
        if is_page() and request.args.get("tv", "1") != "1":
            fields.error("tv", "must be 1, or absent.")
        return fields

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def error(self, name: str, detail: str) -> None:
        """Collect an error: what is wrong with a field."""
        # A client may send any name, even half surrogates.
        self._errors.append(FieldError(name[:100].encode(errors="replace").decode(), detail))

    def done(self) -> None:
        """Raise Invalid with every collected error and every unknown field."""
        for name in self._values:
            if name not in self._read:
                known = ", ".join(sorted(self._read)) or "none"
                self.error(name, f"is unknown. Known here: {known}.")
        if self._errors:
            raise Invalid(self._errors)

    def text(self, name: str, *, maximum: int) -> str:
        """Return a required text, as optional_text() reads it."""
        if name not in self:
            self.error(name, "is missing.")
        return self.optional_text(name, maximum=maximum) or ""

    def optional_text(self, name: str, *, maximum: int) -> str | None:
        """Return a text of 1 to `maximum` characters on one line, in NFC, without spaces around it; None if absent."""
        if not self._has(name):
            return None
        value = self._values[name]
        if not isinstance(value, str):
            self.error(name, "must be a text.")
            return ""
        text = unicodedata.normalize("NFC", value).strip()
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
            self.error(name, "must not hold control characters or invalid Unicode.")
        elif text and all(unicodedata.category(character) == "Cf" for character in text):
            self.error(name, "must hold a visible character.")
        elif not 1 <= len(text) <= maximum:
            self.error(name, f"must have 1 to {maximum} characters.")
        return text

    def texts(self, name: str, *, maximum: int, count: int) -> list[str] | None:
        """Return up to `count` texts of 1 to `maximum` visible characters without spaces; None if absent."""
        if not self._has(name):
            return None
        values = self._values[name]
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            self.error(name, "must be an array of texts.")
            return []
        if len(values) > count:
            self.error(name, f"must hold at most {count} texts.")
        texts = [value.strip() for value in values]
        if any(not 1 <= len(text) <= maximum or " " in text or not text.isprintable() for text in texts):
            self.error(name, f"must hold texts of 1 to {maximum} visible characters, without spaces.")
        return texts

    def token(self, name: str) -> str:
        """Return a required Plex token. It is sent in a header, so it may hold only visible ASCII characters."""
        token = self.text(name, maximum=2000)
        if not (token.isascii() and token.isprintable() and " " not in token):
            self.error(name, "must hold only visible ASCII characters, without spaces.")
        return token

    def optional_token(self, name: str) -> str | None:
        """Return a token, as token() reads it; None if absent."""
        return self.token(name) if self._has(name) else None

    def id(self, name: str) -> int:
        """Return a required id, a whole number in JSON."""
        self._has(name)
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_ID:
            self.error(name, "must be the id of a person, a whole number from 1.")
            return 0
        return value

    def choice(self, name: str, options: tuple[str, ...], *, default: str | None) -> str | None:
        """Return one of the options; the default if absent."""
        return self._parsed(name, default, partial(parse_choice, options=options))

    def flag(self, name: str) -> bool | None:
        """Return true or false, which a query string spells as a word; None if absent."""
        if self._texts:
            return self._parsed(name, None, parse_flag)
        if self._has(name) and not isinstance(self._values[name], bool):
            self.error(name, "must be true or false.")
        return self._values.get(name) is True if name in self else None

    @overload
    def integer(self, name: str, *, minimum: int, maximum: int, default: int) -> int: ...
    @overload
    def integer(self, name: str, *, minimum: int, maximum: int, default: None = None) -> int | None: ...
    def integer(self, name: str, *, minimum: int, maximum: int, default: int | None = None) -> int | None:
        """Return a whole number; the default if absent."""
        return self._parsed(name, default, partial(parse_integer, minimum=minimum, maximum=maximum))

    def integers(self, name: str, *, minimum: int, maximum: int) -> list[int] | None:
        """Return the different whole numbers of a repeatable parameter, sorted; None if absent."""
        if not self._has(name):
            return None
        values = self._values[name]
        parse = partial(parse_integer, minimum=minimum, maximum=maximum)
        numbers = [self._parse(name, each, None, parse) for each in (values if isinstance(values, list) else [values])]
        return sorted({number for number in numbers if number is not None})

    def number(self, name: str, *, minimum: float, maximum: float, default: float) -> float:
        """Return a number; the default if absent."""
        return self._parsed(name, default, partial(parse_number, minimum=minimum, maximum=maximum))

    def moment(self, name: str) -> datetime | None:
        """Return a moment in RFC 3339, or the start of a day in UTC; None if absent."""
        if not self._has(name):
            return None
        text = str(self._values[name])
        try:
            # fromisoformat() alone would accept weeks, and moments without a time zone.
            moment = datetime.fromisoformat(text.upper() if _MOMENT.fullmatch(text) else "")
        except ValueError:
            self.error(name, "must be a day like 2026-11-24 or a moment like 2026-11-24T19:26:09Z.")
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def _parsed(self, name: str, default: Default, parse: Callable[[str], Value]) -> Value | Default:
        return self._parse(name, self._values[name], default, parse) if self._has(name) else default

    def _parse(self, name: str, value: object, default: Default, parse: Callable[[str], Value]) -> Value | Default:
        try:
            return parse(str(value))
        except ValueError as error:
            self.error(name, f"{error}, not {str(value)[:100]!r}.")
            return default

    def _has(self, name: str) -> bool:
        self._read.add(name)
        return name in self
