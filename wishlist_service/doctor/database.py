"""The doctor's checks of the database: the server, the migrations, and the syncs that are due."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from psycopg import OperationalError

from wishlist_service import db
from wishlist_service.config import Config
from wishlist_service.doctor.errors import Error, Result
from wishlist_service.errors import DatabaseRefused, ServerRefused
from wishlist_service.models import NOT_SHOWN, PlexUser, SyncRun
from wishlist_service.process.deadline import within
from wishlist_service.queries import clocks, requirements, sync_runs, users
from wishlist_service.queries.clocks import TimesAhead
from wishlist_service.queries.schema import SQL_DIRECTORY, compare_schema, read_checksums

_ANSWER_SECONDS: Final = 15
_LATE: Final = timedelta(minutes=10)
_LASTING: Final = timedelta(days=1)
_NOT_ABOUT_LISTS: Final = ("never", "ok", "token_rejected", "token_unreadable", "other_account")
"""Read, not tried yet, or what check_tokens() tells."""


def check_server(
    database_url: str, config: Config | None = None, *, oldest: int = requirements.OLDEST_VERSION
) -> list[Result]:
    """Check that the server answers, is what we need, and can be written to."""
    another = partial(db.connect, database_url, role="doctor")

    def look() -> tuple[requirements.Server, str]:
        with db.connect(database_url, role="doctor") as conn:
            return requirements.check_server(conn, another, oldest=oldest), conn.info.host

    try:
        found, place = within(_ANSWER_SECONDS, look)
    except TimeoutError:
        return [Result("database", f"No answer within {_ANSWER_SECONDS} s.", Error.DATABASE_AWAY)]
    except ServerRefused as refused:
        return [Result("database", str(refused), Error[refused.kind])]
    except OperationalError as error:
        # libpq's questions ("Is the server running?") begin with a tab
        said = [line for line in str(error).splitlines() if not line.startswith("\t")]
        return [Result("database", f"{' '.join(said).rstrip('.')}.", Error.DATABASE_AWAY)]
    name = f"PostgreSQL {found.version} at {place}"
    if found.read_only:
        return [Result("database", f"{name} is read-only.", Error.DATABASE_READ_ONLY)]
    if config and (too_few := _tell_too_few(found, config)):
        return [Result("database", too_few, Error.DATABASE_CONNECTIONS)]
    if found.collation_changed:
        text = f"{name} sorts text in another way than when the database {found.database} was made."
        return [Result("database", f"{text} Its indexes may miss rows.", Error.DATABASE_COLLATION)]
    used = f"{found.connections} of {found.most_connections} connections in use"
    results = [Result("database", f"{name}, {found.size}, {used}.")]
    if text := requirements.tell_superuser(found):
        results.append(Result("database", text, mark="warn"))
    return results


def _tell_too_few(found: requirements.Server, config: Config) -> str:
    return requirements.tell_too_few(found, web_workers=config.web_workers, web_threads=config.web_threads)


def check_migrations(database_url: str, *, directory: Path = SQL_DIRECTORY) -> list[Result]:
    """Check that every migration of this version is applied, from the same files. Apply none."""
    known = read_checksums(directory)
    try:
        schema = db.ask(database_url, compare_schema, directory=directory)
    except DatabaseRefused as refused:
        return [Result("migrations", f"This version cannot use it, since {refused.reason}.", Error.OTHER_SCHEMA)]
    if len(schema.missing) == len(known):
        return [Result("migrations", "The database has no tables yet.", Error.MIGRATIONS)]
    if schema.missing:
        return [Result("migrations", f"Not applied: {', '.join(schema.missing)}.", Error.MIGRATIONS)]
    newer = f" The database is ahead of this version by {', '.join(schema.newer)}." if schema.newer else ""
    return [Result("migrations", f"All are applied, the last is {max(known)}.{newer}")]


def check_scheduler(database_url: str, *, interval: timedelta) -> list[Result]:
    """Check that no sync is overdue, that no time is false, and that each watchlist was read within a day.

    interval: of full reads.
    """
    with db.connect(database_url, role="doctor") as conn:
        ahead = clocks.find_times_ahead(conn, interval=interval)
        due = sync_runs.find_next_run(conn)
        running = sync_runs.find_running_run(conn)
        people = users.list_users(conn, active=True, limit=1_000_000, offset=0)
    return [_check_due(due, running), *_check_times(ahead), *_check_lists(people)]


def _check_due(due: datetime | None, running: SyncRun | None) -> Result:
    if running:
        return Result("scheduler", f"Sync {running.id} is running.")
    if due is None:
        return Result("scheduler", "There are no people to sync yet.", mark="note")
    left = due - datetime.now(UTC)
    if left < -_LATE:
        return Result("scheduler", f"The sync due at {due:%Y-%m-%d %H:%M} UTC did not start.", Error.SCHEDULER)
    minutes = max(0, round(left.total_seconds() / 60))
    return Result("scheduler", f"The next sync is due in {minutes // 60} h {minutes % 60} min.")


def _check_times(ahead: TimesAhead) -> Iterator[Result]:
    for number, what in (
        (ahead.due, "Lists that are due further ahead than the interval allows"),
        (ahead.attempts, "People who have a time of the past, like that of the last read, in the future"),
        (ahead.others, "Other times that are further ahead than they can be"),
    ):
        if number:
            yield Result("scheduler", f"{what}: {number}.", Error.TIMES_AHEAD)


def _check_lists(people: Sequence[PlexUser]) -> Iterator[Result]:
    for person in people:
        text = f"{person.name}: {person.sync_state}. {person.sync_detail}"
        read_at = person.last_success_at or person.created_at
        if person.sync_state in NOT_SHOWN:
            yield Result("list", text, mark="note")
        elif person.sync_state not in _NOT_ABOUT_LISTS and datetime.now(UTC) - read_at >= _LASTING:
            yield Result("list", text, Error.LIST_UNREAD)
