"""Settings: read once from the environment into a frozen value, every fault named at once."""

import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from wishlist_service.settings import Reader

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
