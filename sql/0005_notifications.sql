-- Notifications: what there is to tell, what came to the media server, and who was told what.

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
