-- Sync runs: what each did, and how it ended.

CREATE TABLE sync_runs (
    id              bigint GENERATED ALWAYS AS IDENTITY,
    trigger         text NOT NULL,
    user_id         integer,
    status          text NOT NULL DEFAULT 'running',
    started_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    users_processed integer NOT NULL DEFAULT 0,
    items_fetched   integer NOT NULL DEFAULT 0,
    new_items       integer NOT NULL DEFAULT 0,
    updated_items   integer NOT NULL DEFAULT 0,
    removed_items   integer NOT NULL DEFAULT 0,
    added_wishes    integer NOT NULL DEFAULT 0,
    removed_wishes  integer NOT NULL DEFAULT 0,
    added_by        integer[] NOT NULL DEFAULT '{}',
    total_items     integer,
    errors          jsonb NOT NULL DEFAULT '[]',
    plex_requests   jsonb NOT NULL DEFAULT '{}',
    times_due       boolean NOT NULL DEFAULT true,
    CONSTRAINT sync_runs_pkey PRIMARY KEY (id),
    CONSTRAINT sync_runs_trigger_check CHECK (trigger IN ('manual', 'scheduled', 'command', 'look')),
    CONSTRAINT sync_runs_status_check CHECK (
        status IN ('waiting', 'running', 'succeeded', 'partial', 'failed', 'interrupted'))
);

CREATE INDEX sync_runs_unfinished_idx ON sync_runs (id) WHERE status IN ('waiting', 'running');
CREATE INDEX sync_runs_times_due_idx ON sync_runs (id) WHERE times_due;

COMMENT ON TABLE sync_runs IS 'Sync runs: each reads the watchlists of one or more people once.';
COMMENT ON COLUMN sync_runs.id IS 'The number of the run in the API.';
COMMENT ON COLUMN sync_runs.trigger IS 'What started the run: manual (the API), scheduled, command, or a look that found something.';
COMMENT ON COLUMN sync_runs.user_id IS
    'The only person of the run, as plex_users.id; kept when they are erased. Null for a run over several people.';
COMMENT ON COLUMN sync_runs.status IS
    'waiting for another run to end, running, succeeded, partial, failed or interrupted. See sync_run_reports for a run '
    'whose process died.';
COMMENT ON COLUMN sync_runs.started_at IS 'When the run began.';
COMMENT ON COLUMN sync_runs.finished_at IS
    'When the run ended: its start and how long it took, whatever the clock did. Null before, and if its process died.';
COMMENT ON COLUMN sync_runs.users_processed IS 'How many people the run has dealt with.';
COMMENT ON COLUMN sync_runs.items_fetched IS 'How many titles the watchlists of the run had, unchanged ones included.';
COMMENT ON COLUMN sync_runs.new_items IS 'How many titles came onto the wishlist.';
COMMENT ON COLUMN sync_runs.updated_items IS 'How many known titles got other facts, like a new name.';
COMMENT ON COLUMN sync_runs.removed_items IS 'How many titles left the wishlist.';
COMMENT ON COLUMN sync_runs.added_wishes IS
    'How many wishes began or came back, also for titles that another person wanted already.';
COMMENT ON COLUMN sync_runs.removed_wishes IS 'How many wishes ended, also for titles that another person still wants.';
COMMENT ON COLUMN sync_runs.added_by IS 'Whose wishes began or came back, as plex_users.id.';
COMMENT ON COLUMN sync_runs.total_items IS 'How many titles were on the wishlist when the run ended. Null before.';
COMMENT ON COLUMN sync_runs.errors IS
    'A JSON array with an object for each watchlist that was not read or is held: user_id, name, state, detail.';
COMMENT ON COLUMN sync_runs.plex_requests IS 'A JSON object: how many requests to Plex ended in which way.';
COMMENT ON COLUMN sync_runs.times_due IS
    'Whether Plex is still to be asked when people put the new titles of the run on their watchlists.';

