-- What this service does on Plex: titles taken off watchlists, and the media server looked through.

-- How often this service has changed the person's list. A read that began before shows a list that is no more.
ALTER TABLE plex_users ADD COLUMN IF NOT EXISTS list_changes integer NOT NULL DEFAULT 0;

-- When the next scheduler looks through the media server.
ALTER TABLE sync_state ADD COLUMN IF NOT EXISTS library_due_at timestamptz NOT NULL DEFAULT now();
