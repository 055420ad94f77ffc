"""Settings: read once from the environment into a frozen value, every fault named at once."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from dotenv import dotenv_values

from wishlist_service.settings import Reader


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
    web_workers: int = 2
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
            web_workers=read.integer("WEB_WORKERS", 2, least=1, most=16),
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


class Setting(NamedTuple):
    """A setting as docs/settings.md and .env.example describe it; `make docs` writes both."""

    name: str
    meaning: str
    attribute: str = ""
    """The attribute of Config that holds it; empty if Config has none."""
    value: str = ""
    """The default, where Config does not have it."""
    example: str = ""
    secret: bool = False
    """Whether NAME_FILE may name a file that holds it."""
    compose_only: bool = False

    @property
    def default(self) -> str:
        """The default as it is written in .env; empty if there is none."""
        value: object = getattr(Config, self.attribute, "") if self.attribute else self.value
        if isinstance(value, tuple):
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)


SETTINGS: Final[dict[str, tuple[Setting, ...]]] = {
    "Keys": (
        Setting(
            "API_KEY",
            "The key for requests that change something, at least 16 characters. Required, but `make run` and "
            "`docker compose` make one.",
            "api_key",
            secret=True,
        ),
        Setting(
            "READ_API_KEY",
            "A second key that may only read. Without it, everyone who reaches the port may read.",
            "read_api_key",
            secret=True,
        ),
        Setting(
            "NAMES",
            "`hidden`: anyone who does not send the API_KEY sees `Person 1` instead of names. `all`: names are shown.",
            "names",
        ),
        Setting(
            "TOKEN_ENCRYPTION_KEY",
            "The passphrase that encrypts the Plex tokens, at least 16 characters. Required, but `make run` and "
            "`docker compose` make one. Keep a copy: without it the stored tokens cannot be read. "
            "To change it, put the new one before the old one, separated by a comma: the first encrypts, all decrypt.",
            "token_encryption_keys",
            secret=True,
        ),
    ),
    "Sync": (
        Setting(
            "PLEX_SYNC_INTERVAL_HOURS",
            "Hours between two syncs of a person, decimals allowed, from 0.01 to 8760.",
            "sync_interval_hours",
        ),
        Setting("PLEX_PAGE_PAUSE_SECONDS", "Seconds between two pages of a watchlist.", "page_pause_seconds"),
        Setting("PLEX_TIMEOUT_SECONDS", "How many seconds Plex may take to answer.", "plex_timeout_seconds"),
    ),
    "Telling people": (
        Setting(
            "NOTIFY_URLS",
            "Where to send messages about new wishes, as [Apprise](https://github.com/caronc/apprise/wiki) addresses "
            "separated by spaces. See [notifications](notifications.md).",
            "notify_urls",
            secret=True,
        ),
    ),
    "The media server, and what is changed at Plex": (
        Setting(
            "PLEX_SERVER_URL",
            "The address of your Plex media server. The wishlist then says which titles it has. Needs "
            "PLEX_SERVER_TOKEN.",
            "plex_server_url",
            example="http://192.168.1.10:32400",
        ),
        Setting("PLEX_SERVER_TOKEN", "The token of the server's owner.", "plex_server_token", secret=True),
        Setting(
            "PLEX_COLLECTION",
            "The name of a collection to keep in each library, with the wanted titles that are there. "
            "Choose a name that you do not use: other titles in it are taken out. "
            "See [write-back](write-back.md).",
            "plex_collection",
            example="Household wishlist",
        ),
        Setting(
            "REMOVE_WHEN_AVAILABLE",
            "`true`: takes titles off the watchlists a day after they came into a library. "
            "Read [write-back](write-back.md) first.",
            "remove_when_available",
        ),
        Setting(
            "REMOVE_AFTER_SYNC",
            "`true`: takes each title off its person's watchlist once it is stored here. It stays on the wishlist. "
            "Read [write-back](write-back.md) first.",
            "remove_after_sync",
        ),
    ),
    "Web server": (
        Setting("PORT", "The port of the pages and the API. With compose also an address: 127.0.0.1:8000.", "port"),
        Setting(
            "URL_BASE",
            "The path under which a reverse proxy serves the service. Requests without it are answered, too.",
            "url_base",
            example="/plex-wishlist",
        ),
        Setting(
            "TRUSTED_PROXIES",
            "How many reverse proxies stand in front of the service. Their X-Forwarded-For and X-Forwarded-Proto are "
            "believed.",
            "trusted_proxies",
        ),
        Setting("WEB_WORKERS", "How many web processes run.", "web_workers"),
        Setting(
            "WEB_THREADS",
            "How many requests each process answers at a time, and its maximum of database connections.",
            "web_threads",
        ),
        Setting("LOG_LEVEL", "`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`.", "log_level"),
    ),
    "Database": (
        Setting(
            "DATABASE_URL",
            "The address of a PostgreSQL 15 or newer. Required, except for `docker compose`, which brings a database, "
            "and `make run`, which starts a private one.",
            "database_url",
            example="postgresql://wishlist@localhost/wishlist",
            secret=True,
        ),
        Setting(
            "DATABASE_PASSWORD",
            "The database's password, if it is not in DATABASE_URL. Special characters need no encoding here.",
            secret=True,
        ),
        Setting(
            "POSTGRES_USER",
            "The user of the database that compose makes. It is used when the database is first made, like the next "
            "two.",
            value="wishlist",
            compose_only=True,
        ),
        Setting("POSTGRES_PASSWORD", "Its password. One is made unless you set it.", compose_only=True),
        Setting("POSTGRES_DB", "Its name.", value="wishlist", compose_only=True),
    ),
    "Backup": (
        Setting(
            "COMPOSE_PROFILES",
            "`backup` adds a backup every night at 03:30.",
            example="backup",
            compose_only=True,
        ),
        Setting(
            "BACKUP_DIR",
            "Where backups go. The folder is made if it does not exist, and a relative path starts at the working "
            "directory. With compose: a volume, or a folder of the host like /volume1/docker/plex-wishlist/backup.",
            "backup_dir",
        ),
    ),
    "Containers": (
        Setting("PUID", "The user id that the containers run as.", value="1026", compose_only=True),
        Setting("PGID", "The group id that the containers run as.", value="100", compose_only=True),
        Setting("TZ", "The time zone of the nightly backup.", value="Etc/UTC", compose_only=True),
    ),
    "For tests": (
        Setting("PLEX_DISCOVER_URL", "Where the watchlists are.", "plex_discover_url"),
        Setting("PLEX_TV_URL", "Where the Plex accounts are.", "plex_tv_url"),
    ),
}
