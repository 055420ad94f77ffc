-- People, titles, who wants what, and the record of syncs.
-- Safe to run twice: a migrator killed between the step and its mark runs it again.

CREATE TABLE IF NOT EXISTS plex_users (
    id                integer GENERATED ALWAYS AS IDENTITY,
    name              text NOT NULL,
    plex_token        text NOT NULL,        -- ciphertext, never the token
    token_fingerprint text NOT NULL,        -- keyed hash: finds a token without decrypting any
    token_masked      text NOT NULL,
    active            boolean NOT NULL DEFAULT true,
    plex_uuid         text,                 -- Plex's id of the account, null until Plex has told it
    plex_username     text,
    account_checked   boolean NOT NULL DEFAULT false,   -- Plex has said whose the present token is
    sync_state        text NOT NULL DEFAULT 'never',
    sync_detail       text,
    last_attempt_at   timestamptz,
    last_success_at   timestamptz,          -- the last finished read: when its present titles were last seen
    list_etag         text,                 -- of page 1; null forces a full read
    list_read_at      timestamptz,          -- the last full read
    list_size         integer NOT NULL DEFAULT 0,
    held_removals     text,                 -- digest of the removals that wait for a second read
    pinged_at         timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT plex_users_pkey PRIMARY KEY (id),
    CONSTRAINT plex_users_token_key UNIQUE (token_fingerprint),
    CONSTRAINT plex_users_account_key UNIQUE (plex_uuid),
    CONSTRAINT plex_users_name_check CHECK (name <> ''),
    CONSTRAINT plex_users_state_check CHECK (sync_state IN (
        'never', 'ok', 'held', 'token_rejected', 'token_unreadable', 'other_account',
        'rate_limited', 'unreachable', 'plex_changed', 'error'))
);

CREATE UNIQUE INDEX IF NOT EXISTS plex_users_name_key ON plex_users (lower(name));

CREATE TABLE IF NOT EXISTS wishlist_items (
    id             bigint GENERATED ALWAYS AS IDENTITY,
    uid            text NOT NULL,           -- Plex's guid, kept as Plex writes it
    media_type     text NOT NULL,
    title          text NOT NULL,
    year           integer,
    released_on    date,
    imdb_id        text,
    tmdb_id        integer,                 -- tmdb and tvdb number movies and shows separately:
    tvdb_id        integer,                 -- without media_type such an id says nothing
    poster_url     text,
    plex_url       text,
    content_rating text,
    added_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT wishlist_items_pkey PRIMARY KEY (id),
    CONSTRAINT wishlist_items_uid_key UNIQUE (uid),
    CONSTRAINT wishlist_items_media_type_check CHECK (media_type IN ('movie', 'show'))
);

CREATE INDEX IF NOT EXISTS wishlist_items_added_idx ON wishlist_items (added_at DESC, id DESC);

CREATE TABLE IF NOT EXISTS wishlist_item_sources (
    item_id        bigint NOT NULL,
    user_id        integer NOT NULL,
    first_added_at timestamptz NOT NULL DEFAULT now(),
    removed_at     timestamptz,             -- when a complete read first missed it
    last_seen_at   timestamptz,             -- kept for a removed wish only, see the view wishes
    CONSTRAINT wishlist_item_sources_pkey PRIMARY KEY (item_id, user_id),
    CONSTRAINT wishlist_item_sources_item_fkey FOREIGN KEY (item_id) REFERENCES wishlist_items (id),
    CONSTRAINT wishlist_item_sources_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT wishlist_item_sources_removed_check CHECK ((removed_at IS NULL) = (last_seen_at IS NULL))
);

CREATE INDEX IF NOT EXISTS wishlist_item_sources_user_idx
    ON wishlist_item_sources (user_id, item_id) WHERE removed_at IS NULL;

CREATE TABLE IF NOT EXISTS sync_runs (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    trigger         text NOT NULL,
    user_id         integer,                -- null: a run over everybody; kept when the user is erased
    status          text NOT NULL DEFAULT 'running',
    started_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    users_processed integer NOT NULL DEFAULT 0,
    items_fetched   integer NOT NULL DEFAULT 0,
    new_items       integer NOT NULL DEFAULT 0,
    updated_items   integer NOT NULL DEFAULT 0,
    removed_items   integer NOT NULL DEFAULT 0,
    total_items     integer,
    errors          jsonb NOT NULL DEFAULT '[]',
    CONSTRAINT sync_runs_pkey PRIMARY KEY (id),
    CONSTRAINT sync_runs_trigger_check CHECK (trigger IN ('manual', 'scheduled', 'command')),
    CONSTRAINT sync_runs_status_check CHECK (status IN ('running', 'succeeded', 'partial', 'failed', 'interrupted'))
);

-- What there is one of.
CREATE TABLE IF NOT EXISTS sync_state (
    one               boolean NOT NULL DEFAULT true,
    client_identifier text NOT NULL DEFAULT gen_random_uuid()::text,   -- X-Plex-Client-Identifier
    next_run_at       timestamptz,
    CONSTRAINT sync_state_pkey PRIMARY KEY (one),
    CONSTRAINT sync_state_one_check CHECK (one)
);

INSERT INTO sync_state DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION rfc3339(moment timestamptz) RETURNS text
    LANGUAGE sql STABLE
    RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

-- A wish counts while its person is active. A present wish was last seen at that
-- person's last finished read; storing it would rewrite every row at every sync.
DROP VIEW IF EXISTS wishes CASCADE;         -- that of a later migration has more columns, if this one runs again
CREATE VIEW wishes AS
SELECT source.item_id,
       source.user_id,
       person.name,
       source.first_added_at,
       source.removed_at,
       CASE WHEN source.removed_at IS NULL
            THEN greatest(source.first_added_at, person.last_success_at)
            ELSE source.last_seen_at
        END AS last_seen_at
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

-- The filters of GET /api/wishlist; a null argument does not filter.
-- A plain SQL function is inlined: the planner sees its tables and indexes.
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

-- A person as the API shows them: without the token.
CREATE OR REPLACE VIEW plex_user_reports AS
SELECT id, name, token_masked, active, plex_username, sync_state, sync_detail,
       last_attempt_at, last_success_at,
       (SELECT count(*)
          FROM wishlist_item_sources AS source
         WHERE source.user_id = plex_users.id
           AND source.removed_at IS NULL) AS wishlist_size,
       created_at, updated_at
  FROM plex_users;

-- A run says running only while its process holds the sync lock (db.py): the lock
-- dies with the process, so a killed run is interrupted from the next look on.
CREATE OR REPLACE VIEW sync_run_reports AS
SELECT id, trigger,
       CASE WHEN status = 'running'
             AND NOT EXISTS (
                     SELECT
                       FROM pg_locks AS held
                       JOIN pg_database AS here ON here.oid = held.database
                      WHERE here.datname = current_database()
                        AND held.locktype = 'advisory'
                        AND held.classid = 1464421200
                        AND held.objid = 1
                        AND held.objsubid = 2
                        AND held.granted)
            THEN 'interrupted'
            ELSE status
        END AS status,
       started_at, finished_at, users_processed, items_fetched,
       new_items, updated_items, removed_items, total_items, errors
  FROM sync_runs;
