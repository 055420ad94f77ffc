-- Wishes: who wants which title, what changed and when, and the wishlist as the API shows it.

CREATE TABLE wishlist_item_sources (
    item_id        bigint NOT NULL,
    user_id        integer NOT NULL,
    first_added_at timestamptz NOT NULL DEFAULT now(),
    watchlisted_at timestamptz,
    last_seen_at   timestamptz,
    removed_at     timestamptz,
    kept_at        timestamptz,
    keep_due_at    timestamptz,
    keep_failures  integer NOT NULL DEFAULT 0,
    CONSTRAINT wishlist_item_sources_pkey PRIMARY KEY (item_id, user_id),
    CONSTRAINT wishlist_item_sources_item_fkey FOREIGN KEY (item_id) REFERENCES wishlist_items (id),
    CONSTRAINT wishlist_item_sources_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT wishlist_item_sources_removed_check CHECK ((removed_at IS NULL) = (last_seen_at IS NULL))
);

CREATE INDEX wishlist_item_sources_keep_due_idx ON wishlist_item_sources (keep_due_at) WHERE keep_due_at IS NOT NULL;
CREATE INDEX wishlist_item_sources_person_idx ON wishlist_item_sources (user_id, item_id) INCLUDE (removed_at);

COMMENT ON TABLE wishlist_item_sources IS 'The wish of one person for one title. Never deleted by a sync.';
COMMENT ON COLUMN wishlist_item_sources.item_id IS 'The title, as wishlist_items.id.';
COMMENT ON COLUMN wishlist_item_sources.user_id IS 'The person, as plex_users.id.';
COMMENT ON COLUMN wishlist_item_sources.first_added_at IS 'When the wish was first stored here.';
COMMENT ON COLUMN wishlist_item_sources.watchlisted_at IS
    'When the person put the title on their watchlist. Null if Plex did not tell it.';
COMMENT ON COLUMN wishlist_item_sources.last_seen_at IS
    'When the wish was last on the watchlist. Kept for a removed wish only; the view wishes has it for all.';
COMMENT ON COLUMN wishlist_item_sources.removed_at IS
    'When a complete read first missed the wish. Null while the person wants the title.';
COMMENT ON COLUMN wishlist_item_sources.kept_at IS
    'When this service took the title off the watchlist; it stays wanted here. Null otherwise.';
COMMENT ON COLUMN wishlist_item_sources.keep_due_at IS
    'When to try again to take a kept title off the watchlist. Null once Plex has confirmed that it is off.';
COMMENT ON COLUMN wishlist_item_sources.keep_failures IS 'How often in a row that failed.';

-- No foreign key to the records: it would be checked for each title of a first sync.
CREATE TABLE watchlist_rows (
    user_id    integer NOT NULL,
    uid        text NOT NULL,
    tells_date boolean NOT NULL,
    tells_year boolean NOT NULL,
    CONSTRAINT watchlist_rows_pkey PRIMARY KEY (user_id, uid),
    CONSTRAINT watchlist_rows_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE
);

CREATE INDEX watchlist_rows_uid_idx ON watchlist_rows (uid);

COMMENT ON TABLE watchlist_rows IS
    'What the watchlists show: one row for each record on the watchlist of a person when it was last read.';
COMMENT ON COLUMN watchlist_rows.user_id IS 'The person, as plex_users.id.';
COMMENT ON COLUMN watchlist_rows.uid IS 'The record, as wishlist_records.uid.';
COMMENT ON COLUMN watchlist_rows.tells_date IS 'Whether the row had the day of release.';
COMMENT ON COLUMN watchlist_rows.tells_year IS 'Whether the row had the year.';

CREATE FUNCTION listed_uids(person_id integer, title_id bigint) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN coalesce(
        (SELECT array_agg(record.uid ORDER BY record.seen DESC, record.uid DESC)
           FROM wishlist_records AS record
           JOIN watchlist_rows AS listed ON listed.uid = record.uid
          WHERE record.item_id = title_id
            AND listed.user_id = person_id),
        (SELECT ARRAY[uid] FROM wishlist_items WHERE id = title_id));

