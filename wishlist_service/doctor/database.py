"""The doctor's look at the database: the server, the migrations, and what the scheduler left in it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from psycopg import OperationalError

from wishlist_service import db
from wishlist_service.doctor.findings import Finding, Kind
from wishlist_service.errors import DatabaseRefused
from wishlist_service.models import Server
from wishlist_service.process.deadline import within
from wishlist_service.queries import server, sync_runs, users
from wishlist_service.queries.schema import SQL_DIRECTORY, compare_schema, read_checksums
from wishlist_service.tokens import TokenCipher, decrypt_all

OLDEST_VERSION: Final = 15
_ANSWER_SECONDS: Final = 15
_LATE: Final = timedelta(minutes=10)


def check_server(database_url: str, *, oldest: int = OLDEST_VERSION) -> list[Finding]:
    """Whether the server answers, is new enough and lets us write."""

    def look() -> tuple[Server, str]:
        with db.connect(database_url, role="doctor") as conn:
            return server.get_server(conn), conn.info.host

    try:
        here, place = within(_ANSWER_SECONDS, look)
    except TimeoutError:
        return [Finding("database", f"No answer within {_ANSWER_SECONDS} s.", fault=Kind.DATABASE_AWAY)]
    except OperationalError as error:
        told = [line for line in str(error).splitlines() if not line.startswith("\t")]  # those ask: is it running?
        return [Finding("database", f"{' '.join(told).rstrip('.')}.", fault=Kind.DATABASE_AWAY)]
    found = f"PostgreSQL {here.version} at {place}"
    if here.major_version < oldest:
        return [Finding("database", f"{found}; this service needs {oldest} or newer.", fault=Kind.DATABASE_OLD)]
    if here.read_only:
        return [Finding("database", f"{found} only lets us read.", fault=Kind.DATABASE_READ_ONLY)]
    used = f"{here.connections} of {here.most_connections} connections in use"
    return [Finding("database", f"{found}, {here.size}, {used}.")]


def check_migrations(database_url: str, *, directory: Path = SQL_DIRECTORY) -> list[Finding]:
    """Whether every migration of this version is applied, from the same files. Applies nothing."""
    known = read_checksums(directory)
    try:
        schema = db.ask(database_url, compare_schema, directory=directory)
    except DatabaseRefused as refused:
        text = f"This version cannot use the database, since {refused.reason}."
        return [Finding("migrations", text, fault=Kind.OTHER_SCHEMA)]
    if len(schema.missing) == len(known):
        return [Finding("migrations", "The database has no tables yet.", fault=Kind.MIGRATIONS)]
    if schema.missing:
        return [Finding("migrations", f"Not applied: {', '.join(schema.missing)}.", fault=Kind.MIGRATIONS)]
    text = f"All are applied, the last is {max(known)}."
    if schema.newer:
        text += f" The database is ahead of this version by {', '.join(schema.newer)}."
    return [Finding("migrations", text)]


def check_scheduler(database_url: str) -> list[Finding]:
    """Whether somebody waits for a sync that has not come."""
    with db.connect(database_url, role="doctor") as conn:
        due = sync_runs.find_next_run(conn)
        running = sync_runs.find_running_run(conn)
    if running:
        return [Finding("scheduler", f"Sync {running.id} is running.")]
    if due is None:
        return [Finding("scheduler", "There is nobody to sync yet.", mark="note")]
    left = due - datetime.now(UTC)
    if left < -_LATE:
        text = f"The sync of {due:%Y-%m-%d %H:%M} UTC has not come."
        return [Finding("scheduler", text, fault=Kind.SCHEDULER)]
    minutes = max(0, round(left.total_seconds() / 60))
    return [Finding("scheduler", f"The next sync is due in {minutes // 60} h {minutes % 60} min.")]


def find_unreadable_of_paused(database_url: str, cipher: TokenCipher) -> list[Finding]:
    """Plex is not asked about paused people, but their tokens are to be there when they come back."""
    _, unreadable = decrypt_all(db.ask(database_url, users.list_tokens, active=False), cipher)
    return [
        Finding("token", f"{name} (paused): {reason}", fault=Kind.TOKEN_UNREADABLE)
        for name, reason in unreadable.items()
    ]
