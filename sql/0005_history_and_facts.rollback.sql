DO $$
BEGIN
    IF EXISTS (SELECT FROM wishlist_item_sources WHERE kept_at IS NOT NULL) THEN
        RAISE EXCEPTION 'Wishes are kept here (REMOVE_AFTER_SYNC) whose titles are on no watchlist any longer; an older '
            'version would take each for removed. End them, or have their people put them back and a sync find them.';
    END IF;
END
$$;

UPDATE wishlist_items SET dismissed_at = NULL, available = NULL WHERE num_nonnulls(dismissed_at, available) > 0;

DROP VIEW IF EXISTS wishlist_event_documents;
DROP VIEW IF EXISTS wishlist_documents;
DROP VIEW IF EXISTS wishes;

CREATE OR REPLACE VIEW wishes AS
SELECT source.item_id,
       source.user_id,
       shown_name(person.id, person.name) AS name,
       source.first_added_at,
       source.removed_at,
       CASE WHEN source.removed_at IS NULL
            THEN greatest(source.first_added_at, person.last_success_at)
            ELSE source.last_seen_at
        END AS last_seen_at
  FROM wishlist_item_sources AS source
  JOIN plex_users AS person ON person.id = source.user_id
 WHERE person.active;

CREATE OR REPLACE VIEW wishlist_documents AS
SELECT item.id,
       item.uid,
       row_to_json(shown) AS document
  FROM wishlist_items AS item
 CROSS JOIN LATERAL (
       SELECT max(wishes.last_seen_at) AS last_seen_at,
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
              CASE WHEN item.wanted_count = 0 THEN rfc3339(people.removed_at) END AS removed_at,
              item.wanted_count,
              coalesce(people.wanted_by, '[]') AS wanted_by) AS shown;

DROP FUNCTION IF EXISTS wishlist_matching(text, integer, text, integer[], boolean, integer, text, text, boolean, text);
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
   AND (only_year IS NULL OR coalesce(item.year, 0) = only_year)
   AND (only_media_type IS NULL OR item.media_type = only_media_type)
   AND (min_wanted IS NULL OR item.wanted_count >= min_wanted)
   AND (only_status <> 'current' OR item.wanted_count > 0)
   AND (only_status <> 'removed' OR item.wanted_count = 0)
   AND item.wish_count > 0
       -- an array, so that the titles of these people are looked up, not all titles looked through
   AND (only_user_ids IS NULL OR item.id = ANY (ARRAY(
           SELECT wishes.item_id
             FROM wishes
            WHERE wishes.user_id = ANY (only_user_ids)
              AND (only_status <> 'current' OR wishes.removed_at IS NULL)
         GROUP BY wishes.item_id
           HAVING count(*) >= CASE WHEN every_user THEN cardinality(only_user_ids) ELSE 1 END)))
$$;

DROP TRIGGER IF EXISTS person_erased ON plex_users;
DROP FUNCTION IF EXISTS person_erased;

CREATE OR REPLACE FUNCTION wishes_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF EXISTS (SELECT FROM changed) THEN
        PERFORM recount_items(ARRAY(SELECT item_id FROM changed));
        PERFORM recount_people(ARRAY(SELECT DISTINCT user_id FROM changed));
        PERFORM next_generation();
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER wishes_updated AFTER UPDATE ON wishlist_item_sources
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();

CREATE OR REPLACE FUNCTION items_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF tg_op <> 'INSERT' THEN
        INSERT INTO wishlist_tallies AS tally (media_type, year, wanted_count, items)
        SELECT media_type, year, wanted_count, -count(*)
          FROM before
         WHERE wish_count > 0
      GROUP BY media_type, year, wanted_count
            ON CONFLICT ON CONSTRAINT wishlist_tallies_key DO UPDATE
           SET items = tally.items + excluded.items;
    END IF;
    IF tg_op <> 'DELETE' THEN
        INSERT INTO wishlist_tallies AS tally (media_type, year, wanted_count, items)
        SELECT media_type, year, wanted_count, count(*)
          FROM after
         WHERE wish_count > 0
      GROUP BY media_type, year, wanted_count
            ON CONFLICT ON CONSTRAINT wishlist_tallies_key DO UPDATE
           SET items = tally.items + excluded.items;
    END IF;
    IF tg_op = 'UPDATE' THEN
        IF EXISTS (SELECT FROM after) THEN
            PERFORM next_generation();
        END IF;
    END IF;
    RETURN NULL;
END
$$;

DELETE FROM wishlist_tallies WHERE dismissed OR available IS NOT NULL;
ALTER TABLE wishlist_tallies DROP COLUMN IF EXISTS available;
ALTER TABLE wishlist_tallies DROP COLUMN IF EXISTS dismissed;
ALTER TABLE wishlist_tallies DROP CONSTRAINT IF EXISTS wishlist_tallies_key;
ALTER TABLE wishlist_tallies ADD CONSTRAINT wishlist_tallies_key
    UNIQUE NULLS NOT DISTINCT (media_type, year, wanted_count);

ALTER TABLE wishlist_items DROP COLUMN IF EXISTS search_title;
ALTER TABLE wishlist_items ALTER COLUMN title SET STATISTICS 1000;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX IF NOT EXISTS wishlist_items_search_idx ON wishlist_items USING gin (title gin_trgm_ops);
    END IF;
END
$$;

DROP INDEX IF EXISTS wishlist_items_genres_idx;
DROP FUNCTION IF EXISTS lower_all;

ALTER TABLE wishlist_item_sources DROP COLUMN IF EXISTS kept_at;
ALTER TABLE wishlist_item_sources DROP COLUMN IF EXISTS watchlisted_at;

ALTER TABLE wishlist_items DROP COLUMN IF EXISTS dismissed_at;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS available_since;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS available;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS details_due_at;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS genres;
ALTER TABLE wishlist_items DROP COLUMN IF EXISTS summary;

DROP TABLE IF EXISTS wishlist_events;
