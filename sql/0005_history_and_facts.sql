-- What changed and when, what Plex tells of a title, and what the household decided about it.

-- Append-only. Ids become visible in their order: who has read up to one has missed none before it. For whoever
-- changes wishes holds lock_wishlist() (db.py) until the commit; and by hand, without it, still takes turns: the
-- trigger raises the one generation, whose row stays locked, before it draws ids. No foreign keys: they would cost
-- a first sync a third more, and triggers erase the events of an erased person or title.
CREATE TABLE IF NOT EXISTS wishlist_events (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    kind         text NOT NULL,
    item_id      bigint NOT NULL,
    user_id      integer NOT NULL,
    run_id       bigint,                    -- null: not found by a sync, but done here
    first_import boolean NOT NULL,          -- the person's list was read for the first time: news to nobody
    happened_at  timestamptz NOT NULL,
    CONSTRAINT wishlist_events_pkey PRIMARY KEY (id),
    CONSTRAINT wishlist_events_kind_check CHECK (kind IN ('added', 'removed', 'came_back'))
);

CREATE INDEX IF NOT EXISTS wishlist_events_item_idx ON wishlist_events (item_id, id);
CREATE INDEX IF NOT EXISTS wishlist_events_user_idx ON wishlist_events (user_id, id);
CREATE INDEX IF NOT EXISTS wishlist_events_time_idx ON wishlist_events USING brin (happened_at);
-- What is rare among many additions; these are not in it.
CREATE INDEX IF NOT EXISTS wishlist_events_kind_idx ON wishlist_events (kind, id) WHERE kind <> 'added';

ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS summary text;
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS genres text[] NOT NULL DEFAULT '{}';
-- When to ask Plex for what a list does not tell; null: it was asked.
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS details_due_at timestamptz DEFAULT now();
-- Whether the media server has it; null: not looked yet.
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS available boolean;
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS available_since timestamptz;
-- Out of the list until undone, whatever the watchlists say.
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS dismissed_at timestamptz;

-- What a search looks through. ILIKE on the title would lower each one anew: twice the time.
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS search_title text COLLATE "C"
    GENERATED ALWAYS AS (lower(title)) STORED;
ALTER TABLE wishlist_items ALTER COLUMN title SET STATISTICS -1;
ALTER TABLE wishlist_items ALTER COLUMN search_title SET STATISTICS 1000;
DROP INDEX IF EXISTS wishlist_items_search_idx;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm') THEN
        CREATE INDEX wishlist_items_search_idx ON wishlist_items USING gin (search_title gin_trgm_ops);
    END IF;
END
$$;

-- When the person put it on their list, if Plex told.
ALTER TABLE wishlist_item_sources ADD COLUMN IF NOT EXISTS watchlisted_at timestamptz;
-- Since when it is off their list because we took it off; it stays wanted here.
ALTER TABLE wishlist_item_sources ADD COLUMN IF NOT EXISTS kept_at timestamptz;

