"""Reads single settings from their texts and collects what is wrong with them."""

import re
from collections.abc import Mapping
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_HOW_TO_MAKE_ONE = "Make one with: openssl rand -hex 32"


class Reader:
    """Reads from `env`; `faults` says what is wrong and how to mend it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self.faults: list[str] = []

    def _text(self, name: str) -> str:
        value = self._env.get(name, "").strip()
        readable = value.encode(errors="replace").decode()
        if value != readable:
            self.faults.append(f"{name} holds bytes that are not UTF-8")
        return readable

    def _secret(self, name: str) -> str:
        """The value, or what stands in the file that the variable with _FILE at the end names."""
        value, path = self._text(name), self._text(f"{name}_FILE")
        if value or not path:
            return value
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.faults.append(f"{name}_FILE names a file that cannot be read: {type(error).__name__}")
            return ""
        if not value:  # taken for unset, it would open what it was to close
            self.faults.append(f"{name}_FILE names an empty file")
        return value

    def database_url(self, name: str, password_name: str) -> str:
        """The address, with the password of a setting of its own in it; there special characters need no encoding."""
        value, secret = self._secret(name), self._secret(password_name)
        if not value:
            self.faults.append(f"{name} is missing. Example: postgresql://wishlist:password@localhost/wishlist")
        elif not value.startswith(("postgresql://", "postgres://")):
            self.faults.append(f"{name} must begin with postgresql://")
        else:
            try:
                parts = conninfo_to_dict(value)
            except ProgrammingError:  # its text may quote the password
                self.faults.append(
                    f"{name} cannot be read: an unknown parameter, or special characters that are not percent-encoded"
                )
                return value
            # a password with such a character spills into its neighbours, which errors quote
            place = f"{parts.get('host')}{parts.get('dbname')}"
            if "@" in place or not re.fullmatch("[0-9,]*", str(parts.get("port") or "")):
                self.faults.append(f"{name} holds special characters that must be percent-encoded: @ as %40, / as %2F")
                return value
            return make_conninfo(value, password=secret) if secret else value
        return value

    def secret(self, name: str) -> str:
        """A secret that travels in a header."""
        value = self._secret(name)
        if not value:
            self.faults.append(f"{name} is missing. {_HOW_TO_MAKE_ONE}")
        else:
            self._check_header_secret(name, value)
        return value

    def other_secret(self, name: str, *, than: str) -> str:
        """A secret that travels in a header; empty when unset."""
        value = self._secret(name)
        if value and value == self._env.get(than, "").strip():
            self.faults.append(f"{name} must differ from {than}")
        elif value:
            self._check_header_secret(name, value)
        return value

    def foreign_secret(self, name: str) -> str:
        """A secret of another program, of any length, that travels in a header; empty when unset."""
        value = self._secret(name)
        if not value.isascii() or not (value.isprintable() and " " not in value):
            self.faults.append(f"{name} must hold visible ASCII characters only")
        return value

    def addresses(self, name: str) -> tuple[str, ...]:
        """Addresses with secrets in them, between spaces or line ends."""
        return tuple(self._secret(name).split())

    def _check_header_secret(self, name: str, value: str) -> None:
        if not value.isascii() or not value.isprintable():
            self.faults.append(f"{name} must hold ASCII characters only. {_HOW_TO_MAKE_ONE}")
        else:
            self._check_secret(name, value)

    def secrets(self, name: str) -> tuple[str, ...]:
        """One or more secrets with commas between them."""
        values = tuple(part.strip() for part in self._secret(name).split(",") if part.strip())
        if not values:
            self.faults.append(f"{name} is missing. {_HOW_TO_MAKE_ONE}")
        for number, value in enumerate(values, start=1):
            self._check_secret(name if len(values) == 1 else f"{name} (key {number})", value)
        return values

    def _check_secret(self, name: str, value: str) -> None:
        if len(value) < 16:
            self.faults.append(f"{name} is too short, it needs 16 characters or more. {_HOW_TO_MAKE_ONE}")

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        """A number in plain decimals."""
        text = self._text(name)
        # float() alone would take underscores, other scripts' digits, nan and inf
        value = float(text) if re.fullmatch(r"[0-9]{0,9}\.?[0-9]{1,9}", text) else None
        if text and (value is None or not least <= value <= most):
            self.faults.append(f"{name} must be a number from {least:g} to {most:g}, not {text!r}")
        return default if value is None else value

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """A whole number in plain digits."""
        text = self._text(name)
        # isdecimal() alone would take digits of other scripts, and int() underscores
        value = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
        if text and (value is None or not least <= value <= most):
            self.faults.append(f"{name} must be a whole number from {least} to {most}, not {text!r}")
        return default if value is None else value

    def choice(self, name: str, default: str, options: tuple[str, ...]) -> str:
        """One of the options, whatever the case."""
        text = self._text(name)
        value = next((option for option in options if option.lower() == text.lower()), text) or default
        if value not in options:
            self.faults.append(f"{name} must be one of {', '.join(options)}, not {value!r}")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        return self.choice(name, "false", ("true", "false")) == "true"

    def line(self, name: str) -> str:
        """A text of at most 100 characters; empty when unset."""
        value = self._text(name)
        if not value.isprintable() or len(value) > 100:
            self.faults.append(f"{name} must be a text of at most 100 characters on one line")
        return value

    def web_url(self, name: str, default: str, *, like: str = "") -> str:
        """An address without user, query and fragment, and without the slash at its end."""
        value = self._text(name).rstrip("/") or default
        if value and not re.fullmatch(
            r"https?://([\w.-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[\w./~-]*)?", value, re.ASCII
        ):
            self.faults.append(f"{name} must be an address like {default or like}")
        return value

    def path(self, name: str, default: str) -> Path:
        """The path of a directory."""
        value = self._text(name) or default
        if "\0" in value:
            self.faults.append(f"{name} must be the path of a directory, not {value!r}")
        return Path(value)

    def url_base(self, name: str) -> str:
        """A path of plain segments, with the slash at its beginning only; empty when unset."""
        value = self._text(name).strip("/")
        if value and not re.fullmatch(r"[\w~-][\w.~-]*(/[\w~-][\w.~-]*)*", value, re.ASCII):
            self.faults.append(f"{name} must be a plain path like /plex-wishlist, not {value!r}")
        elif value.partition("/")[0] in ("api", "docs", "health", "metrics", "openapi.json"):
            self.faults.append(f"{name} must not begin with a path of the service itself, like /{value}")
        return f"/{value}" if value else ""

    def need(self, needed: str, *, by: tuple[str, ...]) -> None:
        """Each of these settings makes sense only together with that one."""
        for name in by:
            if self._is_set(name) and not self._is_set(needed):
                self.faults.append(f"{name} needs {needed}, too")

    def _is_set(self, name: str) -> bool:
        return any(self._env.get(variant, "").strip() not in ("", "false") for variant in (name, f"{name}_FILE"))
