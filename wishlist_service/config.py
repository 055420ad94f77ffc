"""Settings: read once from the environment into a frozen value, every fault named at once."""

import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from dotenv import dotenv_values
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_HOW_TO_MAKE_ONE = "Make one with: openssl rand -hex 32"

Value = TypeVar("Value")


def parse_number(text: str, *, minimum: float, maximum: float) -> float:
    """A number in plain decimals, of a setting or a request. ValueError says what it must be; so do the others."""
    # float() alone would take underscores, spaces, other scripts' digits, nan and inf
    if re.fullmatch(r"[0-9]{0,9}\.?[0-9]{1,9}", text) and minimum <= float(text) <= maximum:
        return float(text)
    raise ValueError(f"must be a number from {minimum:g} to {maximum:g}")


def parse_integer(text: str, *, minimum: int, maximum: int) -> int:
    """A whole number in plain digits."""
    if re.fullmatch(r"[0-9]{1,19}", text) and minimum <= int(text) <= maximum:
        return int(text)
    raise ValueError(f"must be a whole number from {minimum} to {maximum}")


def parse_choice(text: str, options: tuple[str, ...]) -> str:
    """One of the options."""
    if text in options:
        return text
    raise ValueError(f"must be one of {', '.join(options)}")


def parse_flag(text: str) -> bool:
    """True or false, as a word."""
    if text in ("true", "false"):
        return text == "true"
    raise ValueError("must be true or false")


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

    def number(self, name: str, default: float, *, minimum: float, maximum: float) -> float:
        """A number in plain decimals."""
        return self._parsed(name, default, partial(parse_number, minimum=minimum, maximum=maximum))

    def integer(self, name: str, default: int, *, minimum: int, maximum: int) -> int:
        """A whole number in plain digits."""
        return self._parsed(name, default, partial(parse_integer, minimum=minimum, maximum=maximum))

    def choice(self, name: str, default: str, options: tuple[str, ...]) -> str:
        """One of the options, whatever the case."""
        spelled = {option.lower(): option for option in options}
        return self._parsed(name, default, lambda text: parse_choice(spelled.get(text.lower(), text), options))

    def flag(self, name: str) -> bool:
        """True or false, whatever the case."""
        return self._parsed(name, False, lambda text: parse_flag(text.lower()))

    def _parsed(self, name: str, default: Value, parse: Callable[[str], Value]) -> Value:
        text = self._text(name)
        try:
            return parse(text) if text else default
        except ValueError as error:
            self.faults.append(f"{name} {error}, not {text!r}")
            return default

    def language(self, name: str, default: str) -> str:
        """A language, with a country or without."""
        value = self._text(name) or default
        if not re.fullmatch("[a-z]{2}(-[A-Z]{2})?", value):
            self.faults.append(f"{name} must be a language like de or pt-BR, not {value!r}")
        return value

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


_MADE: Final = "At least 16 characters. Required, but `make run` and `docker compose` make one."

