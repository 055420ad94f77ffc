DROP TABLE IF EXISTS news_addresses;

DROP TRIGGER IF EXISTS sync_state_changed ON plex_users;
DROP FUNCTION IF EXISTS sync_state_changed;
DROP TABLE IF EXISTS sync_state_changes;

ALTER TABLE sync_runs DROP COLUMN IF EXISTS times_due;
