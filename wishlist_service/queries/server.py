"""The database server, and how much the database holds."""

from psycopg import Connection

from wishlist_service.db import rows, value
from wishlist_service.models import Contents, Server


def get_server(conn: Connection) -> Server:
    """Return the version and state of the server."""
    return rows(conn, Server, """
        SELECT current_setting('server_version_num')::integer / 10000 AS major_version,
               split_part(current_setting('server_version'), ' ', 1) AS version,
               -- true on a standby, too
               current_setting('transaction_read_only')::boolean AS read_only,
               pg_size_pretty(pg_database_size(current_database())) AS size,
               (SELECT sum(numbackends) FROM pg_stat_database) AS connections,
               current_setting('max_connections')::integer AS most_connections
        """)[0]


def has_tables(conn: Connection) -> bool:
    """Return whether the database was ever migrated."""
    return value(conn, "SELECT to_regclass('public.plex_users') IS NOT NULL")


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
         WHERE relnamespace = to_regnamespace('public')
           AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
           AND relname NOT IN ('plex_users', 'wishlist_items', 'wishlist_item_sources', 'wishlist_tallies',
                               'wishlist_events', 'plex_links', 'sync_runs', 'sync_state',
                               'sync_state_changes', 'news_addresses',
                               'wishes', 'wishlist_documents', 'wishlist_event_documents',
                               'plex_user_reports', 'sync_run_reports')
           AND relname !~ '^(plex_users|plex_links|wishlist_items|wishlist_events|sync_runs)_id_seq$'
           AND relname <> 'sync_state_changes_id_seq'
           AND relname !~ '^_?yoyo_'
      ORDER BY relname
        """)