COMMENT ON FUNCTION listed_uids(integer, bigint) IS
    'The records of the title that the watchlist of the person shows, newest first; the newest record if it shows none.';

CREATE VIEW wishes AS
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

COMMENT ON VIEW wishes IS
    'The wishes that count: those of active people. A present wish was last seen when its watchlist was last read. '
    'To store that would rewrite every row at every sync.';
COMMENT ON COLUMN wishes.item_id IS 'As wishlist_item_sources.item_id.';
COMMENT ON COLUMN wishes.user_id IS 'As wishlist_item_sources.user_id.';
COMMENT ON COLUMN wishes.name IS 'The name of the person, or "Person 7" while names are hidden.';
COMMENT ON COLUMN wishes.first_added_at IS 'As wishlist_item_sources.first_added_at.';
COMMENT ON COLUMN wishes.removed_at IS 'As wishlist_item_sources.removed_at.';
COMMENT ON COLUMN wishes.last_seen_at IS 'When the wish was last on the watchlist, present or removed.';
COMMENT ON COLUMN wishes.watchlisted_at IS 'As wishlist_item_sources.watchlisted_at.';

CREATE FUNCTION item_meant(uids text[]) RETURNS bigint
    LANGUAGE sql STABLE
    RETURN (SELECT item.id
              FROM wishlist_records AS record
              JOIN wishlist_items AS item ON item.id = record.item_id
             WHERE record.uid = ANY (uids)
          ORDER BY item.wanted_count > 0 DESC,
                   item.wish_count > 0 DESC,
                   CASE WHEN item.wanted_count = 0
                        THEN (SELECT max(last_seen_at) FROM wishes WHERE wishes.item_id = item.id)
                    END DESC NULLS LAST,
                   item.media_type
             LIMIT 1);

COMMENT ON FUNCTION item_meant(text[]) IS
    'The title with a record of one of these uids. Of a movie and a show under one key, the one that is wanted; of two '
    'wanted ones, the movie; of none, the one that was wanted last.';

-- Without foreign keys: they would make a first sync a third slower. Triggers remove the events of an erased person
-- or title.
CREATE TABLE wishlist_events (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    kind         text NOT NULL,
    item_id      bigint NOT NULL,
    user_id      integer NOT NULL,
    run_id       bigint,
    first_import boolean NOT NULL,
    happened_at  timestamptz NOT NULL,
    CONSTRAINT wishlist_events_pkey PRIMARY KEY (id),
    CONSTRAINT wishlist_events_kind_check CHECK (kind IN ('added', 'removed', 'came_back'))
);

CREATE INDEX wishlist_events_item_idx ON wishlist_events (item_id, id);
CREATE INDEX wishlist_events_user_idx ON wishlist_events (user_id, id);
CREATE INDEX wishlist_events_time_idx ON wishlist_events USING brin (happened_at);
-- Finds the rare kinds among many additions.
CREATE INDEX wishlist_events_kind_idx ON wishlist_events (kind, id) WHERE kind <> 'added';

COMMENT ON TABLE wishlist_events IS
    'The history of the wishes. Rows become visible in the order of their ids: whoever has read up to an id has missed '
    'none before it. They stay as they are, except where two titles turn out to be one, see join_items().';
COMMENT ON COLUMN wishlist_events.id IS 'The number of the event in the API.';
COMMENT ON COLUMN wishlist_events.kind IS 'added, removed or came_back.';
COMMENT ON COLUMN wishlist_events.item_id IS 'The title, as wishlist_items.id.';
COMMENT ON COLUMN wishlist_events.user_id IS 'The person, as plex_users.id.';
COMMENT ON COLUMN wishlist_events.run_id IS
    'The sync run that found it, as sync_runs.id. Null if it was done here and not found by a sync.';
COMMENT ON COLUMN wishlist_events.first_import IS
    'Whether the watchlist of the person was read for the first time. Such titles are not new wishes.';
COMMENT ON COLUMN wishlist_events.happened_at IS 'When the change was stored.';

-- LATERAL counts each title or person on its own. In a plain join PostgreSQL may read the whole tables. The ids are
-- joined, since "= ANY" of a million would compare each title with each of them where no index is used.
CREATE FUNCTION recount_items(item_ids bigint[]) RETURNS void
    LANGUAGE sql
