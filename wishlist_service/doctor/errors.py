"""The errors that the doctor finds, each with its fix, and the result of a check."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Error(Enum):
    """An error: its heading in docs/troubleshooting.md, and how to fix it."""

    def __init__(self, heading: str, fix: str) -> None:
        self.heading = heading
        self.fix = fix

    SETTINGS = (
        "Settings are missing or wrong",
        "Correct .env in the working directory, or the environment. .env.example shows all settings.",
    )
    DATABASE_AWAY = ("The database cannot be reached", "Check that PostgreSQL runs, and every part of DATABASE_URL.")
    DATABASE_OLD = ("The database is too old", "Move the database to PostgreSQL 15 or newer.")
    DATABASE_READ_ONLY = (
        "The database cannot be written to",
        "Name the primary server in DATABASE_URL, or turn off default_transaction_read_only.",
    )
    DATABASE_ENCODING = (
        "The database has another encoding than UTF-8",
        "Make a database with the encoding UTF8, and name it in DATABASE_URL.",
    )
    DATABASE_RIGHTS = (
        "The user of the database may not create tables",
        "Give the user the right as its line says, or connect as the owner of the database.",
    )
    DATABASE_POOLER = (
        "A pooler in transaction mode stands before the database",
        "Set pool_mode = session for this database, or let DATABASE_URL name the server itself.",
    )
    DATABASE_CONNECTIONS = (
        "The database allows too few connections",
        "Raise max_connections, or the limit of the user or the database, or lower WEB_WORKERS or WEB_THREADS.",
    )
    DATABASE_COLLATION = (
        "The collation of the database has changed",
        "Stop the service and run in the database: REINDEX DATABASE; ALTER DATABASE name REFRESH COLLATION VERSION;",
    )
    MIGRATIONS = ("Migrations are missing", "Run: python -m wishlist_service.migrate")
    OTHER_SCHEMA = (
        "The database is of another version",
        "Back it up and export the wishlist with the version that made it, or name a new database in DATABASE_URL.",
    )
    NAME_NOT_FOUND = ("Plex is not found by name", "Check this machine's name server, and filters like Pi-hole.")
    NO_CONNECTION = ("No connection to Plex", "Check the internet connection, and that the firewall allows port 443.")
    NO_SECURE_CONNECTION = (
        "No secure connection to Plex",
        "Check the clock, then look for a login page, virus scanner or proxy that answers instead of Plex.",
    )
    OTHER_ANSWER = (
        "Plex answers, but not as expected",
        "Look for a login page of this network. If Plex has an error, wait. Otherwise look for a newer version.",
    )
    PROXY = ("A proxy stands in the way", "Correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or set NO_PROXY=.plex.tv")
    CLOCK = ("The clock is wrong", "Set the clock of this machine, best by NTP: timedatectl set-ntp true")
    TOKEN_REFUSED = ("Plex refuses a token", "Send this person a sign-in link: POST /api/users/ID/link.")
    TOKEN_UNREADABLE = (
        "A token cannot be decrypted",
        "Put the earlier TOKEN_ENCRYPTION_KEY back after the new one and a comma, or save a new token.",
    )
    OTHER_ACCOUNT = (
        "A token is of another account",
        "Save a token of the right account, or remove one of two people with the same account.",
    )
    MEDIA_SERVER = (
        "The media server cannot be looked through",
        "Check that it runs, that PLEX_SERVER_URL works from here, and that PLEX_SERVER_TOKEN is its owner's.",
    )
    SCHEDULER = (
        "The scheduler is not running",
        "Start it: python -m wishlist_service.scheduler, or docker compose up -d scheduler.",
    )
    TIMES_AHEAD = (
        "Times in the database lie in the future",
        "The clock was ahead for a while. Check that it is right now, then start the scheduler: it corrects them.",
    )
    LIST_UNREAD = (
        "A watchlist was not read for a day",
        "Look up the state that the line names; most states pass by themselves, others say what to do.",
    )
    DISK = ("The disk is nearly full", "Make room: PostgreSQL stops writing when its disk is full.")
    BROKEN_OFF = ("A check broke off", "If the page named here does not help, report it with these lines.")


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    subject: str
    text: str
    error: Error | None = None
    mark: Literal["ok", "note", "skip", "warn"] = "ok"
