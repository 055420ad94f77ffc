ALTER TABLE sync_state DROP COLUMN IF EXISTS library_due_at;
ALTER TABLE plex_users DROP COLUMN IF EXISTS list_changes;
