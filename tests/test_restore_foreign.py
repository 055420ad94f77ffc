"""Restoring a file that anyone may have made: only rows of our tables are taken, and what is not ours refuses it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection, connect
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.backups import NewDatabase, dump_of, restore, shown
from tests.support.household import Household
from wishlist_service.postgres.programs import find_pg_dump

pytestmark = pytest.mark.slow

FOREIGN = {
    "CREATE TABLE theirs (id integer)": "TABLE public theirs",
    'CREATE TABLE "plex_users evil" (id integer)': "TABLE public plex_users evil",
    "CREATE VIEW theirs AS SELECT 1 AS one": "VIEW public theirs",
    "CREATE SEQUENCE theirs": "SEQUENCE public theirs",
    "CREATE FUNCTION evil() RETURNS integer LANGUAGE sql AS 'SELECT 1'": "FUNCTION public evil",
    "CREATE TRIGGER evil AFTER INSERT ON plex_users EXECUTE FUNCTION person_erased()": "TRIGGER public plex_users evil",
    "CREATE INDEX theirs ON plex_users (created_at)": "INDEX public theirs",
    "CREATE RULE evil AS ON INSERT TO plex_users DO ALSO NOTHING": "RULE public plex_users evil",
    "CREATE TYPE theirs AS (id integer)": "TYPE public theirs",
    "CREATE SCHEMA other; CREATE TABLE other.plex_users (id integer)": "TABLE other plex_users",
    "SELECT lo_create(4711)": "4711",
    "CREATE PUBLICATION theirs": "PUBLICATION - theirs",
    "DROP TABLE deleted_runs; CREATE VIEW deleted_runs AS SELECT 1 AS number": "VIEW public deleted_runs",
    "ALTER TABLE plex_users ADD COLUMN theirs text": "the column theirs of public.plex_users",
    "ALTER TABLE plex_users ADD CONSTRAINT theirs UNIQUE (created_at)": "CONSTRAINT public plex_users theirs",
}


@pytest.mark.parametrize(("statement", "name"), FOREIGN.items(), ids=FOREIGN.values())
def test_what_is_not_ours_refuses_the_file_and_is_named(
    filled: Household, new_database: NewDatabase, filled_template: str, tmp_path: Path, statement: str, name: str
) -> None:
    before = shown(filled.config.database_url)
    source = new_database(filled_template)
    with connect(source, autocommit=True) as conn:
        conn.execute(statement)
    dump = dump_of(source, tmp_path)

    status, said = restore(filled.config.database_url, dump, "--replace")

    assert (status, said.count("\n")) == (1, 1)
    assert name in said
    assert "Nothing was changed." in said
    assert shown(filled.config.database_url) == before


def test_functions_triggers_views_and_constraints_of_the_file_are_ignored(
    filled: Household, conn: Connection[Any], new_database: NewDatabase, filled_template: str, tmp_path: Path
) -> None:
    url = filled.config.database_url
    before, made = shown(url), definitions(conn)
    source = new_database(filled_template)
    with connect(source, autocommit=True) as other:
        other.execute(
            """
            CREATE OR REPLACE FUNCTION person_erased() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
            CREATE OR REPLACE FUNCTION shown_detail(sync_state text, sync_detail text) RETURNS text
                LANGUAGE sql AS 'SELECT 1::text';
            DROP INDEX plex_users_due_idx;
            CREATE INDEX plex_users_due_idx ON plex_users ((1 / 1));
            ALTER TABLE plex_users DROP CONSTRAINT plex_users_name_check;
            ALTER TABLE plex_users DISABLE TRIGGER person_changed
            """
        )
    dump = dump_of(source, tmp_path)

    assert restore(url, dump, "--replace")[0] == 0

    assert shown(url) == before
    assert definitions(conn) == made


def definitions(conn: Connection[Any]) -> list[Any]:
    """What the migrations made, in words."""
    return conn.execute(
        """
        SELECT pg_get_functiondef(oid) AS text
          FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind = 'f' AND proname !~ 'trgm|similarity'
     UNION ALL
        SELECT pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL
        SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL
        SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
     UNION ALL
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
      ORDER BY text
        """
    ).fetchall()


@pytest.fixture
def owned_url(database_server: Connection, new_database: NewDatabase) -> Iterator[tuple[str, str]]:
    """An empty database whose owner is no superuser, and the owner's name."""
    url = new_database(None)
    name, owner = conninfo_to_dict(url)["dbname"], f"owner_{uuid4().hex}"
    database_server.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'of-the-owner'")
    database_server.execute(f"ALTER DATABASE {name} OWNER TO {owner}")
    parts = conninfo_to_dict(url) | {"user": owner, "password": "of-the-owner"}
    yield f"postgresql:///?{'&'.join(f'{key}={value}' for key, value in parts.items())}", owner
    database_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    database_server.execute(f"DROP ROLE {owner}")


def test_owner_without_rights_of_a_superuser_restores_and_owns_everything(
    filled: Household, conn: Connection[Any], owned_url: tuple[str, str], tmp_path: Path
) -> None:
    url, owner = owned_url
    dump = dump_of(filled.config.database_url, tmp_path)

    assert [restore(url, dump)[0], restore(url, dump, "--replace")[0]] == [0, 0]

    assert shown(url) == shown(filled.config.database_url)
    with connect(url) as restored:
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        assert restored.execute(owners).fetchall() == [(owner,)]
        numbers = "SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 2"
        given_out = [tuple(row.values()) for row in conn.execute(numbers).fetchall()]
        assert restored.execute(numbers).fetchall() == given_out
        triggers = "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
        assert restored.execute(triggers).fetchall() == [
            tuple(row.values()) for row in conn.execute(triggers).fetchall()
        ]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--inserts", "its rows are not those of COPY: INSERT INTO public."),
        ("--schema-only", "it has no table plex_users."),
        ("--exclude-table-data=sync_runs", "it has no rows of the table sync_runs."),
    ],
)
def test_file_without_rows_to_copy_is_refused(filled: Household, tmp_path: Path, option: str, sentence: str) -> None:
    url = filled.config.database_url
    before = shown(url)
    file = tmp_path / "other.dump"
    program = find_pg_dump(server_version=filled.conn.info.server_version // 10_000)
    subprocess.run([program, "--format=custom", option, f"--file={file}", make_conninfo(url)], check=True)

    status, said = restore(url, file, "--replace")

    assert (status, said.count("\n")) == (1, 1)
    assert sentence in said
    assert shown(url) == before
