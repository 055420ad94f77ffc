"""What the database holds, and in which schema."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import Connection

from wishlist_service.db import rows, value


@dataclass(frozen=True)
class Contents:
    """How much a database holds, removed titles included."""

    people: int
    titles: int
    sync_runs: int


def get_dump_options(conn: Connection) -> list[str]:
    """Return what tells pg_dump to leave out other schemas than ours. For public there is nothing to tell."""
    return rows(conn, str, """
        SELECT '--schema=' || quote_ident(current_schema())
         WHERE current_schema() <> 'public'
     UNION ALL
        SELECT '--extension=pg_trgm'
          FROM pg_extension
         WHERE current_schema() <> 'public'
           AND extname = 'pg_trgm'
           AND extnamespace = to_regnamespace(quote_ident(current_schema()))
        """)


def get_quoted_schema(conn: Connection) -> str:
    """Return the name of our schema as pg_dump writes it, with quotes where it needs them."""
    return value(conn, "SELECT quote_ident(current_schema())")


def renew_schema(conn: Connection, *, schema: str) -> None:
    """Drop the schema, a quoted name, with everything in it, and make it again. Call it in a transaction."""
    conn.execute("SELECT set_config('wishlist.schema', %(schema)s, true)", {"schema": schema})
    conn.execute("""
        DO $$
        BEGIN
            EXECUTE 'DROP SCHEMA IF EXISTS ' || current_setting('wishlist.schema') || ' CASCADE';
            EXECUTE 'CREATE SCHEMA ' || current_setting('wishlist.schema');
        END
        $$
        """)


def disable_triggers(conn: Connection) -> list[str]:
    """Let no trigger of our tables fire until enable_triggers(), and return those that fire always, for that.

    Call it in a transaction, as the owner of the tables. Foreign keys are checked all the same.
    """
    always = rows(conn, str, """
        SELECT tgname
          FROM pg_trigger
          JOIN pg_class ON pg_class.oid = tgrelid
         WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
           AND tgenabled = 'A'
        """)
    conn.execute("""
        DO $$
        DECLARE
            change text;
        BEGIN
            FOR change IN
                SELECT format('ALTER TABLE %s DISABLE TRIGGER USER', oid::regclass)
                  FROM pg_class
                 WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
                   AND relkind = 'r'
            LOOP
                EXECUTE change;
            END LOOP;
        END
        $$
        """)
    return always


def enable_triggers(conn: Connection, *, always: Sequence[str]) -> None:
    """Let the triggers fire again, those of disable_triggers() always."""
    conn.execute("SELECT set_config('wishlist.always', %(always)s::text[]::text, true)", {"always": [*always]})
    conn.execute("""
        DO $$
        DECLARE
            change text;
        BEGIN
            FOR change IN
                SELECT format('ALTER TABLE %s ENABLE %s TRIGGER %I',
                              tgrelid::regclass,
                              CASE WHEN tgname = ANY (current_setting('wishlist.always')::text[]) THEN 'ALWAYS' END,
                              tgname)
                  FROM pg_trigger
                  JOIN pg_class ON pg_class.oid = tgrelid
                 WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
                   AND NOT tgisinternal
            LOOP
                EXECUTE change;
            END LOOP;
        END
        $$
        """)


def set_sequence(conn: Connection, *, sequence: str, number: int, called: bool) -> None:
    """Set the sequence, a quoted name with its schema, to this number. called: whether that was given out."""
    conn.execute(
        "SELECT setval(%(sequence)s::regclass, %(number)s, %(called)s)",
        {"sequence": sequence, "number": number, "called": called},
    )


def has_tables(conn: Connection) -> bool:
    """Return whether the database was ever migrated."""
    return value(conn, "SELECT to_regclass('plex_users') IS NOT NULL")


def count_contents(conn: Connection) -> Contents:
    """Return how much the database holds. The tables must exist."""
    return rows(conn, Contents, """
        SELECT (SELECT count(*) FROM plex_users) AS people,
               (SELECT count(*) FROM wishlist_items) AS titles,
               (SELECT count(*) FROM sync_runs) AS sync_runs
        """)[0]


def holds_anything(conn: Connection) -> bool:
    """Return whether there is data to lose. Syncs without people, as a new installation runs them, do not count."""
    return value(conn, """
        SELECT EXISTS (SELECT FROM plex_users)
            OR EXISTS (SELECT FROM wishlist_items)
            OR EXISTS (SELECT FROM sync_runs WHERE users_processed > 0)
        """)


def list_foreign_relations(conn: Connection, *, ours: Sequence[str]) -> list[str]:
    """Return the tables, views and sequences that have none of these names."""
    return rows(conn, str, """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
           AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND relname <> ALL (%(ours)s)
      ORDER BY relname
        """, {"ours": [*ours]})