DATABASE_SETTINGS: Final = ("DATABASE_URL", "DATABASE_PASSWORD")


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
    plex_language: str = "en"
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
    def from_env(cls, env: Mapping[str, str], *, uses: Collection[str] = ()) -> "Config":
        """Return the settings in `env`; an empty value counts as unset. Raises ConfigError.

        uses: the names of the settings that the program uses; errors in others are ignored. Empty means all.
        """
        read = Reader(env)
        config = cls(
            database_url=read.database_url("DATABASE_URL", "DATABASE_PASSWORD"),
            api_key=read.secret("API_KEY"),
            token_encryption_keys=read.secrets("TOKEN_ENCRYPTION_KEY"),
            read_api_key=read.other_secret("READ_API_KEY", than="API_KEY"),
            names=read.choice("NAMES", "all", ("all", "hidden")),
            sync_interval_hours=read.number("PLEX_SYNC_INTERVAL_HOURS", 6, minimum=0.01, maximum=8760),
            log_level=read.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
            url_base=read.url_base("URL_BASE"),
            trusted_proxies=read.integer("TRUSTED_PROXIES", 0, minimum=0, maximum=10),
            plex_discover_url=read.web_url("PLEX_DISCOVER_URL", "https://discover.provider.plex.tv"),
            plex_tv_url=read.web_url("PLEX_TV_URL", "https://plex.tv"),
            page_pause_seconds=read.number("PLEX_PAGE_PAUSE_SECONDS", 1, minimum=0, maximum=60),
            plex_timeout_seconds=read.number("PLEX_TIMEOUT_SECONDS", 20, minimum=1, maximum=300),
            plex_language=read.language("PLEX_LANGUAGE", "en"),
            plex_server_url=read.web_url("PLEX_SERVER_URL", "", like="http://192.168.1.10:32400"),
            plex_server_token=read.foreign_secret("PLEX_SERVER_TOKEN"),
            plex_collection=read.line("PLEX_COLLECTION"),
            remove_when_available=read.flag("REMOVE_WHEN_AVAILABLE"),
            remove_after_sync=read.flag("REMOVE_AFTER_SYNC"),
            notify_urls=read.addresses("NOTIFY_URLS"),
            port=read.integer("PORT", 8000, minimum=1, maximum=65535),
            web_threads=read.integer("WEB_THREADS", 4, minimum=1, maximum=64),
            web_workers=read.integer("WEB_WORKERS", 1, minimum=1, maximum=16),
            backup_dir=read.path("BACKUP_DIR", "backup"),
        )
        read.need("PLEX_SERVER_TOKEN", by=("PLEX_SERVER_URL",))
        read.need("PLEX_SERVER_URL", by=("PLEX_SERVER_TOKEN", "PLEX_COLLECTION", "REMOVE_WHEN_AVAILABLE"))
        # each begins with the name of its setting
        faults = [fault for fault in read.faults if not uses or fault.split()[0].removesuffix("_FILE") in uses]
        if faults:
            raise ConfigError(faults)
        return config


def load_config(*, uses: Collection[str] = ()) -> Config:
    """The settings from `.env` in the working directory and the environment, which wins.

    Ends the program with the list of faults when there are any. `uses` is that of Config.from_env().
    """
    try:
        return Config.from_env(environment(), uses=uses)
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


class Setting(NamedTuple):
    """A setting as docs/settings.md and .env.example describe it; `make docs` writes both."""

    name: str
    attribute: str
    """The attribute of Config that holds it; empty if Config has none."""
    meaning: str
    value: str = ""
    """The default if Config does not have it."""
    example: str = ""
    secret: bool = False
    """Whether NAME_FILE may name a file that holds it."""

    @property
    def default(self) -> str:
        """The default as it is written in .env; empty if there is none."""
        value: object = getattr(Config, self.attribute, ()) if self.attribute else self.value
        return "" if value == () else str(value).lower() if isinstance(value, bool) else str(value)

    @property
    def compose_only(self) -> bool:
        """Whether only docker-compose.yml reads it."""
        return not self.attribute


