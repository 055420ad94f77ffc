"""Settings: read once from the environment. One message lists every missing or invalid setting."""

import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from dotenv.main import with_warn_for_invalid_lines
from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from wishlist_service.config import parsers

DATABASE_SETTINGS: Final = ("DATABASE_URL", "DATABASE_PASSWORD")

_MADE: Final = "At least 16 characters. Required, but `make run` and `docker compose` make one."


class Setting(NamedTuple):
    """A setting: how it is read, and what docs/settings.md and .env.example say about it."""

    name: str
    meaning: str
    parse: Callable[[str], Any] = str
    """Raises ValueError with a text that follows the name."""
    default: Any = ""
    example: str = ""
    secret: bool = False
    """Whether NAME_FILE may name a file that holds it."""
    required: bool = False
    compose_only: bool = False
    """Whether only docker-compose.yml reads it."""

    @property
    def default_text(self) -> str:
        """The default as .env writes it; empty if there is none."""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        return "" if self.default == () else str(self.default)

    def read(self, env: Mapping[str, str]) -> Any:
        """Return the value; an empty text counts as unset. Raises ValueError with a text that begins with the name."""
        text = self._read_text(env)
        if not text and self.required:
            raise ValueError(
                f"{self.name} is missing. {f'Example: {self.example}' if self.example else parsers.MAKE_ONE}"
            )
        try:
            return self.parse(text) if text else self.default
        except ValueError as error:
            complete = self.secret or isinstance(error, parsers.CompleteError)
            raise ValueError(f"{self.name} {error}{'' if complete else f', not {text!r}'}") from None

    def _read_text(self, env: Mapping[str, str]) -> str:
        text = _strip(env, self.name)
        path = _strip(env, f"{self.name}_FILE") if self.secret and not text else ""
        if not path:
            return text
        try:
            text = Path(path).read_text(encoding="utf-8-sig").strip()  # editors of Windows add a BOM
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.name}_FILE names a file that cannot be read: {type(error).__name__}") from None
        if text and not text.strip("\0"):
            raise ValueError(
                f"{self.name}_FILE names a file of zeros, as a power cut leaves it. Put back what was in it"
            )
        if not text:  # as unset, an empty READ_API_KEY would let everyone read
            raise ValueError(f"{self.name}_FILE names an empty file")
        return text