AS $$
UPDATE wishlist_items AS item
   SET wanted_count = counted.wanted,
       wish_count = counted.wishes,
       last_wish_at = coalesce(counted.last_wish_at, item.last_wish_at)
  FROM unnest(coalesce(item_ids, ARRAY(SELECT id FROM wishlist_items))) AS given (id)
  JOIN wishlist_items AS listed USING (id)
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE source.removed_at IS NULL) AS wanted,
              count(*) AS wishes,
              coalesce(max(wish.began_at) FILTER (WHERE source.removed_at IS NULL), max(wish.began_at))
                  AS last_wish_at
         FROM wishlist_item_sources AS source
         JOIN plex_users AS person ON person.id = source.user_id
        CROSS JOIN LATERAL (
              SELECT greatest(source.first_added_at, max(event.happened_at)) AS began_at
                FROM wishlist_events AS event
               WHERE event.item_id = source.item_id
                 AND event.user_id = source.user_id
                 AND event.kind = 'came_back') AS wish
        WHERE source.item_id = listed.id
          AND person.active) AS counted
 WHERE (listed.wanted_count, listed.wish_count, listed.last_wish_at)
       IS DISTINCT FROM (counted.wanted, counted.wishes, coalesce(counted.last_wish_at, listed.last_wish_at))
   AND item.id = listed.id
$$;

COMMENT ON FUNCTION recount_items(bigint[]) IS
    'Counts again who wants these titles, and stores wanted_count, wish_count and last_wish_at. Null counts all titles.';

CREATE FUNCTION recount_people(user_ids integer[]) RETURNS void
    LANGUAGE sql
AS $$
UPDATE plex_users AS person
   SET wishlist_size = counted.wanted
  FROM unnest(coalesce(user_ids, ARRAY(SELECT id FROM plex_users))) AS given (id)
  JOIN plex_users AS listed USING (id)
 CROSS JOIN LATERAL (
       SELECT count(*) AS wanted
         FROM wishlist_item_sources AS source
        WHERE source.user_id = listed.id
          AND source.removed_at IS NULL) AS counted
 WHERE listed.wishlist_size <> counted.wanted
   AND person.id = listed.id
$$;

COMMENT ON FUNCTION recount_people(integer[]) IS
    'Counts again what these people want, and stores wishlist_size. Null counts all people.';

-- The triggers keep counts, events and generation right, whatever writes. Programs that write wishes hold
-- lock_wishlist() until they commit: two that counted the same title at once would each miss the other's wish.
-- A change by hand, without that lock, still waits at next_generation() before it draws ids of events.
CREATE FUNCTION wishes_changed() RETURNS trigger
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
    PERFORM next_generation();              -- until the commit, no other transaction draws ids or times
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
        -- again, because last_wish_at is that of the return
        PERFORM recount_items(ARRAY(
            SELECT item_id
              FROM changed
              JOIN before USING (item_id, user_id)
             WHERE changed.removed_at IS NULL
               AND before.removed_at IS NOT NULL));
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION wishes_changed() IS
    'Trigger of wishlist_item_sources: keeps the counts, raises the generation, writes wishlist_events. The setting '
    'wishlist.run names the sync run.';

CREATE TRIGGER wishes_added AFTER INSERT ON wishlist_item_sources
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();
CREATE TRIGGER wishes_updated AFTER UPDATE ON wishlist_item_sources
    REFERENCING OLD TABLE AS before NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();
CREATE TRIGGER wishes_erased AFTER DELETE ON wishlist_item_sources
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION wishes_changed();

CREATE FUNCTION join_items(older bigint, younger bigint) RETURNS void
    LANGUAGE plpgsql
AS $$
DECLARE
    gone wishlist_items;
