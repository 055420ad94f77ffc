"""Backup and restore as processes, with pg_dump stopped half-way or replaced, and what an API shows afterwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from psycopg import Connection, connect

from tests.support.household import make_config
from tests.support.processes import Program, environment, program, wait_until
from wishlist_service.app import close_app, create_app, open_app

SHOWN = (
    "/api/wishlist",
    "/api/wishlist?status=all",
    "/api/wishlist/stats/summary",
    "/api/summary",
    "/api/changes",
    "/api/users",
    "/api/sync/runs",
)
NewDatabase = Callable[[str | None], str]
OLDER = [f"wishlist-2020-01-0{day}T033000Z.dump" for day in range(1, 10)]


def with_older_backups(directory: Path) -> Path:
    """A BACKUP_DIR with nine older backups in it."""
    directory.mkdir()
    for name in OLDER:
        (directory / name).write_text(name)
    return directory


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def back_up(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    with program("-m", "wishlist_service.backup", *arguments, env=env) as command:
        return command.exit_status(), command.output


def with_fake_pg_dump(env: dict[str, str], directory: Path, script: str, *, version: int) -> dict[str, str]:
    """Settings with which this shell script is the first choice for a pg_dump of this version."""
    fake = directory.with_name("bin") / "pg_dump"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}.0" && exit\n{script}\n')
    fake.chmod(0o755)
    return env | {"PATH": f"{fake.parent}:{env['PATH']}"}


@contextmanager
def in_the_middle(env: dict[str, str], conn: Connection[Any], *arguments: str) -> Iterator[tuple[Program, int]]:
    """A backup whose pg_dump waits for a table, and the number of that process."""
    waiting = """
        SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'pg_dump' AND wait_event_type = 'Lock'
        """
    with connect(env["DATABASE_URL"]) as holder:
        holder.execute("LOCK TABLE wishlist_items IN ACCESS EXCLUSIVE MODE")
        with program("-m", "wishlist_service.backup", *arguments, env=env) as command:
            wait_until(lambda: conn.execute(waiting).rowcount)
            [pg_dump] = [pid for pid, line in command_lines().items() if f"--file={env['BACKUP_DIR']}/" in line]
            yield command, pg_dump


def command_lines() -> dict[int, str]:
    """The process list as everybody sees it."""
    lines: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines[int(path.parent.name)] = path.read_text(errors="replace")
        except OSError:
            continue
    return lines


def dump_of(url: str, directory: Path) -> Path:
    status, output = back_up(environment(url, BACKUP_DIR=str(directory / "backup")))
    assert status == 0, output
    [dump] = (directory / "backup").iterdir()
    return dump


def restore(url: str, dump: Path, *arguments: str, **settings: str) -> tuple[int, str]:
    """Exit status and output."""
    env = environment(url, **settings)
    with program("-m", "wishlist_service.restore", str(dump), *arguments, env=env) as command:
        return command.exit_status(), command.output


def shown_by(client: FlaskClient) -> list[bytes]:
    replies = [client.get(path) for path in SHOWN]
    assert {reply.status_code for reply in replies} == {200}
    return [reply.data for reply in replies]


def shown(url: str) -> list[bytes]:
    """What an API over this database replies."""
    app = create_app(make_config(database_url=url))
    open_app(app)
    try:
        return shown_by(app.test_client())
    finally:
        close_app(app)
