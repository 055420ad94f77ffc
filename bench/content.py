"""Content for the database in any size: people, titles and wishes, made by SQL within minutes."""

from typing import Any

from psycopg import Connection, sql

from bench import titles
from bench.plex import token
from bench.postgres import open_database, settle
from bench.programs import PASSPHRASE
from wishlist_service.queries import users
from wishlist_service.tokens import TokenCipher

# A title has a shape, an adjective, a noun and a rare name. The first adjectives and nouns are in one title of
# fifty, the last ones in one of thousands. The times of adding rise with the ids, over five years.
ITEMS = """
INSERT INTO wishlist_items (
       uid, media_type, title, year, released_on, imdb_id, tmdb_id, tvdb_id,
       poster_url, plex_url, content_rating, added_at)
SELECT 'plex://' || kind || '/' || key,
       kind,
       CASE shape WHEN 0 THEN 'The ' || adjective || ' ' || noun
                  WHEN 1 THEN adjective || ' ' || noun
                  WHEN 2 THEN 'The ' || noun || ' of ' || name
                  WHEN 3 THEN name
                  WHEN 4 THEN name || ': ' || adjective || ' ' || noun
                  ELSE name || '''s ' || noun || ' ' || part
        END,
       year,
       make_date(year, month, day),
       'tt' || lpad(number::text, 8, '0'),
       number,
       CASE kind WHEN 'show' THEN number END,
       'https://images.plex.example/original/' || key || '/thumb.jpg',
       'https://watch.plex.example/' || kind || '/' || key,
       (ARRAY['G', 'PG', 'PG-13', 'R', 'TV-MA'])[1 + part %% 5],
       now() - interval '5 years' * (1 - number / %(items)s::float)
  FROM (SELECT number,
               substr(md5('title' || number), 1, 24) AS key,
               CASE WHEN random() < 0.35 THEN 'show' ELSE 'movie' END AS kind,
               floor(random() * 6)::int AS shape,
               (%(adjectives)s::text[])[1 + floor(power(random(), 2) * %(adjective_count)s)::int] AS adjective,
               (%(nouns)s::text[])[1 + floor(power(random(), 2) * %(noun_count)s)::int] AS noun,
               initcap((%(syllables)s::text[])[1 + floor(random() * %(syllable_count)s)::int]
                    || (%(syllables)s::text[])[1 + floor(random() * %(syllable_count)s)::int]
                    || (%(syllables)s::text[])[1 + floor(random() * %(syllable_count)s)::int]) AS name,
               CASE WHEN random() >= 0.03 THEN 1930 + floor(97 * sqrt(random()))::int END AS year,
               1 + floor(random() * 12)::int AS month,
               1 + floor(random() * 28)::int AS day,
               2 + floor(random() * 7)::int AS part
          FROM generate_series(1, %(items)s) AS number) AS made
"""

# Two different people want each title. One wish in twenty is removed.
SOURCES = """
INSERT INTO wishlist_item_sources (item_id, user_id, first_added_at, removed_at, last_seen_at)
SELECT item_id,
       (%(people)s::int[])[1 + (first_person + CASE which WHEN 1 THEN 0 ELSE step END) %% %(people_count)s],
       added_at + which * interval '1 minute',
       CASE WHEN chance < 0.05 THEN now() END,
       CASE WHEN chance < 0.05 THEN now() - interval '6 hours' END
  FROM (SELECT chosen.id AS item_id, chosen.added_at, which, first_person, step, random() AS chance
          FROM (SELECT id, added_at,
                       floor(random() * %(people_count)s)::int AS first_person,
                       1 + floor(random() * (%(people_count)s - 1))::int AS step
                  FROM wishlist_items) AS chosen
         CROSS JOIN generate_series(1, 2) AS which) AS wished
"""

ROWS = """
INSERT INTO watchlist_rows (user_id, uid, tells_date, tells_year)
SELECT source.user_id, item.uid, item.released_on IS NOT NULL, item.year IS NOT NULL
  FROM wishlist_item_sources AS source
  JOIN wishlist_items AS item ON item.id = source.item_id
 WHERE source.removed_at IS NULL
"""


