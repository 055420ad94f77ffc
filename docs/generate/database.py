"""Makes docs/database.md from the comments of the schema in sql/."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from psycopg import Connection, connect
from psycopg.rows import class_row

from wishlist_service.embedded_postgres import EmbeddedPostgres
from wishlist_service.migrate import migrate

_HEAD = """# Database

<!-- Made by `make docs` from the comments in sql/. Change those, not this file. -->

The tables, columns, views and functions of the service, as a new database has them. All times are `timestamptz`; the
service reads and writes them in UTC. "Null" says whether a column may be empty. The tables whose names hold `yoyo`
belong to [yoyo](https://ollycope.com/software/yoyo/latest/). Its `_yoyo_migration` lists the applied files of `sql/`,
each with the SHA-256 of its text in `migration_hash`.
"""


class Relation(NamedTuple):
    """A table or view."""

    name: str
    is_view: bool
    comment: str | None


class Column(NamedTuple):
    """A column of a table or view; `value` is its default, or what it is made from."""

    relation: str
    name: str
    type: str
    nullable: bool
    value: str | None
    comment: str | None


class Function(NamedTuple):
    """A function of ours."""

    name: str
    arguments: str
    result: str
    comment: str | None


def render() -> str:
    """Return docs/database.md for the files in sql/, by way of a private PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="wishlist-docs-") as directory:
        Path(directory).chmod(0o755)  # if we are root, PostgreSQL runs as another user
        with EmbeddedPostgres(Path(directory) / "state", settings=("fsync=off",)) as server:
            migrate(server.url)
            with connect(server.url) as conn:
                return render_schema(conn)


def render_schema(conn: Connection) -> str:
    """Return docs/database.md for the schema of this database."""
    return "\n".join(_lines(conn))


def _lines(conn: Connection) -> Iterator[str]:
    columns = list_columns(conn)
    relations = list_relations(conn)
    yield _HEAD
    yield "## Tables\n"
    for table in (relation for relation in relations if not relation.is_view):
        yield f"### {table.name}\n\n{table.comment}\n"
        yield "| column | type | null | default | meaning |\n|---|---|---|---|---|"
        for column in (column for column in columns if column.relation == table.name):
            null = "yes" if column.nullable else "no"
            yield _row(f"`{column.name}`", column.type, null, _code(column.value), column.comment)
        yield ""
    yield "## Views\n"
    for view in (relation for relation in relations if relation.is_view):
        yield f"### {view.name}\n\n{view.comment}\n"
        yield "| column | type | meaning |\n|---|---|---|"
        for column in (column for column in columns if column.relation == view.name):
            yield _row(f"`{column.name}`", column.type, column.comment)
        yield ""
    yield "## Functions\n\n| function | returns | meaning |\n|---|---|---|"
    for function in list_functions(conn):
        yield _row(f"`{function.name}({function.arguments})`", function.result, function.comment)
    yield ""


def _row(*cells: str | None) -> str:
    return f"| {' | '.join((cell or '').replace('|', chr(92) + '|') for cell in cells)} |"


def _code(value: str | None) -> str:
    return f"`{value}`" if value else ""


def list_relations(conn: Connection) -> list[Relation]:
    """Return the tables and views by name, without yoyo's."""
    with conn.cursor(row_factory=class_row(Relation)) as cur:
        return cur.execute(
            """
            SELECT relname AS name,
                   relkind = 'v' AS is_view,
                   obj_description(oid, 'pg_class') AS comment
              FROM pg_class
             WHERE relnamespace = 'public'::regnamespace
               AND relkind IN ('r', 'v')
               AND relname !~ 'yoyo'
          ORDER BY relname COLLATE "C"
            """
        ).fetchall()


def list_columns(conn: Connection) -> list[Column]:
    """Return the columns of these tables and views, in the order of their definition."""
    with conn.cursor(row_factory=class_row(Column)) as cur:
        return cur.execute(
            """
            SELECT relation.relname AS relation,
                   attname AS name,
                   replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz') AS type,
                   NOT attnotnull AS nullable,
                   CASE WHEN attidentity <> '' THEN 'identity'
                        WHEN attgenerated <> '' THEN 'generated: ' || pg_get_expr(adbin, adrelid)
                        ELSE pg_get_expr(adbin, adrelid)
                    END AS value,
                   col_description(attrelid, attnum) AS comment
              FROM pg_attribute
              JOIN pg_class AS relation ON relation.oid = attrelid
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
             WHERE relation.relnamespace = 'public'::regnamespace
               AND relation.relkind IN ('r', 'v')
               AND relation.relname !~ 'yoyo'
               AND attnum > 0
               AND NOT attisdropped
          ORDER BY relation.relname COLLATE "C", attnum
            """
        ).fetchall()


def list_functions(conn: Connection) -> list[Function]:
    """Return our functions by name, without those of extensions."""
    with conn.cursor(row_factory=class_row(Function)) as cur:
        return cur.execute(
            """
            SELECT proname AS name,
                   replace(pg_get_function_arguments(oid), 'timestamp with time zone', 'timestamptz') AS arguments,
                   pg_get_function_result(oid) AS result,
                   obj_description(oid, 'pg_proc') AS comment
              FROM pg_proc
             WHERE pronamespace = 'public'::regnamespace
               AND NOT EXISTS (
                       SELECT
                         FROM pg_depend
                        WHERE classid = 'pg_proc'::regclass
                          AND objid = pg_proc.oid
                          AND deptype = 'e')
          ORDER BY proname COLLATE "C", pg_get_function_identity_arguments(oid)
            """
        ).fetchall()