-- Genres are asked for in any case of letters.
CREATE OR REPLACE FUNCTION lower_all(texts text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT
    RETURN ARRAY(SELECT lower(one) FROM unnest(texts) AS one);

CREATE INDEX IF NOT EXISTS wishlist_items_genres_idx ON wishlist_items USING gin (lower_all(genres));
CREATE INDEX IF NOT EXISTS wishlist_items_details_due_idx ON wishlist_items (details_due_at)
    WHERE details_due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS wishlist_items_dismissed_idx ON wishlist_items (added_at, id)
    WHERE dismissed_at IS NOT NULL;

ALTER TABLE wishlist_tallies ADD COLUMN IF NOT EXISTS dismissed boolean NOT NULL DEFAULT false;
ALTER TABLE wishlist_tallies ADD COLUMN IF NOT EXISTS available boolean;
ALTER TABLE wishlist_tallies DROP CONSTRAINT IF EXISTS wishlist_tallies_key;
ALTER TABLE wishlist_tallies ADD CONSTRAINT wishlist_tallies_key
    UNIQUE NULLS NOT DISTINCT (dismissed, available, media_type, year, wanted_count);

-- Also writes the events. The setting wishlist.run is that of merging.name_run().
CREATE OR REPLACE FUNCTION wishes_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    moment timestamptz;
    run CONSTANT bigint := nullif(current_setting('wishlist.run', true), '');
BEGIN
    IF NOT EXISTS (SELECT FROM changed) THEN
        RETURN NULL;
    END IF;
    PERFORM recount_items(ARRAY(SELECT item_id FROM changed));
    PERFORM recount_people(ARRAY(SELECT DISTINCT user_id FROM changed));
    PERFORM next_generation();              -- from here on nobody else draws ids or moments: see above
    moment := clock_timestamp();
    IF tg_op = 'INSERT' THEN
        INSERT INTO wishlist_events (kind, item_id, user_id, run_id, first_import, happened_at)
        SELECT 'added', changed.item_id, changed.user_id, run, person.last_success_at IS NULL, moment
          FROM changed
          JOIN plex_users AS person ON person.id = changed.user_id
      ORDER BY changed.first_added_at, changed.item_id;
    ELSIF tg_op = 'UPDATE' THEN
        INSERT INTO wishlist_events (kind, item_id, user_id, run_id, first_import, happened_at)
        SELECT CASE WHEN changed.removed_at IS NULL THEN 'came_back' ELSE 'removed' END,
               changed.item_id, changed.user_id, run, false, moment
          FROM changed
          JOIN before USING (item_id, user_id)
         WHERE (changed.removed_at IS NULL) <> (before.removed_at IS NULL)
      ORDER BY changed.item_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER wishes_updated AFTER UPDATE ON wishlist_item_sources
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();

CREATE OR REPLACE FUNCTION items_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF tg_op <> 'INSERT' THEN
        INSERT INTO wishlist_tallies AS tally (dismissed, available, media_type, year, wanted_count, items)
        SELECT dismissed_at IS NOT NULL, available, media_type, year, wanted_count, -count(*)
          FROM before
         WHERE wish_count > 0
      GROUP BY 1, available, media_type, year, wanted_count
            ON CONFLICT ON CONSTRAINT wishlist_tallies_key DO UPDATE
           SET items = tally.items + excluded.items;
    END IF;
    IF tg_op <> 'DELETE' THEN
        INSERT INTO wishlist_tallies AS tally (dismissed, available, media_type, year, wanted_count, items)
        SELECT dismissed_at IS NOT NULL, available, media_type, year, wanted_count, count(*)
          FROM after
         WHERE wish_count > 0
      GROUP BY 1, available, media_type, year, wanted_count
            ON CONFLICT ON CONSTRAINT wishlist_tallies_key DO UPDATE
           SET items = tally.items + excluded.items;
    END IF;
    IF tg_op = 'DELETE' THEN
        DELETE FROM wishlist_events AS event USING before WHERE event.item_id = before.id;
    END IF;
    IF tg_op = 'UPDATE' THEN
        IF EXISTS (SELECT FROM after) THEN
            PERFORM next_generation();
        END IF;
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION person_erased() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM wishlist_events WHERE user_id = old.id;
    PERFORM next_generation();
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER person_erased AFTER DELETE ON plex_users
    FOR EACH ROW EXECUTE FUNCTION person_erased();

-- An event as the API shows it.
CREATE OR REPLACE VIEW wishlist_event_documents AS
SELECT event.id,
       row_to_json(shown) AS document
  FROM wishlist_events AS event
  JOIN wishlist_items AS listed ON listed.id = event.item_id
  JOIN plex_users AS person ON person.id = event.user_id
 CROSS JOIN LATERAL (
       SELECT listed.id,
              listed.uid,
              listed.media_type,
              listed.title,
              listed.year,
              listed.poster_url) AS item
 CROSS JOIN LATERAL (
       SELECT person.id,
              shown_name(person.id, person.name) AS name) AS wisher
 CROSS JOIN LATERAL (
       SELECT event.id,
              event.kind,
              rfc3339(event.happened_at) AS happened_at,
              event.run_id,
              event.first_import,
              row_to_json(item) AS item,
              row_to_json(wisher) AS "user") AS shown;

CREATE OR REPLACE VIEW wishes AS
SELECT source.item_id,
       source.user_id,
       shown_name(person.id, person.name) AS name,
       source.first_added_at,
       source.removed_at,
       CASE WHEN source.removed_at IS NULL
            THEN greatest(source.first_added_at, person.last_success_at)
            ELSE source.last_seen_at
        END AS last_seen_at,
       source.watchlisted_at
  FROM wishlist_item_sources AS source
  JOIN plex_users AS person ON person.id = source.user_id
 WHERE person.active;

-- An item as the API shows it.
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
                     rfc3339(wishes.first_added_at) AS first_added_at,
                     rfc3339(wishes.watchlisted_at) AS watchlisted_at) AS person
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
              item.genres,
              item.available,
              rfc3339(item.added_at) AS added_at,
              rfc3339(people.last_seen_at) AS last_seen_at,
              CASE WHEN item.wanted_count = 0 THEN rfc3339(people.removed_at) END AS removed_at,
              rfc3339(item.dismissed_at) AS dismissed_at,
              item.wanted_count,
              coalesce(people.wanted_by, '[]') AS wanted_by) AS shown;