def fill(url: str, *, items: int, people: int) -> None:
    """Fill our tables with so many items. Two of so many people want each."""
    with open_database(url) as conn:
        conn.execute("SELECT setseed(0.5)")
        conn.execute("SET session_replication_role = replica")  # no checks or triggers: the rows are right
        conn.execute("SET maintenance_work_mem = '256MB'")
        ids = add_people(conn, count=people, list_length=0)
        indexes = _drop_indexes(conn)
        conn.execute(
            ITEMS,
            {
                "items": items,
                "adjectives": titles.ADJECTIVES,
                "adjective_count": len(titles.ADJECTIVES),
                "nouns": titles.NOUNS,
                "noun_count": len(titles.NOUNS),
                "syllables": titles.SYLLABLES,
                "syllable_count": len(titles.SYLLABLES),
            },
        )
        conn.execute(SOURCES, {"people": ids, "people_count": len(ids)})
        conn.execute(ROWS)
        conn.execute("SET session_replication_role = origin")
        conn.execute("ANALYZE")  # otherwise PostgreSQL plans the counting for a few rows, which takes very long
        recount(conn)
        for definition in indexes:
            conn.execute(definition)
        conn.execute("UPDATE plex_users SET sync_state = 'ok', last_attempt_at = now(), last_success_at = now()")
    settle(url)


def add_people(conn: Connection[Any], *, count: int, list_length: int) -> list[int]:
    """Add people with lists of that length to the table, as if Plex had accepted their tokens. Return their ids."""
    cipher = TokenCipher([PASSPHRASE])
    ids: list[int] = []
    with conn.transaction():
        for person in range(count):
            user_id, secret = users.next_user_id(conn), token(person, list_length)
            sealed = cipher.seal(secret, owner=user_id, account=None)
            users.add_user(conn, user_id=user_id, name=f"Person {person}", token=sealed)
            ids.append(user_id)
        conn.execute(
            """
            UPDATE plex_users
               SET plex_uuid = 'account-' || id, plex_username = name, account_checked = true, pinged_at = now()
            """
        )
    return ids


def recount(conn: Connection[Any]) -> None:
    """Recount what the schema derives from these tables."""
    conn.execute("SELECT recount_items(NULL)")
    conn.execute("SELECT recount_people(NULL)")


def _drop_indexes(conn: Connection[Any]) -> list[str]:
    """Drop indexes, which are faster to build later than to maintain. Return the SQL that builds them."""
    found = conn.execute(
        """
        SELECT index.indexrelid::regclass::text, pg_get_indexdef(index.indexrelid)
          FROM pg_index AS index
     LEFT JOIN pg_constraint AS made_by ON made_by.conindid = index.indexrelid
         WHERE index.indrelid IN (  -- those of the wishes stay: without them, counting takes long
                   'wishlist_items'::regclass, 'wishlist_records'::regclass, 'watchlist_rows'::regclass)
           AND made_by.oid IS NULL
        """
    ).fetchall()
    for name, _ in found:
        conn.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    return [definition for _, definition in found]


def copy_to_reference(ours: str, reference: str) -> None:
    """Copy the people, items and wishes of our database to the reference."""
    copies = {
        "plex_users (id, name, plex_token, active, created_at, updated_at)": (
            "SELECT id, name, plex_token, active, created_at, updated_at FROM plex_users"
        ),
        "wishlist_items (id, uid, title, year, added_at, last_seen_at)": (
            "SELECT id, uid, title, year, added_at, added_at FROM wishlist_items"
        ),
        "wishlist_item_sources (id, item_id, user_id, first_added_at, last_seen_at)": (
            "SELECT row_number() OVER (), item_id, user_id, first_added_at, first_added_at FROM wishlist_item_sources"
        ),
    }
    with open_database(ours) as source, open_database(reference) as target:
        for table, query in copies.items():
            with (
                source.cursor().copy(f"COPY ({query}) TO STDOUT") as rows,
                target.cursor().copy(f"COPY {table} FROM STDIN") as written,
            ):
                for row in rows:
                    written.write(row)
    settle(reference)
