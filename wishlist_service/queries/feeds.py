"""What Radarr and Sonarr read, as JSON that PostgreSQL makes: everything somebody wants, the oldest first.

Whoever knows no id of a title leaves it out, and what is unknown of one is left out of it: a null where such a
program expects a number makes it refuse the whole list.
"""

from psycopg import Connection

from wishlist_service.db import rows, value
from wishlist_service.models import Feed, FeedReadiness, WishlistFilter


def get_readiness(conn: Connection, *, user_ids: list[int]) -> FeedReadiness:
    """What there is to build lists on; of these people: who is paused, and whose list was never read."""
    return rows(conn, FeedReadiness, """
        SELECT EXISTS (
                   SELECT
                     FROM plex_users
                    WHERE active
                      AND last_success_at IS NOT NULL) AS of_lists,
               EXISTS (
                   SELECT
                     FROM wishlist_tallies
                    WHERE available IS NOT NULL
                      AND items > 0) AS of_library,
               ARRAY(
                   SELECT id
                     FROM plex_users
                    WHERE id = ANY (%(user_ids)s)
                      AND NOT active
                 ORDER BY id) AS paused,
               ARRAY(
                   SELECT id
                     FROM plex_users
                    WHERE id = ANY (%(user_ids)s)
                      AND active
                      AND last_success_at IS NULL
                 ORDER BY id) AS unread
        """, {"user_ids": user_ids})[0]


def list_people(conn: Connection) -> list[tuple[int, str]]:
    """Id and name of the active people."""
    return conn.execute("""
        SELECT id, name
          FROM plex_user_reports
         WHERE active
      ORDER BY id
        """).fetchall()


def get_radarr_movies(conn: Connection, *, filters: WishlistFilter) -> Feed:
    """For Radarr's "Custom Lists", which knows a movie by its TMDb id only."""
    return rows(conn, Feed, """
        SELECT coalesce(
                   json_agg(json_strip_nulls(json_build_object(
                                'id', item.tmdb_id,
                                'title', item.title,
                                'imdb_id', item.imdb_id))
                            ORDER BY item.added_at, item.id)
                       FILTER (WHERE item.tmdb_id IS NOT NULL),
                   '[]')::text AS body,
               count(*) FILTER (WHERE item.tmdb_id IS NULL) AS skipped
          FROM wishlist_matching(
                   %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
        """, filters.parameters(), prepare=False)[0]


def get_sonarr_shows(conn: Connection, *, filters: WishlistFilter) -> Feed:
    """For Sonarr's "Custom List". Sonarr 4 needs the TVDB id, 5 takes the others, too."""
    return rows(conn, Feed, """
        SELECT coalesce(
                   json_agg(json_strip_nulls(json_build_object(
                                'title', item.title,
                                'tvdbId', item.tvdb_id,
                                'tmdbId', item.tmdb_id,
                                'imdbId', item.imdb_id))
                            ORDER BY item.added_at, item.id)
                       FILTER (WHERE item.tvdb_id IS NOT NULL),
                   '[]')::text AS body,
               count(*) FILTER (WHERE item.tvdb_id IS NULL) AS skipped
          FROM wishlist_matching(
                   %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
        """, filters.parameters(), prepare=False)[0]


def get_movie_library(conn: Connection, *, filters: WishlistFilter, root: str) -> Feed:
    """The movies as another Radarr would tell its own; a person is a tag."""
    return rows(conn, Feed, """
        SELECT coalesce(
                   json_agg(json_strip_nulls(json_build_object(
                                'title', item.title,
                                'tmdbId', item.tmdb_id,
                                'imdbId', item.imdb_id,
                                'year', item.year,
                                'monitored', true,
                                'qualityProfileId', 1,
                                'path', %(root)s::text || '/' || replace(item.title, '/', '-')
                                        || coalesce(' (' || item.year || ')', ''),
                                'tags', people.ids))
                            ORDER BY item.added_at, item.id)
                       FILTER (WHERE item.tmdb_id IS NOT NULL),
                   '[]')::text AS body,
               count(*) FILTER (WHERE item.tmdb_id IS NULL) AS skipped
          FROM wishlist_matching(
                   %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
         CROSS JOIN LATERAL (
               SELECT coalesce(json_agg(wishes.user_id ORDER BY wishes.user_id), '[]') AS ids
                 FROM wishes
                WHERE wishes.item_id = item.id
                  AND wishes.removed_at IS NULL) AS people
        """, filters.parameters() | {"root": root}, prepare=False)[0]


def get_series_library(conn: Connection, *, filters: WishlistFilter, root: str) -> Feed:
    """The shows as another Sonarr would tell its own; a person is a tag."""
    return rows(conn, Feed, """
        SELECT coalesce(
                   json_agg(json_strip_nulls(json_build_object(
                                'title', item.title,
                                'tvdbId', item.tvdb_id,
                                'year', item.year,
                                'monitored', true,
                                'qualityProfileId', 1,
                                'languageProfileId', 1,
                                'rootFolderPath', %(root)s::text,
                                'seasons', '[]'::json,
                                'tags', people.ids))
                            ORDER BY item.added_at, item.id)
                       FILTER (WHERE item.tvdb_id IS NOT NULL),
                   '[]')::text AS body,
               count(*) FILTER (WHERE item.tvdb_id IS NULL) AS skipped
          FROM wishlist_matching(
                   %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
         CROSS JOIN LATERAL (
               SELECT coalesce(json_agg(wishes.user_id ORDER BY wishes.user_id), '[]') AS ids
                 FROM wishes
                WHERE wishes.item_id = item.id
                  AND wishes.removed_at IS NULL) AS people
        """, filters.parameters() | {"root": root}, prepare=False)[0]


def count_without_ids(conn: Connection, *, filters: WishlistFilter, ids: list[str]) -> int:
    """How many of these titles have none of these ids: imdb, tmdb, tvdb."""
    return value(conn, """
        SELECT count(*)
          FROM wishlist_matching(
                   %(title_pattern)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
         WHERE (item.imdb_id IS NULL OR 'imdb' <> ALL (%(ids)s))
           AND (item.tmdb_id IS NULL OR 'tmdb' <> ALL (%(ids)s))
           AND (item.tvdb_id IS NULL OR 'tvdb' <> ALL (%(ids)s))
        """, filters.parameters() | {"ids": ids}, prepare=False)
