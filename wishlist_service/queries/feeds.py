"""What Radarr and Sonarr read, as JSON that PostgreSQL makes: wanted titles, oldest first.

A title without the required id is skipped, and unknown values are left out: if these programs find null where they
expect a number, they refuse the whole list.
"""

from dataclasses import dataclass

from psycopg import Connection

from wishlist_service.db import rows, value
from wishlist_service.models import Feed, WishlistFilter


@dataclass(frozen=True)
class FeedReadiness:
    """Whether any watchlist and the media server were ever read, and which people are paused or were never read.

    unasked: whether there are titles, but none with an id, and Plex was asked about none of them.
    """

    of_lists: bool
    of_library: bool
    paused: list[int]
    unread: list[int]
    unasked: bool


def get_readiness(conn: Connection, *, user_ids: list[int], media_type: str | None = None) -> FeedReadiness:
    """Return what feeds can be built on, and which of these people are paused or were never read.

    user_ids: the people of the feed; everyone if empty. media_type: of the feed; None for both.
    """
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
                 ORDER BY id) AS unread,
               EXISTS (
                   SELECT
                     FROM wishes
                     JOIN wishlist_items AS item ON item.id = wishes.item_id
                    WHERE wishes.removed_at IS NULL
                      AND (cardinality(%(user_ids)s::integer[]) = 0 OR wishes.user_id = ANY (%(user_ids)s))
                      AND (%(media_type)s::text IS NULL OR item.media_type = %(media_type)s))
               AND NOT EXISTS (
                   SELECT
                     FROM wishes
                     JOIN wishlist_items AS item ON item.id = wishes.item_id
                    WHERE wishes.removed_at IS NULL
                      AND (cardinality(%(user_ids)s::integer[]) = 0 OR wishes.user_id = ANY (%(user_ids)s))
                      AND (%(media_type)s::text IS NULL OR item.media_type = %(media_type)s)
                      AND (item.first_asked_at IS NOT NULL
                           OR coalesce(item.imdb_id, item.tmdb_id::text, item.tvdb_id::text) IS NOT NULL)) AS unasked
        """, {"user_ids": user_ids, "media_type": media_type})[0]


@dataclass(frozen=True)
class Protection:
    """Whether it is known what everybody wants.

    people: how many are here and not paused. unread: for each whose list cannot be relied on, the name and why.
    unknown: the names of those whose list Plex does not show. as_of: when the oldest of the other lists was last read.
    """

    people: int
    unread: list[str]
    unknown: list[str]
    as_of: str | None


def get_protection(conn: Connection) -> Protection:
    """Return whether it is known what everybody wants."""
    return rows(conn, Protection, """
        WITH person AS (
             SELECT report.id, report.name, report.last_success_at,
                    report.sync_state IN ('hidden', 'no_watchlist') AS unknown,
                    -- a failed read after it hides in sync_state that the list is held or refused
                    CASE WHEN report.last_success_at IS NULL THEN 'never read'
                         WHEN report.sync_state = 'held' OR stored.held_removals IS NOT NULL THEN 'held'
                         WHEN report.sync_state IN ('token_rejected', 'token_unreadable', 'other_account',
                                                    'pin_rejected')
                           OR stored.token_refused_at IS NOT NULL
                         THEN 'refused'
                         WHEN report.last_success_at < now() - interval '1 day' THEN 'not read for more than a day'
                     END AS gap
               FROM plex_user_reports AS report
               JOIN plex_users AS stored USING (id)
              WHERE report.active)
        SELECT count(*) AS people,
               coalesce(
                   array_agg(name || ' (' || gap || ')' ORDER BY id) FILTER (WHERE gap IS NOT NULL AND NOT unknown),
                   '{}') AS unread,
               coalesce(array_agg(name ORDER BY id) FILTER (WHERE unknown), '{}') AS unknown,
               rfc3339(min(last_success_at) FILTER (WHERE NOT unknown)) AS as_of
          FROM person
        """)[0]


def list_protected(conn: Connection) -> str:
    """Return every title that somebody wants as a JSON array, oldest first, dismissed ones included."""
    return value(conn, """
        SELECT coalesce(
                   json_agg(json_build_object(
                                'uid', item.uid,
                                'media_type', item.media_type,
                                'title', item.title,
                                'imdb_id', item.imdb_id,
                                'tmdb_id', item.tmdb_id,
                                'tvdb_id', item.tvdb_id,
                                'wanted_by', people.names)
                            ORDER BY item.added_at, item.id),
                   '[]')::text
          FROM wishlist_items AS item
         CROSS JOIN LATERAL (
               SELECT json_agg(name ORDER BY first_added_at, user_id) AS names
                 FROM wishes
                WHERE wishes.item_id = item.id
                  AND wishes.removed_at IS NULL) AS people
         WHERE item.wanted_count > 0
        """)


def list_people(conn: Connection) -> list[tuple[int, str]]:
    """Return id and name of the active people."""
    return conn.execute("""
        SELECT id, name
          FROM plex_user_reports
         WHERE active
      ORDER BY id
        """).fetchall()


def get_arr_titles(conn: Connection, *, filters: WishlistFilter, root: str | None = None) -> Feed:
    """Return movies for Radarr, which knows them by TMDB id, or shows for Sonarr. Sonarr 4 needs the TVDB id.

    root: None for the list type "Custom List". For the types "Radarr" and "Sonarr", which read from another instance,
    the folder of the titles; people are their tags.
    """
    return rows(conn, Feed, """
        SELECT coalesce(
                   json_agg(json_strip_nulls(
                                CASE WHEN %(root)s::text IS NULL AND item.media_type = 'movie'
                                     THEN json_build_object(
                                              'id', item.tmdb_id,
                                              'title', item.title,
                                              'imdb_id', item.imdb_id)
                                     WHEN %(root)s::text IS NULL
                                     THEN json_build_object(
                                              'title', item.title,
                                              'tvdbId', item.tvdb_id,
                                              'tmdbId', item.tmdb_id,
                                              'imdbId', item.imdb_id)
                                     WHEN item.media_type = 'movie'
                                     THEN json_build_object(
                                              'title', item.title,
                                              'tmdbId', item.tmdb_id,
                                              'imdbId', item.imdb_id,
                                              'year', item.year,
                                              'monitored', true,
                                              'qualityProfileId', 1,
                                              'path', %(root)s::text || '/' || replace(item.title, '/', '-')
                                                      || coalesce(' (' || item.year || ')', ''),
                                              'tags', people.ids)
                                     ELSE json_build_object(
                                              'title', item.title,
                                              'tvdbId', item.tvdb_id,
                                              'year', item.year,
                                              'monitored', true,
                                              'qualityProfileId', 1,
                                              'languageProfileId', 1,
                                              'rootFolderPath', %(root)s::text,
                                              'seasons', '[]'::json,
                                              'tags', people.ids)
                                 END)
                            ORDER BY item.added_at, item.id)
                       FILTER (WHERE needed.id IS NOT NULL),
                   '[]')::text AS body,
               count(*) FILTER (WHERE needed.id IS NULL) AS skipped
          FROM wishlist_matching(
                   %(search)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
         CROSS JOIN LATERAL (
               SELECT CASE item.media_type WHEN 'movie' THEN item.tmdb_id ELSE item.tvdb_id END AS id) AS needed
         CROSS JOIN LATERAL (
               SELECT CASE WHEN %(root)s::text IS NOT NULL
                           THEN ARRAY(SELECT user_id
                                        FROM wishes
                                       WHERE item_id = item.id
                                         AND removed_at IS NULL
                                    ORDER BY user_id)
                       END AS ids) AS people
        """, filters.parameters() | {"root": root}, prepare=False)[0]


def count_without_ids(conn: Connection, *, filters: WishlistFilter, ids: list[str]) -> int:
    """Return how many matching titles have none of the ids that `ids` names: imdb, tmdb, tvdb."""
    return value(conn, """
        SELECT count(*)
          FROM wishlist_matching(
                   %(search)s, %(year)s, %(media_type)s, %(user_ids)s,
                   %(every_user)s, %(min_wanted)s, %(status)s, %(genre)s, %(available)s, %(missing)s) AS item
         WHERE (item.imdb_id IS NULL OR 'imdb' <> ALL (%(ids)s))
           AND (item.tmdb_id IS NULL OR 'tmdb' <> ALL (%(ids)s))
           AND (item.tvdb_id IS NULL OR 'tvdb' <> ALL (%(ids)s))
        """, filters.parameters() | {"ids": ids}, prepare=False)
