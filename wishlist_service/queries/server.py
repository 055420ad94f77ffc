"""The database server itself."""

from psycopg import Connection
from psycopg.rows import class_row

from wishlist_service.models import Server


def get_server(conn: Connection) -> Server:
    """What kind of server this is, and how it stands."""
    with conn.cursor(row_factory=class_row(Server)) as cur:
        return next(
            cur.execute(
                """
            SELECT current_setting('server_version_num')::integer / 10000 AS major_version,
                   split_part(current_setting('server_version'), ' ', 1) AS version,
                   -- true on a standby, too
                   current_setting('transaction_read_only')::boolean AS read_only,
                   pg_size_pretty(pg_database_size(current_database())) AS size,
                   (SELECT sum(numbackends) FROM pg_stat_database) AS connections,
                   current_setting('max_connections')::integer AS most_connections
            """
            )
        )
