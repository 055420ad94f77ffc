"""What the doctor finds: a sentence for each check, and for each kind of fault its heading and its cure."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal


class Kind(Enum):
    """The kinds of fault. Each heading is one of docs/troubleshooting.md, which says more."""

    heading: str
    cure: str

    def __init__(self, heading: str, cure: str) -> None:
        self.heading = heading
        self.cure = cure

    SETTINGS = (
        "Settings are missing or wrong",
        "Mend .env in the working directory, or the environment; .env.example shows all settings.",
    )
    DATABASE_AWAY = (
        "The database cannot be reached",
        "Check that PostgreSQL runs, and each part of DATABASE_URL: host, port, user, password, database.",
    )
    DATABASE_OLD = ("The database is too old", "Move the database to PostgreSQL 15 or newer.")
    DATABASE_READ_ONLY = (
        "The database cannot be written to",
        "Name the primary server in DATABASE_URL, or turn off default_transaction_read_only.",
    )
    MIGRATIONS = ("Migrations are missing", "Run: python -m wishlist_service.migrate")
    OTHER_SCHEMA = (
        "The database is of another version",
        "Back it up and export the wishlist with the version that made it, or name a new database in DATABASE_URL.",
    )
    NAME_NOT_FOUND = (
        "Plex is not found by name",
        "Check the name server of this machine or container, and filters like Pi-hole.",
    )
    NO_CONNECTION = (
        "No connection to Plex",
        "Check the internet connection and the firewall: this machine must reach Plex on port 443.",
    )
    NO_SECURE_CONNECTION = (
        "No secure connection to Plex",
        "Check the clock, then look for a login page, virus scanner or proxy that answers instead of Plex.",
    )
    OTHER_ANSWER = (
        "Plex answers, but not as expected",
        "Look for a login page of this network; if Plex is in trouble, wait; else look for a newer version.",
    )
    PROXY = (
        "A proxy stands in the way",
        "Mend HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or name Plex in NO_PROXY: .plex.tv",
    )
    CLOCK = ("The clock is wrong", "Set the clock of this machine, best by NTP: timedatectl set-ntp true")
    TOKEN_REFUSED = (
        "Plex refuses a token",
        "Get a new token as this person and save it: PATCH /api/users/ID.",
    )
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
        "Check that it runs, PLEX_SERVER_URL as seen from here, and that PLEX_SERVER_TOKEN is its owner's.",
    )
    SCHEDULER = (
        "The scheduler is not running",
        "Start it: python -m wishlist_service.scheduler, or docker compose up -d scheduler.",
    )
    DISK = ("The disk is nearly full", "Make room: PostgreSQL stops writing when its disk is full.")
    BROKEN_OFF = (
        "A check broke off",
        "If the page named here does not help, please report it with these lines.",
    )


@dataclass(frozen=True)
class Finding:
    """One line of the report; `fault` says that something is wrong, and what kind of thing."""

    subject: str
    text: str
    mark: Literal["ok", "note", "skip"] = "ok"
    fault: Kind | None = None
