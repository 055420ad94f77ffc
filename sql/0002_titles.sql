-- Titles: what is on the wishlist, or was, and what of it the media server has.

CREATE FUNCTION lower_all(texts text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT
    RETURN ARRAY(SELECT lower(one) FROM unnest(texts) AS one);

COMMENT ON FUNCTION lower_all(text[]) IS 'The texts in lower case. Makes the search for a genre ignore case.';

CREATE FUNCTION plain(words text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    RETURN replace(replace(replace(replace(
               lower(translate(regexp_replace(normalize(words, NFD), U&'[\0300-\036f]', '', 'g'),
                               'ØøŁłĐđÐðĦħıςẞÆŒÞ’',
                               'oollddddhhiσßæœþ''')),
               'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th');

COMMENT ON FUNCTION plain(text) IS
    'The text in lower case without accents: what a search compares. Letters that are more than a letter with an '
    'accent are written as people type them: ss for ß, o for ø, l for ł, ae for æ.';

CREATE FUNCTION search_patterns(search text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT
    RETURN (SELECT coalesce(
                       array_agg('%' || regexp_replace(word, '([\\%_])', '\\\1', 'g') || '%'
                                 ORDER BY length(word) DESC, word),
                       '{%}')
              FROM regexp_split_to_table(plain(search), '\s+') AS word
             WHERE word <> '');

COMMENT ON FUNCTION search_patterns(text) IS
    'A pattern for each word of a search, the longest first: that is the one to look up in the index.';

CREATE FUNCTION sort_title(title text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT
    RETURN regexp_replace(
        lower(title), '^((the|an?|der|die|das|le|la|les|el|los|las)\s+|l[''’]\s*)(?=\S)', '');

COMMENT ON FUNCTION sort_title(text) IS
    'The title in lower case without a leading article: The, A, An; Der, Die, Das; Le, La, Les, L''; El, Los, Las. A '
    'title that is nothing but an article keeps it.';

CREATE FUNCTION next_question_at(first_asked_at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE
    RETURN coalesce(
        (SELECT min(first_asked_at + days * interval '1 day')
           FROM unnest(ARRAY[1, 3, 7, 14, 30]) AS days
          WHERE first_asked_at + days * interval '1 day' > now()),
        now() + interval '30 days');

COMMENT ON FUNCTION next_question_at(timestamptz) IS
    'When to ask Plex again about a title of which something is missing: 1, 3, 7, 14 and 30 days after the first '
    'question, then every 30 days.';

CREATE TABLE wishlist_items (
    id               bigint GENERATED ALWAYS AS IDENTITY,
    uid              text NOT NULL,
    first_uid        text,
    media_type       text NOT NULL,
    title            text NOT NULL,
    search_title     text COLLATE "C" GENERATED ALWAYS AS (plain(title)) STORED,
    year             integer,
    released_on      date,
    imdb_id          text,
    tmdb_id          integer,
    tvdb_id          integer,
    poster_url       text,
    plex_url         text,
    content_rating   text,
    duration_minutes integer,
    audience_rating  numeric(3, 1),
    seasons          integer,
    tagline          text,
    backdrop_url     text,
    summary          text,
    genres           text[] NOT NULL DEFAULT '{}',
    details_due_at   timestamptz DEFAULT now(),
    first_asked_at   timestamptz,
    available        boolean,
    available_since  timestamptz,
    play_url         text,
    available_sure   boolean NOT NULL DEFAULT false,
    added_at         timestamptz NOT NULL DEFAULT now(),
    last_wish_at     timestamptz NOT NULL DEFAULT now(),
    dismissed_at     timestamptz,
    wanted_count     integer NOT NULL DEFAULT 0,
    wish_count       integer NOT NULL DEFAULT 0,
    CONSTRAINT wishlist_items_pkey PRIMARY KEY (id),
    CONSTRAINT wishlist_items_uid_key UNIQUE (uid),
    CONSTRAINT wishlist_items_media_type_check CHECK (media_type IN ('movie', 'show'))
);

COMMENT ON TABLE wishlist_items IS
    'Titles that a person wants or wanted. Never deleted by a sync; shown while wish_count is above 0.';
COMMENT ON COLUMN wishlist_items.id IS 'The number of the title in the API.';
COMMENT ON COLUMN wishlist_items.uid IS
    'Plex''s guid of the title, as Plex writes it. Of several records of the title, that of the newest.';
COMMENT ON COLUMN wishlist_items.first_uid IS
    'The uid that the title had first. Entries of feeds keep it. Null while it is the uid.';
COMMENT ON COLUMN wishlist_items.media_type IS 'movie or show.';
COMMENT ON COLUMN wishlist_items.title IS 'The title as Plex writes it.';
COMMENT ON COLUMN wishlist_items.search_title IS
    'The title in lower case without accents, for searches. To make it in every search would take longer.';
COMMENT ON COLUMN wishlist_items.year IS 'The year of release. Null if Plex does not tell it.';
COMMENT ON COLUMN wishlist_items.released_on IS 'The day of release. Null if Plex does not tell it.';
COMMENT ON COLUMN wishlist_items.imdb_id IS
    'The id at IMDb, like tt0111161, of the newest record that is on a watchlist and has ids. Null if unknown.';
COMMENT ON COLUMN wishlist_items.tmdb_id IS
    'The id at TMDB, which numbers movies and shows separately: always read it with media_type. Null if unknown.';
COMMENT ON COLUMN wishlist_items.tvdb_id IS
    'The id at TheTVDB, which numbers movies and shows separately: always read it with media_type. Null if unknown.';
COMMENT ON COLUMN wishlist_items.poster_url IS 'The address of the poster. Null if there is none.';
COMMENT ON COLUMN wishlist_items.plex_url IS 'The page of the title at Plex. Null if unknown.';
COMMENT ON COLUMN wishlist_items.content_rating IS 'The age rating, like PG-13. Null if Plex does not tell it.';
COMMENT ON COLUMN wishlist_items.duration_minutes IS
    'The length of the movie, or of an episode of the show. Null if Plex does not tell it.';
COMMENT ON COLUMN wishlist_items.audience_rating IS 'What viewers think of it, 0 to 10. Null if Plex does not tell it.';
COMMENT ON COLUMN wishlist_items.seasons IS 'How many seasons the show has. Null for movies, and if unknown.';
COMMENT ON COLUMN wishlist_items.tagline IS 'The line that advertises the title. Null if there is none.';
COMMENT ON COLUMN wishlist_items.backdrop_url IS 'The https address of a wide picture. Null if there is none.';
COMMENT ON COLUMN wishlist_items.summary IS 'What the title is about. Null until Plex was asked.';
COMMENT ON COLUMN wishlist_items.genres IS 'The genres as Plex writes them. Empty until Plex was asked.';
COMMENT ON COLUMN wishlist_items.details_due_at IS
    'When to ask Plex for what a watchlist does not tell, like summary and genres. Null once nothing is left to ask.';
COMMENT ON COLUMN wishlist_items.first_asked_at IS
    'When Plex was first asked for what a watchlist does not tell. Null before.';
COMMENT ON COLUMN wishlist_items.available IS 'Whether the media server has the title. Null until it was read.';
COMMENT ON COLUMN wishlist_items.available_since IS
    'When the media server was first seen to have the title. Null while it is not seen there.';
COMMENT ON COLUMN wishlist_items.play_url IS 'Where Plex plays the title of the media server. Null if it does not have it.';
COMMENT ON COLUMN wishlist_items.available_sure IS
    'Whether the media server has this very title: by Plex''s guid, by two ids, or by the only id that is known. '
    'REMOVE_WHEN_AVAILABLE takes no other off a watchlist.';
COMMENT ON COLUMN wishlist_items.added_at IS 'When the title was first stored here.';
COMMENT ON COLUMN wishlist_items.last_wish_at IS
    'When the newest wish of an active person began or came back: of those who want the title, or else of those who '
    'wanted it. Kept by triggers.';
COMMENT ON COLUMN wishlist_items.dismissed_at IS
    'When the title was dismissed: it stays off the wishlist, whatever the watchlists say. Null if it is not.';
COMMENT ON COLUMN wishlist_items.wanted_count IS 'How many active people want the title at present. Kept by triggers.';
COMMENT ON COLUMN wishlist_items.wish_count IS
    'How many active people want or wanted the title. Kept by triggers.';

CREATE FUNCTION seen_now() RETURNS bigint
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN coalesce(2 * nullif(current_setting('wishlist.run', true), '')::bigint,
                    2 * pg_sequence_last_value('sync_runs_id_seq') + 1,    -- old runs are deleted
                    1);
END
$$;

COMMENT ON FUNCTION seen_now() IS 'The present moment as wishlist_records.seen counts it.';

CREATE TABLE wishlist_records (
    uid             text NOT NULL,
    item_id         bigint NOT NULL,
    external_ids    text[] NOT NULL DEFAULT '{}',
    seen            bigint NOT NULL DEFAULT seen_now(),
    page_tells_date boolean NOT NULL DEFAULT false,
    page_tells_year boolean NOT NULL DEFAULT false,
    CONSTRAINT wishlist_records_pkey PRIMARY KEY (uid),
    CONSTRAINT wishlist_records_item_fkey FOREIGN KEY (item_id) REFERENCES wishlist_items (id) ON DELETE CASCADE
);

CREATE INDEX wishlist_records_item_idx ON wishlist_records (item_id);
-- Without fastupdate: a first sync searches for what it has just written, and each search would read all of that.
CREATE INDEX wishlist_records_ids_idx ON wishlist_records USING gin (external_ids) WITH (fastupdate = off);

COMMENT ON TABLE wishlist_records IS
    'Plex''s records of the titles. Plex sometimes gives a title a new one, so a title has one or more. The newest is '
    'the one that was first seen last; of several in one sync run, the one with the largest uid.';
COMMENT ON COLUMN wishlist_records.uid IS 'Plex''s guid of the record, as Plex writes it.';
COMMENT ON COLUMN wishlist_records.item_id IS 'The title, as wishlist_items.id.';
COMMENT ON COLUMN wishlist_records.external_ids IS
    'The ids of the last list of ids that was not empty, like imdb://tt0111161, sorted. There may be several of a kind.';
COMMENT ON COLUMN wishlist_records.seen IS
    'When the record was first seen: twice the id of that sync run, and one more after it. So the order in which a run '
    'reads the watchlists makes no difference.';
COMMENT ON COLUMN wishlist_records.page_tells_date IS
    'Whether the page of the record had the day of release when it was last asked for.';
COMMENT ON COLUMN wishlist_records.page_tells_year IS
    'Whether the page of the record had the year when it was last asked for.';

CREATE FUNCTION item_names(title_id bigint) RETURNS text[]
    LANGUAGE sql STABLE
    RETURN ARRAY(
        SELECT DISTINCT unnest(record.uid || record.external_ids) COLLATE "C" AS name
          FROM wishlist_records AS record
         WHERE record.item_id = title_id
      ORDER BY name);

COMMENT ON FUNCTION item_names(bigint) IS
    'The names of all records of the title, like plex://... and imdb://..., sorted. Libraries are searched for them.';

CREATE FUNCTION shown_id(kind text, external_ids text[], shown_before text) RETURNS text
    LANGUAGE sql IMMUTABLE
    RETURN (SELECT split_part(one, '://', 2)
              FROM unnest(external_ids) AS one
             WHERE split_part(one, '://', 1) = kind
          ORDER BY split_part(one, '://', 2) = coalesce(shown_before, '') DESC,
                   ltrim(split_part(one, '://', 2), 't')::bigint,
                   one
             LIMIT 1);

COMMENT ON FUNCTION shown_id(text, text[], text) IS
    'The id of this kind (imdb, tmdb, tvdb) that is shown: the one shown before if it is still among them, else the '
    'smallest as a number. Null if there is none.';

-- One index for each order of the list, in both directions. The query that sorts uses these very expressions.
-- Unknown values come last in either direction, hence two indexes each for year and release.
CREATE INDEX wishlist_items_added_idx ON wishlist_items (added_at DESC, id DESC);
CREATE INDEX wishlist_items_last_wish_idx ON wishlist_items (last_wish_at, added_at, id);
CREATE INDEX wishlist_items_title_idx ON wishlist_items (sort_title(title), added_at, id);
CREATE INDEX wishlist_items_wanted_idx ON wishlist_items (wanted_count, added_at, id);
CREATE INDEX wishlist_items_year_idx ON wishlist_items (coalesce(year, 9999), added_at, id);
CREATE INDEX wishlist_items_year_down_idx ON wishlist_items (coalesce(year, 0), added_at, id);
CREATE INDEX wishlist_items_released_idx ON wishlist_items (coalesce(released_on, '9999-12-31'), added_at, id);
CREATE INDEX wishlist_items_released_down_idx ON wishlist_items (coalesce(released_on, '0001-01-01'), added_at, id);

CREATE INDEX wishlist_items_genres_idx ON wishlist_items USING gin (lower_all(genres));
CREATE INDEX wishlist_items_details_due_idx ON wishlist_items (details_due_at) WHERE details_due_at IS NOT NULL;
CREATE INDEX wishlist_items_available_idx ON wishlist_items (available_since) WHERE available;
CREATE INDEX wishlist_items_dismissed_idx ON wishlist_items (added_at, id) WHERE dismissed_at IS NOT NULL;

-- Without pg_trgm a search still works, but reads title by title.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX wishlist_items_search_idx ON wishlist_items USING gin (search_title gin_trgm_ops);
EXCEPTION
    -- undefined_object: it is there, but in a schema that is not on the search_path
    WHEN feature_not_supported OR undefined_file OR insufficient_privilege OR undefined_object THEN
        RAISE WARNING 'The extension pg_trgm cannot be created here: searching a long list will be slow.';
END
$$;

-- PostgreSQL estimates from samples how many titles have a word. With the usual 100 samples the lowest estimate is 1 %.
-- For a rarer word it would then read titles from the newest on, instead of using the index of trigrams.
ALTER TABLE wishlist_items ALTER COLUMN search_title SET STATISTICS 1000;

CREATE TABLE wishlist_tallies (
    dismissed    boolean NOT NULL DEFAULT false,
    available    boolean,
    media_type   text NOT NULL,
    year         integer,
    wanted_count integer NOT NULL,
    items        integer NOT NULL,
    CONSTRAINT wishlist_tallies_key UNIQUE NULLS NOT DISTINCT (dismissed, available, media_type, year, wanted_count)
);

COMMENT ON TABLE wishlist_tallies IS
    'How many shown titles there are of each kind, so that totals cost the same whatever the size of the wishlist. '
    'Kept by triggers.';
COMMENT ON COLUMN wishlist_tallies.dismissed IS 'Whether these titles are dismissed.';
COMMENT ON COLUMN wishlist_tallies.available IS 'As wishlist_items.available.';
COMMENT ON COLUMN wishlist_tallies.media_type IS 'As wishlist_items.media_type.';
COMMENT ON COLUMN wishlist_tallies.year IS 'As wishlist_items.year.';
COMMENT ON COLUMN wishlist_tallies.wanted_count IS 'As wishlist_items.wanted_count.';
COMMENT ON COLUMN wishlist_tallies.items IS 'How many titles there are with these values. May be 0.';

CREATE FUNCTION items_changed() RETURNS trigger
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

COMMENT ON FUNCTION items_changed() IS
    'Trigger of wishlist_items: keeps wishlist_tallies, removes the events of a deleted title, raises the generation.';

-- Only an update needs a new generation: a title without wishes is not shown.
CREATE TRIGGER items_added AFTER INSERT ON wishlist_items
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION items_changed();
CREATE TRIGGER items_updated AFTER UPDATE ON wishlist_items
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION items_changed();
CREATE TRIGGER items_erased AFTER DELETE ON wishlist_items
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION items_changed();

CREATE FUNCTION items_recorded() RETURNS trigger
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO wishlist_records (uid, item_id, external_ids)
    SELECT uid, id, array_remove(ARRAY['imdb://' || imdb_id, 'tmdb://' || tmdb_id, 'tvdb://' || tvdb_id], NULL)
      FROM after
        ON CONFLICT (uid) DO NOTHING;       -- a sync adds the record itself, with all its ids
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION items_recorded() IS 'Trigger of wishlist_items: gives each new title a record.';

CREATE TRIGGER items_recorded AFTER INSERT ON wishlist_items
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION items_recorded();
-- also for programs that turn triggers off to write many titles at once
ALTER TABLE wishlist_items ENABLE ALWAYS TRIGGER items_recorded;

CREATE TABLE library_sections (
    id                 text NOT NULL,
    content_changed_at bigint,
    largest_key        bigint NOT NULL DEFAULT 0,
    read_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT library_sections_pkey PRIMARY KEY (id)
);

COMMENT ON TABLE library_sections IS
    'The libraries of the media server that were read. Nobody is told about what the first read of one finds.';
COMMENT ON COLUMN library_sections.id IS 'The uuid of the library, or its key if the server tells no uuid.';
COMMENT ON COLUMN library_sections.content_changed_at IS
    'What the server said of its last change when the library was last read. Null if it said nothing.';
COMMENT ON COLUMN library_sections.largest_key IS
    'The largest key that a title of the library had. A title with a larger one was added after the last look.';
COMMENT ON COLUMN library_sections.read_at IS 'When the last read began that changed this row.';

CREATE TABLE library_titles (
    item_id   bigint NOT NULL,
    names     text[],
    dismissed boolean NOT NULL,
    seasons   integer,
    left_at   timestamptz,
    CONSTRAINT library_titles_pkey PRIMARY KEY (item_id),
    CONSTRAINT library_titles_item_fkey FOREIGN KEY (item_id) REFERENCES wishlist_items (id) ON DELETE CASCADE
);

COMMENT ON TABLE library_titles IS 'What looks at the media server know of the wanted titles.';
COMMENT ON COLUMN library_titles.item_id IS 'The title, as wishlist_items.id.';
COMMENT ON COLUMN library_titles.names IS
    'The names of the title that were compared, like plex://... and imdb://..., sorted. Null while nobody wants it.';
COMMENT ON COLUMN library_titles.dismissed IS 'Whether the title was dismissed, and so left out of the collections.';
COMMENT ON COLUMN library_titles.seasons IS
    'The maximum of seasons that the server had. Null for movies, and if it did not tell.';
COMMENT ON COLUMN library_titles.left_at IS
    'When the title was last missed on the server after it was there, or when it was there and nobody wanted it any more.';

CREATE TABLE library_arrivals (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    item_id     bigint NOT NULL,
    seasons     integer,
    new_seasons integer NOT NULL DEFAULT 0,
    days        double precision NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT library_arrivals_pkey PRIMARY KEY (id)
);

CREATE INDEX library_arrivals_item_idx ON library_arrivals (item_id);
CREATE INDEX library_arrivals_time_idx ON library_arrivals (happened_at);

COMMENT ON TABLE library_arrivals IS
    'When wanted titles, and new seasons of them, came to the media server. A row outlives its title, so that no '
    'counter falls.';
COMMENT ON COLUMN library_arrivals.id IS 'A number that grows with each arrival. Rows become visible in its order.';
COMMENT ON COLUMN library_arrivals.item_id IS 'The title, as wishlist_items.id.';
COMMENT ON COLUMN library_arrivals.seasons IS 'How many seasons are there. Null for movies, and if the server did not tell.';
COMMENT ON COLUMN library_arrivals.new_seasons IS 'How many of them are new. 0 if the title itself came.';
COMMENT ON COLUMN library_arrivals.days IS 'How many days the oldest present wish waited.';
COMMENT ON COLUMN library_arrivals.happened_at IS 'When the look that found it was stored.';

CREATE TABLE arrival_wishers (
    arrival_id bigint NOT NULL,
    user_id    integer NOT NULL,
    since      timestamptz NOT NULL,
    CONSTRAINT arrival_wishers_pkey PRIMARY KEY (arrival_id, user_id),
    CONSTRAINT arrival_wishers_arrival_fkey FOREIGN KEY (arrival_id) REFERENCES library_arrivals (id) ON DELETE CASCADE,
    CONSTRAINT arrival_wishers_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE
);

CREATE INDEX arrival_wishers_user_idx ON arrival_wishers (user_id, arrival_id);

COMMENT ON TABLE arrival_wishers IS 'Who is told of an arrival: those who wanted the title before it came.';
COMMENT ON COLUMN arrival_wishers.arrival_id IS 'As library_arrivals.id.';
COMMENT ON COLUMN arrival_wishers.user_id IS 'The person, as plex_users.id.';
COMMENT ON COLUMN arrival_wishers.since IS 'Since when they wanted the title.';
