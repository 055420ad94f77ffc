"""docs/database.md tells the schema as it is, and everything in the schema says what it is."""

from pathlib import Path

from psycopg import connect

from docs.generate.database import list_columns, list_functions, list_relations, render, render_schema

PAGE = Path(__file__).parent.parent.parent / "docs" / "database.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == render(), "docs/database.md is stale. Run: make docs"


def test_everything_has_a_comment(database_url: str) -> None:
    with connect(database_url) as conn:
        relations, columns, functions = list_relations(conn), list_columns(conn), list_functions(conn)

    silent = [named for named in (*relations, *columns, *functions) if not named.comment]
    assert silent == []
    assert len(relations) > 10
    assert {column.relation for column in columns} == {relation.name for relation in relations}
    assert "wishlist_matching" in {function.name for function in functions}


def test_page_shows_defaults_and_whether_a_column_may_be_null(database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute(
            """
            CREATE TABLE aa_first (
                id bigint GENERATED ALWAYS AS IDENTITY, mode text NOT NULL DEFAULT 'a|b', seen_at timestamptz,
                twice bigint GENERATED ALWAYS AS (id * 2) STORED);
            COMMENT ON TABLE aa_first IS 'An example.';
            COMMENT ON COLUMN aa_first.mode IS 'One | or the other.'
            """
        )

        page = render_schema(conn)

    first = page.partition("### aa_first\n\n")[2].partition("###")[0]
    assert first.splitlines() == [
        "An example.",
        "",
        "| column | type | null | default | meaning |",
        "|---|---|---|---|---|",
        "| `id` | bigint | no | `identity` |  |",
        r"| `mode` | text | no | `'a\|b'::text` | One \| or the other. |",
        "| `seen_at` | timestamptz | yes |  |  |",
        "| `twice` | bigint | yes | `generated: (id * 2)` |  |",
        "",
    ]
