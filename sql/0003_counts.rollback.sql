CREATE OR REPLACE VIEW plex_user_reports AS
SELECT id,
       shown_name(id, name) AS name,
       token_masked,
       active,
       CASE WHEN NOT names_hidden() THEN plex_username END AS plex_username,
       sync_state,
       shown_detail(sync_state, sync_detail) AS sync_detail,
       last_attempt_at,
       last_success_at,
       (SELECT count(*)
          FROM wishlist_item_sources AS source
         WHERE source.user_id = plex_users.id
           AND source.removed_at IS NULL) AS wishlist_size,
       created_at,
       updated_at
  FROM plex_users;

CREATE OR REPLACE VIEW wishlist_documents AS
SELECT item.id,
       item.uid,
       row_to_json(shown) AS document
  FROM wishlist_items AS item
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE wishes.removed_at IS NULL) AS wanted_count,
              max(wishes.last_seen_at) AS last_seen_at,
              max(wishes.removed_at) AS removed_at,
              json_agg(row_to_json(person) ORDER BY wishes.first_added_at, wishes.user_id)
                  FILTER (WHERE wishes.removed_at IS NULL) AS wanted_by
         FROM wishes
        CROSS JOIN LATERAL (
              SELECT wishes.user_id AS id,
                     wishes.name,
                     rfc3339(wishes.first_added_at) AS first_added_at) AS person
        WHERE wishes.item_id = item.id) AS people
 CROSS JOIN LATERAL (
       SELECT item.id,
              item.uid,
              item.media_type,
              item.title,
              item.year,
              item.released_on,
              item.imdb_id,
              item.tmdb_id,
              item.tvdb_id,
              item.poster_url,
              item.plex_url,
              item.content_rating,
              rfc3339(item.added_at) AS added_at,
              rfc3339(people.last_seen_at) AS last_seen_at,
              CASE WHEN people.wanted_count = 0 THEN rfc3339(people.removed_at) END AS removed_at,
              people.wanted_count,
              coalesce(people.wanted_by, '[]') AS wanted_by) AS shown;

CREATE OR REPLACE FUNCTION wishlist_matching(
    title_pattern text,
    only_year integer,
    only_media_type text,
    only_user_ids integer[],
    every_user boolean,
    min_wanted integer,
    only_status text                       -- current, removed or all
) RETURNS SETOF wishlist_items
    LANGUAGE sql STABLE
AS $$
SELECT item.*
  FROM wishlist_items AS item
 WHERE (title_pattern IS NULL OR item.title ILIKE title_pattern)
   AND (only_year IS NULL OR item.year = only_year)
   AND (only_media_type IS NULL OR item.media_type = only_media_type)
   AND EXISTS (SELECT FROM wishes WHERE wishes.item_id = item.id)
   AND (only_status = 'all'
        OR (only_status = 'current') = EXISTS (
               SELECT FROM wishes WHERE wishes.item_id = item.id AND wishes.removed_at IS NULL))
   AND (min_wanted IS NULL
        OR min_wanted <= (
               SELECT count(*) FROM wishes WHERE wishes.item_id = item.id AND wishes.removed_at IS NULL))
   AND (only_user_ids IS NULL
        OR CASE WHEN every_user THEN cardinality(only_user_ids) ELSE 1 END <= (
               SELECT count(*)
                 FROM wishes
                WHERE wishes.item_id = item.id
                  AND wishes.user_id = ANY (only_user_ids)
                  AND (only_status <> 'current' OR wishes.removed_at IS NULL)))
$$;

DROP TRIGGER IF EXISTS person_changed ON plex_users;
DROP TRIGGER IF EXISTS items_erased ON wishlist_items;
DROP TRIGGER IF EXISTS items_updated ON wishlist_items;
DROP TRIGGER IF EXISTS items_added ON wishlist_items;
DROP TRIGGER IF EXISTS wishes_erased ON wishlist_item_sources;
DROP TRIGGER IF EXISTS wishes_updated ON wishlist_item_sources;
DROP TRIGGER IF EXISTS wishes_added ON wishlist_item_sources;

DROP FUNCTION IF EXISTS person_changed();
DROP FUNCTION IF EXISTS items_changed();
DROP FUNCTION IF EXISTS wishes_changed();
DROP FUNCTION IF EXISTS next_generation();
DROP FUNCTION IF EXISTS recount_people(integer[]);
DROP FUNCTION IF EXISTS recount_items(bigint[]);

CREATE INDEX IF NOT EXISTS wishlist_item_sources_user_idx
    ON wishlist_item_sources (user_id, item_id) WHERE removed_at IS NULL;
DROP INDEX IF EXISTS wishlist_item_sources_person_idx;

-- The extension stays: others may use it.
DROP INDEX IF EXISTS wishlist_items_search_idx;
DROP INDEX IF EXISTS wishlist_items_released_down_idx;
DROP INDEX IF EXISTS wishlist_items_released_idx;
DROP INDEX IF EXISTS wishlist_items_year_down_idx;
DROP INDEX IF EXISTS wishlist_items_year_idx;
DROP INDEX IF EXISTS wishlist_items_wanted_idx;
DROP INDEX IF EXISTS wishlist_items_title_idx;

ALTER TABLE wishlist_items ALTER COLUMN title SET STATISTICS -1;

DROP TABLE IF EXISTS wishlist_tallies;

ALTER TABLE sync_state DROP COLUMN IF EXISTS generation;
ALTER TABLE plex_users DROP COLUMN IF EXISTS wishlist_size;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS wish_count;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS wanted_count;
