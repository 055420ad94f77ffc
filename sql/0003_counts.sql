-- Numbers that a read would have to count are kept, and what a read sorts or searches by is indexed:
-- a page costs the same whatever the size of the table.

-- How many active people want the title at present, and how many ever did. Neither: it is not shown.
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS wanted_count integer NOT NULL DEFAULT 0;
ALTER TABLE wishlist_items ADD COLUMN IF NOT EXISTS wish_count integer NOT NULL DEFAULT 0;

-- How many titles the person wants at present.
ALTER TABLE plex_users ADD COLUMN IF NOT EXISTS wishlist_size bigint NOT NULL DEFAULT 0;

-- The titles shown, counted by what the list can be filtered by without looking at each.
CREATE TABLE IF NOT EXISTS wishlist_tallies (
    media_type   text NOT NULL,
    year         integer,
    wanted_count integer NOT NULL,
    items        integer NOT NULL,
    CONSTRAINT wishlist_tallies_key UNIQUE NULLS NOT DISTINCT (media_type, year, wanted_count)
);

-- Grows with every change of what the wishlist shows. A moment in microseconds, so that a database
-- restored from a backup never comes by a number that it had with other contents.
ALTER TABLE sync_state ADD COLUMN IF NOT EXISTS generation bigint NOT NULL DEFAULT 0;

-- One index for each order of the list, in both directions; see item_pages.py, which sorts by these very
-- expressions. What is unknown comes last in either direction, hence two each.
CREATE INDEX IF NOT EXISTS wishlist_items_title_idx ON wishlist_items (lower(title), added_at, id);
CREATE INDEX IF NOT EXISTS wishlist_items_wanted_idx ON wishlist_items (wanted_count, added_at, id);
CREATE INDEX IF NOT EXISTS wishlist_items_year_idx ON wishlist_items (coalesce(year, 9999), added_at, id);
CREATE INDEX IF NOT EXISTS wishlist_items_year_down_idx ON wishlist_items (coalesce(year, 0), added_at, id);
CREATE INDEX IF NOT EXISTS wishlist_items_released_idx
    ON wishlist_items (coalesce(released_on, '9999-12-31'), added_at, id);
CREATE INDEX IF NOT EXISTS wishlist_items_released_down_idx
    ON wishlist_items (coalesce(released_on, '0001-01-01'), added_at, id);

-- A person's wishes, the removed ones included.
CREATE INDEX IF NOT EXISTS wishlist_item_sources_person_idx
    ON wishlist_item_sources (user_id, item_id) INCLUDE (removed_at);
DROP INDEX IF EXISTS wishlist_item_sources_user_idx;

-- Without pg_trgm the search works, too, title by title.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX IF NOT EXISTS wishlist_items_search_idx ON wishlist_items USING gin (title gin_trgm_ops);
EXCEPTION
    WHEN feature_not_supported OR undefined_file OR insufficient_privilege THEN
        RAISE WARNING 'The extension pg_trgm cannot be created here: searching a long list will be slow.';
END
$$;

-- How many titles hold a text is estimated from samples. Of 100, as usual, 1 % is the least there can be,
-- and a word of 0.1 % would be looked for in all titles from the newest on rather than by its trigrams.
ALTER TABLE wishlist_items ALTER COLUMN title SET STATISTICS 1000;

-- Count anew who wants these titles, and what these people want; null counts all.
-- Each on its own (LATERAL): to join the tables PostgreSQL may look through all of them.
CREATE OR REPLACE FUNCTION recount_items(item_ids bigint[]) RETURNS void
    LANGUAGE sql
AS $$
UPDATE wishlist_items AS item
   SET wanted_count = counted.wanted,
       wish_count = counted.wishes
  FROM wishlist_items AS listed
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE source.removed_at IS NULL) AS wanted,
              count(*) AS wishes
         FROM wishlist_item_sources AS source
         JOIN plex_users AS person ON person.id = source.user_id
        WHERE source.item_id = listed.id
          AND person.active) AS counted
 WHERE listed.id = ANY (coalesce(item_ids, ARRAY(SELECT id FROM wishlist_items)))
   AND (listed.wanted_count, listed.wish_count) IS DISTINCT FROM (counted.wanted, counted.wishes)
   AND item.id = listed.id
$$;

CREATE OR REPLACE FUNCTION recount_people(user_ids integer[]) RETURNS void
    LANGUAGE sql
AS $$
UPDATE plex_users AS person
   SET wishlist_size = counted.wanted
  FROM plex_users AS listed
 CROSS JOIN LATERAL (
       SELECT count(*) AS wanted
         FROM wishlist_item_sources AS source
        WHERE source.user_id = listed.id
          AND source.removed_at IS NULL) AS counted
 WHERE listed.id = ANY (coalesce(user_ids, ARRAY(SELECT id FROM plex_users)))
   AND listed.wishlist_size <> counted.wanted
   AND person.id = listed.id
$$;

CREATE OR REPLACE FUNCTION next_generation() RETURNS void
    LANGUAGE sql
AS $$
UPDATE sync_state
   SET generation = greatest(generation + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$$;

-- The triggers keep all of the above true whatever writes. Writers of wishes take turns (lock_wishlist()
-- in db.py): two that counted the same title at once would each miss the other's wish.
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

CREATE OR REPLACE TRIGGER wishes_added AFTER INSERT ON wishlist_item_sources
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();
CREATE OR REPLACE TRIGGER wishes_updated AFTER UPDATE ON wishlist_item_sources
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();
CREATE OR REPLACE TRIGGER wishes_erased AFTER DELETE ON wishlist_item_sources
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();

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

-- Only an update needs a new generation: before somebody wants a title, and after, it is not shown.
CREATE OR REPLACE TRIGGER items_added AFTER INSERT ON wishlist_items
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION items_changed();
CREATE OR REPLACE TRIGGER items_updated AFTER UPDATE ON wishlist_items
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION items_changed();
CREATE OR REPLACE TRIGGER items_erased AFTER DELETE ON wishlist_items
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION items_changed();

-- A wish counts while its person is active, shows their name, and was last seen when their list was last read.
CREATE OR REPLACE FUNCTION person_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    IF old.active <> new.active THEN
        PERFORM recount_items(ARRAY(SELECT item_id FROM wishlist_item_sources WHERE user_id = new.id));
    END IF;
    PERFORM next_generation();
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER person_changed AFTER UPDATE OF name, active, last_success_at ON plex_users
    FOR EACH ROW
    WHEN ((old.name, old.active, old.last_success_at) IS DISTINCT FROM (new.name, new.active, new.last_success_at))
    EXECUTE FUNCTION person_changed();

-- The rows from before this migration. Just restored, they are unknown to the planner.
ANALYZE plex_users, wishlist_items, wishlist_item_sources;
DO $$
BEGIN
    PERFORM recount_items(NULL);
    PERFORM recount_people(NULL);
END
$$;

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
       wishlist_size,
       created_at,
       updated_at
  FROM plex_users;

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

-- The filters of GET /api/wishlist; a null argument does not filter.
-- A plain SQL function is inlined: the planner sees its tables and indexes, and of the conditions
-- only those that apply.
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
