"""Settings: read once from the environment into a frozen value, every fault named at once."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv import dotenv_values
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


class ConfigError(Exception):
    """Settings are missing or wrong; the message lists each and how to mend it."""

    def __init__(self, faults: list[str]) -> None:
        lines = "".join(f"\n  - {fault}" for fault in faults)
        super().__init__(f"The service cannot start, its settings need mending (environment or .env):{lines}")
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of the service; secrets stay out of repr()."""

    database_url: str = field(repr=False)
    api_key: str = field(repr=False)
    token_encryption_keys: tuple[str, ...] = field(repr=False)
    read_api_key: str = field(default="", repr=False)
    names: str = "all"
    sync_interval_hours: float = 6
    log_level: str = "INFO"
    url_base: str = ""
    trusted_proxies: int = 0
    plex_discover_url: str = "https://discover.provider.plex.tv"
    plex_tv_url: str = "https://plex.tv"
    page_pause_seconds: float = 1
    plex_timeout_seconds: float = 20
    plex_server_url: str = ""
    plex_server_token: str = field(default="", repr=False)
    plex_collection: str = ""
    remove_when_available: bool = False
    remove_after_sync: bool = False
    notify_urls: tuple[str, ...] = field(default=(), repr=False)
    port: int = 8000
    web_threads: int = 4
    web_workers: int = 1
    backup_dir: Path = Path("backup")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Config":
        """The settings in `env`; an empty value counts as unset. Raises ConfigError."""
        read = Reader(env)
        config = cls(
            database_url=read.database_url("DATABASE_URL", "DATABASE_PASSWORD"),
            api_key=read.secret("API_KEY"),
            token_encryption_keys=read.secrets("TOKEN_ENCRYPTION_KEY"),
            read_api_key=read.other_secret("READ_API_KEY", than="API_KEY"),
            names=read.choice("NAMES", "all", ("all", "hidden")),
            sync_interval_hours=read.number("PLEX_SYNC_INTERVAL_HOURS", 6, least=0.01, most=8760),
            log_level=read.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
            url_base=read.url_base("URL_BASE"),
            trusted_proxies=read.integer("TRUSTED_PROXIES", 0, least=0, most=10),
            plex_discover_url=read.web_url("PLEX_DISCOVER_URL", "https://discover.provider.plex.tv"),
            plex_tv_url=read.web_url("PLEX_TV_URL", "https://plex.tv"),
            page_pause_seconds=read.number("PLEX_PAGE_PAUSE_SECONDS", 1, least=0, most=60),
            plex_timeout_seconds=read.number("PLEX_TIMEOUT_SECONDS", 20, least=1, most=300),
            plex_server_url=read.web_url("PLEX_SERVER_URL", "", like="http://192.168.1.10:32400"),
            plex_server_token=read.foreign_secret("PLEX_SERVER_TOKEN"),
            plex_collection=read.line("PLEX_COLLECTION"),
            remove_when_available=read.flag("REMOVE_WHEN_AVAILABLE"),
            remove_after_sync=read.flag("REMOVE_AFTER_SYNC"),
            notify_urls=read.addresses("NOTIFY_URLS"),
            port=read.integer("PORT", 8000, least=1, most=65535),
            web_threads=read.integer("WEB_THREADS", 4, least=1, most=64),
            web_workers=read.integer("WEB_WORKERS", 1, least=1, most=16),
            backup_dir=read.path("BACKUP_DIR", "backup"),
        )
        read.need("PLEX_SERVER_TOKEN", by=("PLEX_SERVER_URL",))
        read.need("PLEX_SERVER_URL", by=("PLEX_SERVER_TOKEN", "PLEX_COLLECTION", "REMOVE_WHEN_AVAILABLE"))
        if read.faults:
            raise ConfigError(read.faults)
        return config


def load_config() -> Config:
    """The settings from `.env` in the working directory and the environment, which wins.

    Ends the program with the list of faults when there are any.
    """
    try:
        return Config.from_env(environment())
    except ConfigError as error:
        sys.exit(str(error))


def environment() -> dict[str, str]:
    """The variables of `.env` in the working directory and of the environment; a filled one of the latter wins."""
    try:
        told = dotenv_values(".env")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"The file .env cannot be read: {type(error).__name__}. It must be a readable UTF-8 text.")
    return {name: value or "" for name, value in told.items()} | {
        name: value for name, value in os.environ.items() if value or name not in told
    }


def postgres_environment() -> dict[str, str]:
    """The variables that PostgreSQL's own programs read, so that these reach the database as this process does."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG") or name == "HOME"}
