"""Titles in every form: ids as Plex writes them, an entry as the API shows it, rows of the database."""

from typing import Any

from psycopg import Connection

FILL = """
INSERT INTO plex_users (name, plex_token, token_fingerprint, token_masked, sync_state, last_success_at)
SELECT 'Ann', 'x', 'x', '****', 'ok', now();
INSERT INTO wishlist_items (uid, media_type, title, year, added_at, imdb_id, plex_url)
SELECT 'plex://movie/' || lpad(to_hex(n), 24, '0'), 'movie', 'Title ' || n, 2000, now() + n * interval '1 s',
       'tt' || lpad(n::text, 7, '0'), 'https://watch.plex.tv/movie/' || repeat('long-', 40) || n
  FROM generate_series(1, %s) AS n;
INSERT INTO wishlist_item_sources (item_id, user_id) SELECT id, 1 FROM wishlist_items;
ANALYZE;
"""


def ids(**known: str) -> list[dict[str, str]]:
    """External ids as Plex writes them."""
    return [{"id": f"{kind}://{value}"} for kind, value in known.items()]


def entry(**facts: Any) -> dict[str, Any]:
    """A title as the API shows it."""
    uid = f"plex://movie/{1:024x}"
    known = {"uid": uid, "first_uid": uid, "media_type": "movie", "title": "A", "year": None, "imdb_id": None}
    more = {"tmdb_id": 1, "tvdb_id": None, "plex_url": None, "poster_url": None, "genres": [], "wanted_by": []}
    return known | more | {"added_at": "2026-01-01T10:00:00Z"} | facts


def fill(conn: Connection[Any], titles: int) -> None:
    """Ann wants so many."""
    for statement in FILL.strip().split(";\n"):
        conn.execute(statement.replace("%s", str(titles)))  # pyright: ignore[reportArgumentType, reportCallIssue]
