-- Notifications: what there is to tell, and who was told what.

CREATE TABLE sync_state_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     integer NOT NULL,
    sync_state  text NOT NULL,
    sync_detail text,
    happened_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sync_state_changes_pkey PRIMARY KEY (id),
    CONSTRAINT sync_state_changes_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT sync_state_changes_state_check CHECK (sync_state IN ('ok', 'held', 'token_rejected', 'unread', 'read_again'))
);

CREATE INDEX sync_state_changes_user_idx ON sync_state_changes (user_id, id);

COMMENT ON TABLE sync_state_changes IS
    'When a watchlist came to be held or a token was refused, and when that was over. People are told of these; every '
    'other sync_state may pass by itself. A person without a row is ok.';
COMMENT ON COLUMN sync_state_changes.id IS 'A number that grows with each change. Rows become visible in its order.';
COMMENT ON COLUMN sync_state_changes.user_id IS 'The person, as plex_users.id.';
COMMENT ON COLUMN sync_state_changes.sync_state IS 'From then on: ok, held, token_rejected, unread for a day, or read_again after a day or more.';
COMMENT ON COLUMN sync_state_changes.sync_detail IS 'As plex_users.sync_detail at that moment.';
COMMENT ON COLUMN sync_state_changes.happened_at IS 'When it changed.';

CREATE FUNCTION sync_state_changed() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    known CONSTANT text := coalesce(
        (SELECT sync_state FROM sync_state_changes WHERE user_id = new.id ORDER BY id DESC LIMIT 1), 'ok');
    was_well CONSTANT boolean := known IN ('ok', 'read_again');
    lasting CONSTANT boolean := coalesce(old.last_success_at, new.created_at) <= now() - interval '1 day';
    state CONSTANT text := CASE
        WHEN new.sync_state = 'held' THEN 'held'
        -- an incident at Plex refuses tokens, too: only a second refusal, 10 minutes after the first, is told
        WHEN new.sync_state = 'token_rejected'
         AND coalesce(new.token_refused_at <= now() - interval '10 minutes', true) THEN 'token_rejected'
        WHEN new.sync_state = 'ok' AND (known = 'unread' OR lasting AND NOT was_well) THEN 'read_again'
        -- a new token is a new beginning, and a watchlist that nobody can show needs no notice
        WHEN new.sync_state IN ('ok', 'no_watchlist', 'hidden', 'via_unavailable') OR new.sync_state = 'never' AND known <> 'unread' THEN 'ok'
        WHEN new.sync_state NOT IN ('never', 'token_rejected') AND lasting AND was_well THEN 'unread'
        ELSE known
    END;
BEGIN
    IF state <> known AND NOT (state = 'ok' AND was_well) THEN
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
    WHEN (new.sync_state <> old.sync_state OR new.sync_state NOT IN ('never', 'ok', 'no_watchlist', 'hidden', 'via_unavailable'))
    EXECUTE FUNCTION sync_state_changed();

CREATE TABLE news_addresses (
    id          bigint GENERATED ALWAYS AS IDENTITY,
    user_id     integer,
    fingerprint text NOT NULL,
    address     text,
    masked      text,
    anywhere    boolean NOT NULL DEFAULT true,
    event_id    bigint NOT NULL,
    change_id   bigint NOT NULL,
    arrival_id  bigint NOT NULL DEFAULT 0,
    failures    integer NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT news_addresses_pkey PRIMARY KEY (id),
    CONSTRAINT news_addresses_key UNIQUE NULLS NOT DISTINCT (user_id, fingerprint),
    CONSTRAINT news_addresses_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT news_addresses_address_check CHECK (
        (user_id IS NULL) = (address IS NULL) AND (user_id IS NULL) = (masked IS NULL))
);

COMMENT ON TABLE news_addresses IS
    'The addresses that get messages, those of NOTIFY_URLS and of people, and up to where each was told.';
COMMENT ON COLUMN news_addresses.id IS 'The number of the address. A person''s addresses are in this order.';
COMMENT ON COLUMN news_addresses.user_id IS 'Whose address it is, as plex_users.id. Null for those of NOTIFY_URLS.';
COMMENT ON COLUMN news_addresses.fingerprint IS 'A keyed hash of the address, which is a secret.';
COMMENT ON COLUMN news_addresses.address IS
    'The address of a person, encrypted and bound to this person. Null for those of NOTIFY_URLS.';
COMMENT ON COLUMN news_addresses.masked IS
    'What may be shown of the address of a person: scheme and host, or the name of the service. Null as address is.';
COMMENT ON COLUMN news_addresses.anywhere IS
    'Whether the address may always lead to this network: if an admin set it.';
COMMENT ON COLUMN news_addresses.event_id IS 'The last event that was told or skipped, as wishlist_events.id.';
COMMENT ON COLUMN news_addresses.change_id IS 'The last change that was told or skipped, as sync_state_changes.id.';
COMMENT ON COLUMN news_addresses.arrival_id IS 'The last arrival that was told or skipped, as library_arrivals.id.';
COMMENT ON COLUMN news_addresses.failures IS 'How many tries have failed in a row.';
COMMENT ON COLUMN news_addresses.due_at IS
    'When to try next: after failures 1, 2, 4 ... minutes later, at most 6 hours.';
