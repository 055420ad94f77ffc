-- Several schedulers share the people: each person says when they are due, and each run has a lock of its own.

ALTER TABLE plex_users ADD COLUMN IF NOT EXISTS next_sync_at timestamptz NOT NULL DEFAULT now();

CREATE INDEX IF NOT EXISTS plex_users_due_idx ON plex_users (next_sync_at) WHERE active;

-- Which run is under way is asked often, and of many runs.
CREATE INDEX IF NOT EXISTS sync_runs_running_idx ON sync_runs (id) WHERE status = 'running';

ALTER TABLE sync_state DROP COLUMN IF EXISTS next_run_at;

-- A run says running only while its process holds the run's lock (db.py): the lock
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
                        AND held.classid = 1464421201
                        AND held.objid::bigint = sync_runs.id
                        AND held.objsubid = 2
                        AND held.granted)
            THEN 'interrupted'
            ELSE status
        END AS status,
       started_at, finished_at, users_processed, items_fetched,
       new_items, updated_items, removed_items, total_items,
       shown_errors(errors) AS errors
  FROM sync_runs;