SETTINGS: Final[dict[str, list[Setting]]] = {
    "Keys": [
        Setting("API_KEY", "api_key", f"The key for requests that change something. {_MADE}", secret=True),
        Setting(
            "READ_API_KEY",
            "read_api_key",
            "A second key that may only read. Without it, everyone who reaches the port may read.",
            secret=True,
        ),
        Setting(
            "NAMES",
            "names",
            "`hidden`: anyone who does not send the API_KEY sees `Person 1` instead of names. `all`: names are shown.",
        ),
        Setting(
            "TOKEN_ENCRYPTION_KEY",
            "token_encryption_keys",
            f"The passphrase that encrypts the Plex tokens. {_MADE} Keep a copy: without it the stored tokens "
            "cannot be read. To change it, put the new one before the old one, with a comma between them.",
            secret=True,
        ),
    ],
    "Sync": [
        Setting(
            "PLEX_SYNC_INTERVAL_HOURS",
            "sync_interval_hours",
            "Hours between two syncs of a person, decimals allowed, from 0.01 to 8760.",
        ),
        Setting("PLEX_PAGE_PAUSE_SECONDS", "page_pause_seconds", "Seconds between two pages of a watchlist."),
        Setting("PLEX_TIMEOUT_SECONDS", "plex_timeout_seconds", "How many seconds Plex may take to answer."),
        Setting(
            "PLEX_LANGUAGE",
            "plex_language",
            "The language of titles and summaries, like `de` or `pt-BR`. After a change all of them are read again.",
        ),
    ],
    "Notifications": [
        Setting(
            "NOTIFY_URLS",
            "notify_urls",
            "Where to send messages about new wishes, as [Apprise](https://github.com/caronc/apprise/wiki) "
            "addresses with spaces between them. See [notifications](notifications.md).",
            secret=True,
        ),
    ],
    "The media server, and changes at Plex": [
        Setting(
            "PLEX_SERVER_URL",
            "plex_server_url",
            "The address of your Plex media server. The wishlist then shows which titles it has.",
            example="http://192.168.1.10:32400",
        ),
        Setting("PLEX_SERVER_TOKEN", "plex_server_token", "The token of the server's owner.", secret=True),
        Setting(
            "PLEX_COLLECTION",
            "plex_collection",
            "A collection to keep in each library, with the wanted titles that are there. Choose a name that you "
            "do not use: other titles in it are taken out. See [write-back](write-back.md).",
            example="Household wishlist",
        ),
        Setting(
            "REMOVE_WHEN_AVAILABLE",
            "remove_when_available",
            "`true`: takes titles off the watchlists a day after they came into a library. Read [write-"
            "back](write-back.md) first.",
        ),
        Setting(
            "REMOVE_AFTER_SYNC",
            "remove_after_sync",
            "`true`: takes each title off its person's watchlist once it is stored here. It stays on the "
            "wishlist. Read [write-back](write-back.md) first.",
        ),
    ],
    "Web server": [
        Setting(
            "PORT",
            "port",
            "The port of the pages and the API. With compose also an address, like 127.0.0.1:8000.",
        ),
        Setting(
            "URL_BASE",
            "url_base",
            "The path under which a reverse proxy serves this. Requests without it are answered, too.",
            example="/plex-wishlist",
        ),
        Setting(
            "TRUSTED_PROXIES",
            "trusted_proxies",
            "How many reverse proxies stand in front. Their X-Forwarded-For and -Proto are believed.",
        ),
        Setting("WEB_WORKERS", "web_workers", "How many web processes run."),
        Setting(
            "WEB_THREADS",
            "web_threads",
            "How many requests each process answers at a time, and its maximum of database connections.",
        ),
        Setting("LOG_LEVEL", "log_level", "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."),
    ],
    "Database": [
        Setting(
            "DATABASE_URL",
            "database_url",
            "The address of a PostgreSQL 15 or newer. Required, except with `make run` and `docker compose`.",
            example="postgresql://wishlist@localhost/wishlist",
            secret=True,
        ),
        Setting(
            "DATABASE_PASSWORD",
            "database_url",
            "The password, if it is not in DATABASE_URL. Special characters need no encoding here.",
            secret=True,
        ),
        Setting(
            "POSTGRES_USER",
            "",
            "The user of the database that compose makes. Used when it is first made, like the next two.",
            "wishlist",
        ),
        Setting("POSTGRES_PASSWORD", "", "Its password. One is made unless you set it."),
        Setting("POSTGRES_DB", "", "Its name.", "wishlist"),
    ],
    "Backup": [
        Setting("COMPOSE_PROFILES", "", "`backup` adds a backup every night at 03:30.", example="backup"),
        Setting(
            "BACKUP_DIR",
            "backup_dir",
            "Where backups go; made if it does not exist. A relative path starts at the working directory. "
            "With compose a volume, or a folder of the host, like /volume1/docker/plex-wishlist/backup.",
        ),
    ],
    "Containers": [
        Setting("PUID", "", "The user id that the containers run as.", "1026"),
        Setting("PGID", "", "The group id that the containers run as.", "100"),
        Setting("TZ", "", "The time zone of the nightly backup.", "Etc/UTC"),
    ],
    "For tests": [
        Setting("PLEX_DISCOVER_URL", "plex_discover_url", "Where the watchlists are."),
        Setting("PLEX_TV_URL", "plex_tv_url", "Where the Plex accounts are."),
    ],
}
