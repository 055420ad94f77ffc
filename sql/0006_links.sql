-- Sign-ins by link: each waits until its person agrees at Plex, or until it expires.

CREATE TABLE IF NOT EXISTS plex_links (
    id                integer GENERATED ALWAYS AS IDENTITY,
    name              text,                 -- of the person to be added; null when a token is renewed
    user_id           integer,              -- whose token is renewed, or who was added
    pin_id            bigint NOT NULL,
    code              text NOT NULL,
    client_identifier text NOT NULL,        -- ciphertext: with it and the PIN anybody could fetch the token
    status            text NOT NULL DEFAULT 'pending',
    detail            text,
    polled_at         timestamptz NOT NULL DEFAULT now(),
    expires_at        timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT plex_links_pkey PRIMARY KEY (id),
    CONSTRAINT plex_links_user_fkey FOREIGN KEY (user_id) REFERENCES plex_users (id) ON DELETE CASCADE,
    CONSTRAINT plex_links_person_check CHECK (name IS NOT NULL OR user_id IS NOT NULL),
    CONSTRAINT plex_links_status_check CHECK (status IN ('pending', 'linked', 'expired', 'failed'))
);

CREATE INDEX IF NOT EXISTS plex_links_pending_idx ON plex_links (polled_at) WHERE status = 'pending';
CREATE INDEX IF NOT EXISTS plex_links_user_idx ON plex_links (user_id);
CREATE INDEX IF NOT EXISTS plex_links_expires_idx ON plex_links (expires_at);