-- The filters of GET /api/wishlist; a null argument does not filter.
-- A plain SQL function is inlined: the planner sees its tables and indexes, and of the conditions
-- only those that apply.
DROP FUNCTION IF EXISTS wishlist_matching(text, integer, text, integer[], boolean, integer, text);
CREATE OR REPLACE FUNCTION wishlist_matching(
    title_pattern text,
    only_year integer,
    only_media_type text,
    only_user_ids integer[],
    every_user boolean,
    min_wanted integer,
    only_status text,                      -- current, removed, all or dismissed; only the last shows dismissed ones
    only_genre text,                       -- in lower case
    only_available boolean,
    only_without text                      -- imdb, tmdb or tvdb: that id is not known
) RETURNS SETOF wishlist_items
    LANGUAGE sql STABLE
AS $$
SELECT item.*
  FROM wishlist_items AS item
 WHERE (title_pattern IS NULL OR item.search_title LIKE lower(title_pattern))
   AND (only_year IS NULL OR coalesce(item.year, 0) = only_year)
   AND (only_media_type IS NULL OR item.media_type = only_media_type)
   AND (min_wanted IS NULL OR item.wanted_count >= min_wanted)
   AND (only_status <> 'current' OR item.wanted_count > 0)
   AND (only_status <> 'removed' OR item.wanted_count = 0)
   AND item.wish_count > 0
   AND (item.dismissed_at IS NOT NULL) = (only_status = 'dismissed')
   AND (only_genre IS NULL OR lower_all(item.genres) @> ARRAY[only_genre])
   AND (only_available IS NULL OR item.available = only_available)
   AND (only_without IS NULL
        OR CASE only_without
                WHEN 'imdb' THEN item.imdb_id IS NULL
                WHEN 'tmdb' THEN item.tmdb_id IS NULL
                WHEN 'tvdb' THEN item.tvdb_id IS NULL
            END)
       -- an array, so that the titles of these people are looked up, not all titles looked through
   AND (only_user_ids IS NULL OR item.id = ANY (ARRAY(
           SELECT wishes.item_id
             FROM wishes
            WHERE wishes.user_id = ANY (only_user_ids)
              AND (only_status <> 'current' OR wishes.removed_at IS NULL)
         GROUP BY wishes.item_id
           HAVING count(*) >= CASE WHEN every_user THEN cardinality(only_user_ids) ELSE 1 END)))
$$;
