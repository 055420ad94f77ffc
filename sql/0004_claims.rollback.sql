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
       new_items, updated_items, removed_items, total_items,
       shown_errors(errors) AS errors
  FROM sync_runs;

ALTER TABLE sync_state ADD COLUMN IF NOT EXISTS next_run_at timestamptz;

DROP INDEX IF EXISTS sync_runs_running_idx;
DROP INDEX IF EXISTS plex_users_due_idx;

ALTER TABLE plex_users DROP COLUMN IF EXISTS next_sync_at;
