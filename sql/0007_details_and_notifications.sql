-- What single titles are asked about, and who was told what.

-- Whether Plex is still to be asked when people put the new wishes of the run on their lists.
ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS times_due boolean NOT NULL DEFAULT false;
ALTER TABLE sync_runs ALTER COLUMN times_due SET DEFAULT true;   -- of runs to come: those before this one are not asked about
CREATE INDEX IF NOT EXISTS sync_runs_times_due_idx ON sync_runs (id) WHERE times_due;