CREATE TABLE deleted_runs (
    number text NOT NULL,
    label  text NOT NULL,
    total  numeric NOT NULL,
    CONSTRAINT deleted_runs_pkey PRIMARY KEY (number, label),
    CONSTRAINT deleted_runs_number_check CHECK (number IN ('runs', 'seconds', 'plex_requests'))
);

COMMENT ON TABLE deleted_runs IS 'Totals over the sync runs that were deleted, so that no counter of /metrics falls.';
COMMENT ON COLUMN deleted_runs.number IS 'What was added up: runs, their seconds, or their plex_requests.';
COMMENT ON COLUMN deleted_runs.label IS 'The status of the runs, or the outcome of the requests.';
COMMENT ON COLUMN deleted_runs.total IS 'The total.';

CREATE FUNCTION shown_errors(errors jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    RETURN CASE WHEN names_hidden()
                THEN (SELECT coalesce(
                                 jsonb_agg(error || jsonb_build_object(
                                     'name', shown_name((error ->> 'user_id')::integer, error ->> 'name'),
                                     'detail', shown_detail(error ->> 'state', error ->> 'detail'))),
                                 '[]')
                        FROM jsonb_array_elements(errors) AS error)
                ELSE errors
            END;

COMMENT ON FUNCTION shown_errors(jsonb) IS 'The errors of a run, without names of people while names are hidden.';

CREATE VIEW sync_run_reports AS
SELECT id,
       trigger,
       CASE WHEN status IN ('waiting', 'running')
             AND NOT EXISTS (
                     SELECT
                       FROM pg_locks AS held
                       JOIN pg_database AS here ON here.oid = held.database
                      WHERE here.datname = current_database()
                        AND held.locktype = 'advisory'
                        AND held.classid = 1464421201          -- the lock that each run holds, by its id
                        AND held.objid::bigint = sync_runs.id
                        AND held.objsubid = 2
                        AND held.granted)
            THEN 'interrupted'
            ELSE status
        END AS status,
       started_at,
       finished_at,
       users_processed,
       items_fetched,
       new_items,
       updated_items,
       removed_items,
       added_wishes,
       removed_wishes,
       total_items,
       shown_errors(errors) AS errors
  FROM sync_runs;

COMMENT ON VIEW sync_run_reports IS
    'Runs as the API shows them. A run waits or runs only while its process holds the lock of the run. It ends with '
    'the process, so a killed run shows as interrupted from then on.';
COMMENT ON COLUMN sync_run_reports.id IS 'As sync_runs.id.';
COMMENT ON COLUMN sync_run_reports.trigger IS 'As sync_runs.trigger.';
COMMENT ON COLUMN sync_run_reports.status IS 'waiting, running, succeeded, partial, failed or interrupted.';
COMMENT ON COLUMN sync_run_reports.started_at IS 'As sync_runs.started_at.';
COMMENT ON COLUMN sync_run_reports.finished_at IS 'As sync_runs.finished_at.';
COMMENT ON COLUMN sync_run_reports.users_processed IS 'As sync_runs.users_processed.';
COMMENT ON COLUMN sync_run_reports.items_fetched IS 'As sync_runs.items_fetched.';
COMMENT ON COLUMN sync_run_reports.new_items IS 'As sync_runs.new_items.';
COMMENT ON COLUMN sync_run_reports.updated_items IS 'As sync_runs.updated_items.';
COMMENT ON COLUMN sync_run_reports.removed_items IS 'As sync_runs.removed_items.';
COMMENT ON COLUMN sync_run_reports.added_wishes IS 'As sync_runs.added_wishes.';
COMMENT ON COLUMN sync_run_reports.removed_wishes IS 'As sync_runs.removed_wishes.';
COMMENT ON COLUMN sync_run_reports.total_items IS 'As sync_runs.total_items.';
COMMENT ON COLUMN sync_run_reports.errors IS 'As sync_runs.errors, without names while they are hidden.';
