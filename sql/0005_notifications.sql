-- Notifications: what there is to tell, and who was told what.

CREATE TABLE sync_state_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     integer NOT NULL,
    sync_state  text NOT NULL,
    sync_detail text,
    happened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sync_state_changes_pkey PRIMARY KEY (id),
    CONSTRAINT sync_state_changes_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT sync_state_changes_state_check CHECK (sync_state IN ('ok', 'held', 'token_rejected'))
);

CREATE INDEX sync_state_changes_user_idx ON sync_state_changes (user_id, id);

COMMENT ON TABLE sync_state_changes IS
    'When a watchlist came to be held or a token was refused, and when that was over. People are told of these; every '
    'other sync_state may pass by itself. A person without a row is ok.';
COMMENT ON COLUMN sync_state_changes.id IS 'A number that grows with each change. Rows become visible in its order.';
COMMENT ON COLUMN sync_state_changes.user_id IS 'The person, as plex_users.id.';
COMMENT ON COLUMN sync_state_changes.sync_state IS 'ok, held or token_rejected, from then on.';
COMMENT ON COLUMN sync_state_changes.sync_detail IS 'As plex_users.sync_detail at that moment.';
COMMENT ON COLUMN sync_state_changes.happened_at IS 'When it changed.';

CREATE FUNCTION sync_state_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    -- a new token is a new beginning
    state CONSTANT text := CASE WHEN new.sync_state = 'never' THEN 'ok' ELSE new.sync_state END;
    known CONSTANT text := (SELECT sync_state FROM sync_state_changes WHERE user_id = new.id ORDER BY id DESC LIMIT 1);
BEGIN
    IF state <> coalesce(known, 'ok') THEN
        -- The last advisory lock that any transaction takes. It makes ids become visible in their order, so a reader
        -- that has read up to one id has missed none before it.
        PERFORM pg_advisory_xact_lock(1464421200, 6);
        INSERT INTO sync_state_changes (user_id, sync_state, sync_detail)
        VALUES (new.id, state, new.sync_detail);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION sync_state_changed() IS 'Trigger of plex_users: writes sync_state_changes.';

CREATE TRIGGER sync_state_changed AFTER UPDATE OF sync_state ON plex_users
    FOR EACH ROW
    WHEN (new.sync_state IN ('never', 'ok', 'held', 'token_rejected') AND new.sync_state <> old.sync_state)
    EXECUTE FUNCTION sync_state_changed();

CREATE TABLE news_addresses (
    fingerprint text NOT NULL,
    event_id    bigint NOT NULL,
    change_id   bigint NOT NULL,
    failures    integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT news_addresses_pkey PRIMARY KEY (fingerprint)
);

COMMENT ON TABLE news_addresses IS 'The addresses of NOTIFY_URLS, and up to where each was told.';
COMMENT ON COLUMN news_addresses.fingerprint IS 'A keyed hash of the address, which is a secret.';
COMMENT ON COLUMN news_addresses.event_id IS 'The last event that was told or skipped, as wishlist_events.id.';
COMMENT ON COLUMN news_addresses.change_id IS 'The last change that was told or skipped, as sync_state_changes.id.';
COMMENT ON COLUMN news_addresses.failures IS 'How many tries have failed in a row.';
COMMENT ON COLUMN news_addresses.due_at IS
    'When to try next: after failures 1, 2, 4 ... minutes later, at most 6 hours.';
