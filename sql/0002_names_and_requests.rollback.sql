CREATE OR REPLACE VIEW wishes AS
SELECT source.item_id,
       source.user_id,
       person.name,
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
SELECT id, name, token_masked, active, plex_username, sync_state, sync_detail,
       last_attempt_at, last_success_at,
       (SELECT count(*)
          FROM wishlist_item_sources AS source
         WHERE source.user_id = plex_users.id
           AND source.removed_at IS NULL) AS wishlist_size,
       created_at, updated_at
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
       new_items, updated_items, removed_items, total_items, errors
  FROM sync_runs;

DROP FUNCTION IF EXISTS shown_errors(jsonb);
DROP FUNCTION IF EXISTS shown_detail(text, text);
DROP FUNCTION IF EXISTS shown_name(integer, text);
DROP FUNCTION IF EXISTS names_hidden();

ALTER TABLE sync_runs DROP COLUMN IF EXISTS plex_requests;