def _strip(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if value != value.encode(errors="replace").decode():
        raise ValueError(f"{name} has bytes that are not UTF-8")
    return value


def _setting(name: str, meaning: str, parse: Callable[[str], Any] = str, default: object = "", **more: Any) -> Any:
    setting = Setting(name, meaning, parse, default, **more)
    without: Any = MISSING
    return field(
        default=without if setting.required else default, repr=not setting.secret, metadata={"setting": setting}
    )


class ConfigError(Exception):
    """Settings are missing or invalid. The message lists each and how to fix it."""

    def __init__(self, errors: list[str]) -> None:
        lines = "".join(f"\n  - {error}" for error in errors)
        super().__init__(f"Invalid settings (environment or .env):{lines}")
        self.errors = errors


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of the service. repr() leaves out secrets."""

    database_url: str = _setting(
        "DATABASE_URL",
        "The address of a PostgreSQL 15 or newer. Required, except with `make run` and `docker compose`.",
        parsers.database_url,
        example="postgresql://wishlist@localhost/wishlist",
        secret=True,
        required=True,
    )
    api_key: str = _setting(
        "API_KEY",
        f"The key for requests that change something. {_MADE} Keys that are easy to guess are refused.",
        parsers.header_secret,
        secret=True,
        required=True,
    )
    token_encryption_keys: tuple[str, ...] = _setting(
        "TOKEN_ENCRYPTION_KEY",
        f"The passphrase that encrypts the Plex tokens. {_MADE} Keep a copy: without it the stored tokens "
        "cannot be read. To change it, put the new one before the old one, with a comma between them.",
        parsers.secrets,
        (),
        secret=True,
        required=True,
    )
    read_api_key: str = _setting(
        "READ_API_KEY",
        "A second key that may only read. With it, reading is closed to others.",
        parsers.header_secret,
        secret=True,
    )
    reading: str = _setting(
        "READING",
        "`open`: everyone who reaches the port may read. `closed`: reading needs a key, or signing in with Plex. "
        "Unset, it is `closed` with a READ_API_KEY and else `open`.",
        parsers.choice("open", "closed"),
    )
    names: str = _setting(
        "NAMES",
        "`hidden`: only admins and people who signed in with Plex see names; others see `Person 1` instead. `all`: "
        "names are shown.",
        parsers.choice("all", "hidden"),
        "all",
    )
    look_minutes: float = _setting(
        "PLEX_LOOK_MINUTES",
        "Minutes between two looks at a watchlist, decimals allowed, from 0.05 to 1440. A look is one small request; "
        "a changed list is read at once. `0`: no looks.",
        parsers.number_or_zero(0.05, 1440),
        3,
    )
    sync_interval_hours: float = _setting(
        "PLEX_SYNC_INTERVAL_HOURS",
        "Hours between two full reads of a watchlist, decimals allowed, from 0.01 to 8760.",
        parsers.number(0.01, 8760),
        6,
    )
    keep_runs_days: int = _setting(
        "KEEP_RUNS_DAYS",
        "After how many days a sync run is deleted, from 1 to 3650. The last one of each kind stays.",
        parsers.integer(1, 3650),
        90,
    )
    log_level: str = _setting(
        "LOG_LEVEL",
        "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.",
        parsers.choice("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "INFO",
    )
    url_base: str = _setting(
        "URL_BASE",
        "The path under which a reverse proxy serves this. Requests without it are answered, too.",
        parsers.url_base,
        example="/plex-wishlist",
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES",
        "How many reverse proxies stand in front. Their X-Forwarded-For and -Proto are believed.",
        parsers.integer(0, 10),
        0,
    )
    cors_origins: tuple[str, ...] = _setting(
        "CORS_ORIGINS",
        "Other sites whose pages may read the API in a browser, with spaces or commas between them; `*` for all.",
        parsers.origins,
        (),
        example="https://dash.example.org",
    )
    public_url: str = _setting(
        "PUBLIC_URL",
        "The address at which people open this service.",
        parsers.web_url("https://wishes.example.org"),
        example="https://wishes.example.org",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        "ALLOWED_HOSTS",
        "Host names that are answered without a key, with commas or spaces between them. `*.example.org` stands for "
        "all names below it, `*` for every host. IP addresses, names without a dot, names of home networks like "
        "`nas.local` and the host of PUBLIC_URL are always answered. Behind a proxy (TRUSTED_PROXIES) every host is, "
        "unless this is set.",
        parsers.hosts,
        (),
        example="nas.example.org",
    )
    plex_discover_url: str = _setting(
        "PLEX_DISCOVER_URL",
        "Where the watchlists are.",
        parsers.web_url("https://discover.provider.plex.tv"),
        "https://discover.provider.plex.tv",
    )
    plex_tv_url: str = _setting(
        "PLEX_TV_URL", "Where the Plex accounts are.", parsers.web_url("https://plex.tv"), "https://plex.tv"
    )
    plex_auth_url: str = _setting(
        "PLEX_AUTH_URL",
        "Where people sign in at Plex, in their browser.",
        parsers.web_url("https://app.plex.tv/auth"),
        "https://app.plex.tv/auth",
    )
    plex_images_url: str = _setting(
        "PLEX_IMAGES_URL",
        "Where Plex makes posters smaller. Browsers load the posters of the pages from there.",
        parsers.web_url("https://images.plex.tv"),
        "https://images.plex.tv",
    )
    plex_community_url: str = _setting(
        "PLEX_COMMUNITY_URL",
        "Where the watchlists of friends are.",
        parsers.web_url("https://community.plex.tv/api"),
        "https://community.plex.tv/api",
    )
    page_pause_seconds: float = _setting(
        "PLEX_PAGE_PAUSE_SECONDS", "Seconds between two pages of a watchlist.", parsers.number(0, 60), 1
    )
    plex_timeout_seconds: float = _setting(
        "PLEX_TIMEOUT_SECONDS", "How many seconds Plex may take to answer.", parsers.number(1, 300), 20
    )
    plex_language: str = _setting(
        "PLEX_LANGUAGE",
        "The language of titles and summaries, like `de` or `pt-BR`. After a change all of them are read again.",
        parsers.language,
        "en",
    )
    plex_server_url: str = _setting(
        "PLEX_SERVER_URL",
        "The address of your Plex media server. The wishlist then shows which titles it has.",
        parsers.web_url("http://192.168.1.10:32400"),
        example="http://192.168.1.10:32400",
    )
    plex_server_token: str = _setting(
        "PLEX_SERVER_TOKEN", "The token of the server's owner.", parsers.foreign_secret, secret=True
    )
    library_minutes: float = _setting(
        "PLEX_LIBRARY_MINUTES",
        "Minutes between two looks at the media server, decimals allowed, from 0.05 to 1440. A look at unchanged "
        "libraries is one small request. `0`: only with each full read of a watchlist. See "
        "[notifications](notifications.md) for webhooks.",
        parsers.number_or_zero(0.05, 1440),
        15,
    )
    plex_collection: str = _setting(
        "PLEX_COLLECTION",
        "A collection to keep in each library, with the wanted titles that are there. Choose a name that you "
        "do not use: other titles in it are taken out. See [write-back](write-back.md).",
        parsers.line,
        example="Household wishlist",
    )
    remove_when_available: bool = _setting(
        "REMOVE_WHEN_AVAILABLE",
        "`true`: takes titles off the watchlists a day after they came into a library. "
        "Read [write-back](write-back.md) first.",
        parsers.flag,
        False,
    )
    remove_after_sync: bool = _setting(
        "REMOVE_AFTER_SYNC",
        "`true`: takes each title off its person's watchlist once it is stored here. It stays on the "
        "wishlist. Read [write-back](write-back.md) first.",
        parsers.flag,
        False,
    )
    notify_urls: tuple[str, ...] = _setting(
        "NOTIFY_URLS",
        "Where to send messages about new wishes, as [Apprise](https://github.com/caronc/apprise/wiki) "
        "addresses with spaces or commas between them. See [notifications](notifications.md).",
        parsers.addresses,
        (),
        secret=True,
    )
    notify_targets: str = _setting(
        "NOTIFY_TARGETS",
        "`public`: an address for messages that a member sets for themselves may not lead to this machine or to a "
        "private network. `any`: it may lead anywhere. Addresses of an admin may in both cases.",
        parsers.choice("public", "any"),
        "public",
    )
    port: int = _setting(
        "PORT",
        "The port of the pages and the API. With compose also an address, like 127.0.0.1:8000.",
        parsers.integer(1, 65535),
        8000,
    )
    web_threads: int = _setting(
        "WEB_THREADS",
        "How many requests each process answers at a time, and its maximum of database connections.",
        parsers.integer(1, 64),
        4,
    )
    web_workers: int = _setting("WEB_WORKERS", "How many web processes run.", parsers.integer(1, 16), 1)
    backup_dir: Path = _setting(  # noqa: RUF009 - it gives a field
        "BACKUP_DIR",
        "Where backups go; made if it does not exist. A relative path starts at the working directory. "
        "With compose a volume, or a folder of the host, like /volume1/docker/plex-wishlist/backup.",
        parsers.path,
        Path("backup"),
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str], *, uses: Collection[str] = (), with_driver: bool = True) -> "Config":
        """Return the settings in `env`. Raises ConfigError.

        uses: the names of the settings that the program uses; errors in others are ignored. Empty means all.
        with_driver: False for a process without a database. It checks only how DATABASE_URL begins.
        """
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for attribute, setting in SETTINGS.items():
            try:
                values[attribute] = setting.read(env)
            except ValueError as error:
                values[attribute] = setting.default
                errors[attribute] = str(error)
        errors |= _find_equal_keys(values)
        if values["reading"] == "open" and values["read_api_key"]:
            errors["reading"] = (
                "READING=open cannot be used with a READ_API_KEY, which closes reading. Remove one of them"
            )
        for attribute, needed in _NEEDS.items():
            if values[attribute] and not values[needed] and needed not in errors:
                errors[attribute] = f"{SETTINGS[attribute].name} needs {SETTINGS[needed].name}, too"
        password = values.pop("database_password")
        if with_driver and "database_url" not in errors:
            try:
                values["database_url"] = parsers.with_password(values["database_url"], password)
            except ValueError as error:
                errors["database_url"] = f"DATABASE_URL {error}"
        if told := [text for attribute, text in errors.items() if not uses or SETTINGS[attribute].name in uses]:
            raise ConfigError(told)
        return cls(**values)


def _find_equal_keys(values: Mapping[str, Any]) -> dict[str, str]:
    """Return an error for each key that is the same as another one."""
    errors: dict[str, str] = {}
    passphrases = values["token_encryption_keys"]
    if len(set(passphrases)) < len(passphrases):
        errors["token_encryption_keys"] = "TOKEN_ENCRYPTION_KEY has the same key twice"  # noqa: S105 - a sentence
    for attribute in ("api_key", "read_api_key"):
        if values[attribute] in passphrases:
            name = SETTINGS[attribute].name
            errors[attribute] = f"{name} must differ from TOKEN_ENCRYPTION_KEY. Change {name}. {parsers.MAKE_ONE}"
    if values["read_api_key"] and values["read_api_key"] == values["api_key"]:
        errors["read_api_key"] = f"READ_API_KEY must differ from API_KEY. {parsers.MAKE_ONE}"
    return errors


SETTINGS: Final[dict[str, Setting]] = {each.name: each.metadata["setting"] for each in fields(Config)} | {
    "database_password": Setting(
        "DATABASE_PASSWORD",
        "The password, if it is not in DATABASE_URL. Special characters need no encoding here.",
        secret=True,
    )
}
"""Every setting that the service reads, by its attribute of Config."""

_NEEDS: Final = {
    "plex_server_url": "plex_server_token",
    "plex_server_token": "plex_server_url",
    "plex_collection": "plex_server_url",
    "remove_when_available": "plex_server_url",
}


def load_config(*, uses: Collection[str] = (), with_driver: bool = True) -> Config:
    """Return the settings of environment(). The parameters are those of Config.from_env().

    Ends the program with the list of errors if there are any.
    """
    try:
        return Config.from_env(environment(), uses=uses, with_driver=with_driver)
    except ConfigError as error:
        sys.exit(str(error))


def environment() -> dict[str, str]:
    """Return the variables of the environment and of `.env` in the working directory. The environment wins."""
    try:
        told = _read_env_file(Path(".env"))
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"The file .env cannot be read: {type(error).__name__}. It must be a readable UTF-8 text.")
    return told | {name: value for name, value in os.environ.items() if value or name not in told}


def _read_env_file(path: Path) -> dict[str, str]:
    """Return the values. One in single quotes is taken as it is, as by compose; dotenv_values() would replace ${X}."""
    values: dict[str, str] = {}
    text = path.read_text(encoding="utf-8-sig") if path.is_file() or path.is_fifo() else ""
    text = text.replace("\0", "")  # a power cut may leave zeros
    for binding in with_warn_for_invalid_lines(parse_stream(StringIO(text))):
        if binding.key is None:
            continue
        literal = re.match(r"[^=]*=[^\S\n]*'((?:\\.|[^'\\])*)'", binding.original.string, re.DOTALL)
        known = os.environ | values
        values[binding.key] = (
            literal[1].replace("\\'", "'")
            if literal
            else "".join(part.resolve(known) for part in parse_variables(binding.value or ""))
        )
    return values


def postgres_environment() -> dict[str, str]:
    """Return the variables with which PostgreSQL's own programs reach the database as this process does."""
    return {name: value for name, value in os.environ.items() if name.startswith("PG") or name == "HOME"}
