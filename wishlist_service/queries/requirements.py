"""What the database server must be, for migrate, API, scheduler and doctor. Checked before anything else is done."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from psycopg import Connection

from wishlist_service.db import rows, value
from wishlist_service.errors import ServerRefused

logger = logging.getLogger(__name__)

OLDEST_VERSION: Final = 15
BESIDE_REQUESTS: Final = 10
"""How many connections the scheduler, a manual sync, health checks and a backup may have at a time."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """The database server, and what this user may do. `size` is that of the database, as text with its unit."""

    version: str
    encoding: str
    database: str
    user: str
    superuser: bool
    schema: str | None
    """Where our tables are or would be made. None if no schema of the search_path exists or may be used."""
    may_create: bool
    read_only: bool
    size: str
    connections: int
    most_connections: int
    usable_connections: int
    """How many this user may have at a time."""
    collation_changed: bool


def check_database(connect: Callable[[], Connection], *, web_workers: int, web_threads: int) -> Server:
    """Return the server. Raise ServerRefused if it cannot be used. Warn if it allows too few connections.

    A database that can only be read now is no reason. Raises OperationalError if it is away.
    """
    with connect() as conn:
        found = check_server(conn, connect)
    if text := tell_too_few(found, web_workers=web_workers, web_threads=web_threads):
        logger.warning("%s", text)
    return found


def check_server(conn: Connection, connect: Callable[[], Connection], *, oldest: int = OLDEST_VERSION) -> Server:
    """Return the server, or raise ServerRefused: what is wrong can only be mended by who administers it.

    connect: opens another connection to the same address.
    """
    if conn.info.server_version // 10_000 < oldest:
        raise ServerRefused(
            "DATABASE_OLD",
            f"The database is PostgreSQL {conn.info.parameter_status('server_version')}. "
            f"This service needs {oldest} or newer.",
        )
    if _is_shared(conn, connect):
        raise ServerRefused(
            "DATABASE_POOLER",
            "A connection pooler in transaction mode (like pgbouncer with pool_mode = transaction) stands before the "
            "database. Locks live on connections, so use session mode, or let DATABASE_URL name the server itself.",
        )
    found = get_server(conn)
    if found.encoding != "UTF8":
        raise ServerRefused(
            "DATABASE_ENCODING",
            f"The database {found.database} has the encoding {found.encoding}, in which names and titles cannot be "
            "stored. Make one with: CREATE DATABASE wishlist ENCODING 'UTF8' TEMPLATE template0",
        )
    if not found.schema:
        raise ServerRefused(
            "DATABASE_RIGHTS",
            f"No schema of the search_path exists in the database {found.database}, or the user {found.user} may not "
            "use it. Make it with: CREATE SCHEMA name AUTHORIZATION user",
        )
    if not found.may_create and not found.read_only:
        raise ServerRefused(
            "DATABASE_RIGHTS",
            f"The user {found.user} may not create tables in the schema {found.schema} of the database "
            f'{found.database}. Let its owner run there: GRANT CREATE ON SCHEMA "{found.schema}" TO "{found.user}"',
        )
    return found


def tell_too_few(found: Server, *, web_workers: int, web_threads: int) -> str:
    """Return a sentence if the server allows too few connections, else an empty text."""
    needed = web_workers * web_threads + BESIDE_REQUESTS
    if found.usable_connections >= needed:
        return ""
    return (
        f"The database allows the user {found.user} only {found.usable_connections} connections at a time, and up to "
        f"{needed} are needed: {web_workers} × {web_threads} for requests (WEB_WORKERS × WEB_THREADS) "
        f"and {BESIDE_REQUESTS} for the rest."
    )


def tell_superuser(found: Server) -> str:
    """Return a sentence with the statements that change it if the user is a superuser, else an empty text."""
    if not found.superuser:
        return ""
    return (
        f"The user {found.user} of DATABASE_URL is a superuser, and this service needs none. To change that, back up, "
        "run there: CREATE ROLE wishlist_owner LOGIN PASSWORD 'a new one'; "
        "CREATE DATABASE wishlist_owner OWNER wishlist_owner ENCODING 'UTF8' TEMPLATE template0; "
        "then name this user and this database in DATABASE_URL, and restore the backup."
    )


def get_server(conn: Connection) -> Server:
    """Return the state of the server, which must be PostgreSQL 15 or newer, and what this user may do."""
    return rows(conn, Server, """
        SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
               current_setting('server_encoding') AS encoding,
               current_database() AS database,
               current_user AS user,
               role.rolsuper AS superuser,
               current_schema() AS schema,
               coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
               -- true on a standby, too
               current_setting('transaction_read_only')::boolean AS read_only,
               pg_size_pretty(pg_database_size(current_database())) AS size,
               (SELECT sum(numbackends) FROM pg_stat_database) AS connections,
               current_setting('max_connections')::integer AS most_connections,
               CASE WHEN role.rolsuper
                    THEN current_setting('max_connections')::integer
                    ELSE least(nullif(role.rolconnlimit, -1),
                               nullif(here.datconnlimit, -1),
                               current_setting('max_connections')::integer
                               - current_setting('superuser_reserved_connections')::integer
                               - coalesce(current_setting('reserved_connections', true)::integer, 0))
                END AS usable_connections,
               here.datcollversion IS DISTINCT FROM pg_database_collation_actual_version(here.oid)
               AND here.datcollversion IS NOT NULL AS collation_changed
          FROM pg_database AS here
         CROSS JOIN pg_roles AS role
         WHERE here.datname = current_database()
           AND role.rolname = current_user
        """)[0]


def get_process_number(conn: Connection) -> int:
    """Return the number of the server's process that this statement reaches."""
    return value(conn, "SELECT pg_backend_pid()")


def _is_shared(conn: Connection, connect: Callable[[], Connection]) -> bool:
    """Return whether statements of two connections reach the same process of the server, as in transaction mode."""
    if conn.info.backend_pid == get_process_number(conn):  # no pooler, which would have numbers of its own
        return False
    with connect() as other:
        reached = [(get_process_number(conn), get_process_number(other)) for _ in range(3)]
    ours, others = ({pair[side] for pair in reached} for side in (0, 1))
    return bool(ours & others) or len(ours) > 1 or len(others) > 1