BEGIN
    UPDATE wishlist_records SET item_id = older WHERE item_id = younger;

    UPDATE wishlist_item_sources AS source
       SET first_added_at = least(source.first_added_at, other.first_added_at),
           watchlisted_at = CASE
               WHEN (source.removed_at IS NULL) = (other.removed_at IS NULL)
               THEN least(source.watchlisted_at, other.watchlisted_at)
               WHEN source.removed_at IS NULL THEN source.watchlisted_at
               ELSE other.watchlisted_at
           END,
           last_seen_at = CASE WHEN source.removed_at IS NOT NULL AND other.removed_at IS NOT NULL
                               THEN greatest(source.last_seen_at, other.last_seen_at)
                           END,
           removed_at = CASE WHEN source.removed_at IS NOT NULL AND other.removed_at IS NOT NULL
                             THEN greatest(source.removed_at, other.removed_at)
                         END,
           -- a present wish that is not kept is on the watchlist
           kept_at = CASE WHEN source.removed_at IS NOT NULL THEN other.kept_at
                          WHEN other.removed_at IS NOT NULL THEN source.kept_at
                          WHEN source.kept_at IS NOT NULL AND other.kept_at IS NOT NULL
                          THEN greatest(source.kept_at, other.kept_at)
                      END
      FROM wishlist_item_sources AS other
     WHERE source.item_id = older
       AND other.item_id = younger
       AND other.user_id = source.user_id;
    DELETE FROM wishlist_item_sources AS source
     USING wishlist_item_sources AS stays
     WHERE source.item_id = younger
       AND stays.item_id = older
       AND stays.user_id = source.user_id;
    UPDATE wishlist_item_sources SET item_id = older WHERE item_id = younger;

    -- Played from the beginning, each person wanted the one title while they wanted either of the two. What changes
    -- nothing goes, also the return that the trigger has just written.
    UPDATE wishlist_events SET item_id = older WHERE item_id = younger;
    WITH played AS (
         SELECT id, user_id, kind,
                sum(CASE kind WHEN 'removed' THEN -1 ELSE 1 END) OVER (PARTITION BY user_id ORDER BY id) AS wanted
           FROM wishlist_events
          WHERE item_id = older)
    DELETE FROM wishlist_events AS event
     USING played
     WHERE event.id = played.id
       AND played.wanted <> CASE played.kind WHEN 'removed' THEN 0 ELSE 1 END;
    UPDATE wishlist_events AS event
       SET kind = 'came_back',
           first_import = false
     WHERE event.item_id = older
       AND event.kind = 'added'
       AND EXISTS (
               SELECT
                 FROM wishlist_events AS earlier
                WHERE earlier.item_id = older
                  AND earlier.user_id = event.user_id
                  AND earlier.id < event.id);

    UPDATE library_arrivals SET item_id = older WHERE item_id = younger;
    INSERT INTO library_titles AS known (item_id, names, dismissed, seasons, left_at)
    SELECT older, names, dismissed, seasons, left_at
      FROM library_titles
     WHERE item_id = younger
        ON CONFLICT (item_id) DO UPDATE
       SET names = coalesce(known.names, excluded.names),
           seasons = greatest(known.seasons, excluded.seasons),
           left_at = greatest(known.left_at, excluded.left_at);
    DELETE FROM wishlist_items WHERE id = younger RETURNING * INTO gone;
    UPDATE wishlist_items
       SET title = gone.title,
           year = coalesce(gone.year, year),
           released_on = coalesce(gone.released_on, released_on),
           poster_url = coalesce(gone.poster_url, poster_url),
           plex_url = coalesce(gone.plex_url, plex_url),
           content_rating = coalesce(gone.content_rating, content_rating),
           summary = coalesce(gone.summary, summary),
           genres = CASE WHEN cardinality(gone.genres) > 0 THEN gone.genres ELSE genres END,
           details_due_at = least(details_due_at, gone.details_due_at),
           first_asked_at = least(first_asked_at, gone.first_asked_at),
           available = greatest(available, gone.available),
           available_since = least(available_since, gone.available_since),
           available_sure = available_sure OR gone.available_sure,
           added_at = least(added_at, gone.added_at),
           dismissed_at = least(dismissed_at, gone.dismissed_at)
     WHERE id = older;
END
$$;

COMMENT ON FUNCTION join_items(bigint, bigint) IS
    'Makes two titles one, which turned out to be the same. The older one stays and takes the records, wishes, events '
    'and dismissal of the younger one, and what the media server had of it. Its uid and external ids are then out of '
    'date.';

