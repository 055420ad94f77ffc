-- Names of people can be hidden; a run remembers how its requests to Plex ended.

ALTER TABLE sync_runs ADD COLUMN IF NOT EXISTS plex_requests jsonb NOT NULL DEFAULT '{}';

-- Set by db.hide_names() for a transaction.
CREATE OR REPLACE FUNCTION names_hidden() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN coalesce(current_setting('wishlist.names', true), '') = 'hidden';

CREATE OR REPLACE FUNCTION shown_name(user_id integer, name text) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN names_hidden() THEN 'Person ' || user_id ELSE name END;

-- The sentence of other_account holds names of accounts, and maybe another person's.
CREATE OR REPLACE FUNCTION shown_detail(sync_state text, sync_detail text) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN names_hidden() AND sync_state = 'other_account'
                THEN 'This token is of another Plex account.'
                ELSE sync_detail
            END;

CREATE OR REPLACE FUNCTION shown_errors(errors jsonb) RETURNS jsonb
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

CREATE OR REPLACE VIEW wishes AS
SELECT source.item_id,
       source.user_id,
       shown_name(person.id, person.name) AS name,
       source.first_added_at,
       source.removed_at,
       CASE WHEN source.removed_at IS NULL
            THEN greatest(source.first_added_at, person.last_success_at)
            ELSE source.last_seen_at
        END AS last_seen_at
  FROM wishlist_item_sources AS source
  JOIN plex_users AS person ON person.id = source.user_id
 WHERE person.active;

CREATE OR REPLACE VIEW plex_user_reports AS
SELECT id,
       shown_name(id, name) AS name,
       token_masked,
       active,
       CASE WHEN NOT names_hidden() THEN plex_username END AS plex_username,
       sync_state,
       shown_detail(sync_state, sync_detail) AS sync_detail,
       last_attempt_at,
       last_success_at,
       (SELECT count(*)
          FROM wishlist_item_sources AS source
         WHERE source.user_id = plex_users.id
           AND source.removed_at IS NULL) AS wishlist_size,
       created_at,
       updated_at
  FROM plex_users;

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
