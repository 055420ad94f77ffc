-- What single titles are asked about, and who was told what.

-- Whether Plex is still to be asked when people put the new wishes of the run on their lists.
ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS times_due boolean NOT NULL DEFAULT false;
ALTER TABLE sync_runs ALTER COLUMN times_due SET DEFAULT true;   -- of runs to come: those before this one are not asked about
CREATE INDEX IF NOT EXISTS sync_runs_times_due_idx ON sync_runs (id) WHERE times_due;

-- When somebody's list came to be held or their token refused, or either was over: news, where every other
-- sync_state may pass by itself. A person without a row is well.
CREATE TABLE IF NOT EXISTS sync_state_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     integer NOT NULL,
    sync_state  text NOT NULL,
    sync_detail text,
    happened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sync_state_changes_pkey PRIMARY KEY (id),
    CONSTRAINT sync_state_changes_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT sync_state_changes_state_check CHECK (sync_state IN ('ok', 'held', 'token_rejected'))
);

CREATE INDEX IF NOT EXISTS sync_state_changes_user_idx ON sync_state_changes (user_id, id);

CREATE OR REPLACE FUNCTION sync_state_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    -- a new token is a new beginning
    state CONSTANT text := CASE WHEN new.sync_state = 'never' THEN 'ok' ELSE new.sync_state END;
    known CONSTANT text := (SELECT sync_state FROM sync_state_changes WHERE user_id = new.id ORDER BY id DESC LIMIT 1);
BEGIN
    IF state <> coalesce(known, 'ok') THEN
        -- One of those in db.py, and the last that any transaction takes. Ids become visible in their order: who has
        -- read up to one has missed none before it.
        PERFORM pg_advisory_xact_lock(1464421200, 6);
        INSERT INTO sync_state_changes (user_id, sync_state, sync_detail)
        VALUES (new.id, state, new.sync_detail);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER sync_state_changed AFTER UPDATE OF sync_state ON plex_users
    FOR EACH ROW
    WHEN (new.sync_state IN ('never', 'ok', 'held', 'token_rejected') AND new.sync_state <> old.sync_state)
    EXECUTE FUNCTION sync_state_changed();

-- What is so already is no news.
INSERT INTO sync_state_changes (user_id, sync_state, sync_detail)
SELECT id, sync_state, sync_detail
  FROM plex_users
 WHERE sync_state IN ('held', 'token_rejected')
   AND NOT EXISTS (SELECT FROM sync_state_changes);

-- Who is told news, and up to where they were told.
CREATE TABLE IF NOT EXISTS news_addresses (
    fingerprint text NOT NULL,              -- keyed hash of the address, which is a secret
    event_id    bigint NOT NULL,            -- of wishlist_events: the last one told, or passed over
    change_id   bigint NOT NULL,            -- the same of sync_state_changes
    failures    integer NOT NULL DEFAULT 0, -- one after the other
    due_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT news_addresses_pkey PRIMARY KEY (fingerprint)
);
