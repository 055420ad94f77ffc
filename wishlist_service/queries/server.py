"""What the database holds, and in which schema."""

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
    """Return what tells pg_dump to leave out sessions, and other schemas than ours, unless ours is public.

    A backup that is restored must not sign in again whoever was signed out since.
    """
    return rows(conn, str, """
        SELECT '--schema=' || quote_ident(current_schema())
         WHERE current_schema() <> 'public'
     UNION ALL
        SELECT '--extension=pg_trgm'
          FROM pg_extension
         WHERE current_schema() <> 'public'
           AND extname = 'pg_trgm'
           AND extnamespace = to_regnamespace(quote_ident(current_schema()))
     UNION ALL
        SELECT '--exclude-table-data=' || quote_ident(current_schema()) || '.' || secret.name
          FROM (VALUES ('sessions'), ('plex_sign_ins')) AS secret (name)
        """)


def get_quoted_schema(conn: Connection) -> str:
    """Return the name of our schema as pg_dump writes it, with quotes where it needs them."""
    return value(conn, "SELECT quote_ident(current_schema())")


def set_schema(conn: Connection, *, schema: str) -> None:
    """Find tables in this schema, a quoted name, until the transaction ends."""
    conn.execute("SELECT set_config('search_path', %(schema)s, true)", {"schema": schema})


def drop_schema(conn: Connection, *, schema: str) -> None:
    """Drop the schema, a quoted name, with everything in it. Call it in a transaction."""
    conn.execute("SELECT set_config('wishlist.schema', %(schema)s, true)", {"schema": schema})
    conn.execute("""
        DO $$
        BEGIN
            EXECUTE 'DROP SCHEMA IF EXISTS ' || current_setting('wishlist.schema') || ' CASCADE';
        END
        $$
        """)


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


def list_foreign_relations(conn: Connection) -> list[str]:
    """Return the tables, views and sequences that no version of this service made."""
    return rows(conn, str, """
        SELECT relname
          FROM pg_class
         WHERE relnamespace = to_regnamespace(quote_ident(current_schema()))
           AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND relname NOT IN ('plex_users', 'plex_links', 'plex_sign_ins', 'sessions', 'invitations',
                               'erased_accounts', 'wishlist_items', 'wishlist_records', 'wishlist_item_sources',
                               'watchlist_rows', 'wishlist_tallies', 'wishlist_events', 'sync_runs', 'deleted_runs',
                               'sync_state', 'sync_state_changes', 'failovers', 'news_addresses', 'library_sections',
                               'library_titles', 'library_arrivals', 'arrival_wishers', 'wishes',
                               'wishlist_documents', 'wishlist_event_documents', 'plex_user_reports', 'sync_people',
                               'sync_run_reports')
           AND relname !~ '^(plex_users|plex_links|invitations|wishlist_items|wishlist_events|sync_runs)_id_seq$'
           AND relname !~ '^(sync_state_changes|library_arrivals|news_addresses)_id_seq$'
           AND relname !~ '^_?yoyo_'
      ORDER BY relname
        """)