CREATE FUNCTION person_changed() RETURNS trigger
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

COMMENT ON FUNCTION person_changed() IS
    'Trigger of plex_users: a wish counts while its person is active, shows their name, and was last seen when their '
    'watchlist was last read.';

CREATE TRIGGER person_changed AFTER UPDATE OF name, active, last_success_at ON plex_users
    FOR EACH ROW
    WHEN ((old.name, old.active, old.last_success_at) IS DISTINCT FROM (new.name, new.active, new.last_success_at))
    EXECUTE FUNCTION person_changed();

CREATE FUNCTION person_erased() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM wishlist_events WHERE user_id = old.id;
    PERFORM next_generation();
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION person_erased() IS
    'Trigger of plex_users: removes the events of an erased person and raises the generation.';

CREATE TRIGGER person_erased AFTER DELETE ON plex_users
    FOR EACH ROW EXECUTE FUNCTION person_erased();

CREATE VIEW wishlist_documents AS
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
              coalesce(item.first_uid, item.uid) AS first_uid,
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
              item.duration_minutes,
              item.audience_rating,
              item.seasons,
              item.tagline,
              item.backdrop_url,
              item.genres,
              item.available,
              rfc3339(item.added_at) AS added_at,
              rfc3339(item.last_wish_at) AS last_wish_at,
              rfc3339(people.last_seen_at) AS last_seen_at,
              CASE WHEN item.wanted_count = 0 THEN rfc3339(people.removed_at) END AS removed_at,
              rfc3339(item.dismissed_at) AS dismissed_at,
              item.wanted_count,
              coalesce(people.wanted_by, '[]') AS wanted_by) AS shown;

COMMENT ON VIEW wishlist_documents IS 'Titles as the API shows them.';
COMMENT ON COLUMN wishlist_documents.id IS 'As wishlist_items.id.';
COMMENT ON COLUMN wishlist_documents.uid IS 'As wishlist_items.uid.';
COMMENT ON COLUMN wishlist_documents.document IS 'The title with the people who want it, as JSON.';

-- PL/pgSQL, since it keeps its plan. PostgreSQL must plan a search again for each request, but this part of it is
-- always the same. It sees what the statement that calls it sees.
CREATE FUNCTION item_documents(item_ids bigint[]) RETURNS text
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN (SELECT coalesce(json_agg(item.document ORDER BY shown.place), '[]')
              FROM unnest(item_ids) WITH ORDINALITY AS shown (id, place)
              JOIN wishlist_documents AS item ON item.id = shown.id);
END
$$;

COMMENT ON FUNCTION item_documents(bigint[]) IS
    'These titles as the API shows them, as a JSON array in the order of the ids.';

CREATE VIEW wishlist_event_documents AS
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

COMMENT ON VIEW wishlist_event_documents IS 'Events as the API shows them.';
COMMENT ON COLUMN wishlist_event_documents.id IS 'As wishlist_events.id.';
COMMENT ON COLUMN wishlist_event_documents.document IS 'The event with its title and its person, as JSON.';

-- A plain SQL function is inlined: the planner sees its tables and indexes, and only the conditions that apply.
CREATE FUNCTION wishlist_matching(
    search text,
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
 WHERE (search IS NULL
        OR item.search_title LIKE (search_patterns(search))[1]          -- looked up in the index
       AND item.search_title LIKE ALL ((search_patterns(search))[2:]))
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
       -- an array, so that PostgreSQL looks up the titles of these people instead of reading all titles
   AND (only_user_ids IS NULL OR item.id = ANY (ARRAY(
           SELECT wishes.item_id
             FROM wishes
            WHERE wishes.user_id = ANY (only_user_ids)
              AND (only_status <> 'current' OR wishes.removed_at IS NULL)
         GROUP BY wishes.item_id
           HAVING count(*) >= CASE WHEN every_user THEN cardinality(only_user_ids) ELSE 1 END)))
$$;

COMMENT ON FUNCTION wishlist_matching(text, integer, text, integer[], boolean, integer, text, text, boolean, text) IS
    'The titles that match the filters of GET /api/wishlist. A filter that is null does not apply.';
