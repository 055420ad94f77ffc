"""Sync runs: what runs, what ran, what comes next. The view sync_run_reports has the columns of SyncRun."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from psycopg import Connection
from psycopg.types.json import Jsonb

from wishlist_service.db import row, rows, value
from wishlist_service.errors import NotFound
from wishlist_service.models import SyncRun, UserResult


def add_run(conn: Connection, *, trigger: str, user_id: int | None, status: str = "running") -> int:
    """Open a run, which is running or waiting, and return its id."""
    return value(conn, """
        INSERT INTO sync_runs (trigger, user_id, status)
        VALUES (%(trigger)s, %(user_id)s, %(status)s)
     RETURNING id
        """, {"trigger": trigger, "user_id": user_id, "status": status})


def begin_run(conn: Connection, *, run_id: int) -> None:
    """Record that the run waits no longer."""
    conn.execute("UPDATE sync_runs SET status = 'running' WHERE id = %(run_id)s", {"run_id": run_id})


def is_one_waiting(conn: Connection) -> bool:
    """Return whether a run waits for others to end."""
    return value(conn, """
        SELECT EXISTS (
                   SELECT
                     FROM sync_run_reports
                    WHERE id IN (SELECT id FROM sync_runs WHERE status = 'waiting')
                      AND status = 'waiting')
        """)


def interrupt_running_runs(conn: Connection) -> int:
    """Close the runs of killed processes and return how many. finished_at stays null, since it is unknown."""
    return conn.execute("""
        UPDATE sync_runs
           SET status = 'interrupted'
         WHERE status IN ('waiting', 'running')
           AND EXISTS (
                   SELECT
                     FROM sync_run_reports AS report
                    WHERE report.id = sync_runs.id
                      AND report.status = 'interrupted')
        """).rowcount


def add_result(conn: Connection, *, run_id: int, result: UserResult) -> None:
    """Add one person's numbers to the run, or why their watchlist was not read."""
    error = {"user_id": result.user_id, "name": result.name, "state": result.outcome, "detail": result.detail}
    errors = Jsonb([error] if result.failed else [])
    conn.execute("""
        UPDATE sync_runs
           SET users_processed = users_processed + %(processed)s,
               items_fetched = items_fetched + %(titles)s,
               new_items = new_items + %(new_items)s,
               updated_items = updated_items + %(updated_items)s,
               removed_items = removed_items + %(removed_items)s,
               added_wishes = added_wishes + %(added)s,
               removed_wishes = removed_wishes + %(removed)s,
               added_by = CASE WHEN %(added)s > 0 THEN added_by || %(user_id)s::integer ELSE added_by END,
               errors = errors || %(errors)s
         WHERE id = %(run_id)s
        """, vars(result) | {"run_id": run_id, "processed": int(not result.failed), "errors": errors})


def finish_run(
    conn: Connection, *, run_id: int, status: str, total_items: int, plex_requests: Mapping[str, int], took: timedelta
) -> None:
    """Close the run. `plex_requests`: how many requests to Plex ended in each way.

    took: by the monotonic clock, since the time may have been set meanwhile.
    """
    conn.execute("""
        UPDATE sync_runs
           SET status = %(status)s,
               finished_at = started_at + %(took)s,
               total_items = %(total_items)s,
               plex_requests = %(requests)s
         WHERE id = %(run_id)s
        """, {
        "run_id": run_id, "status": status, "total_items": total_items, "took": took,
        "requests": Jsonb(dict(plex_requests)),
    })


def remove_person(conn: Connection, *, user_id: int) -> None:
    """Remove the errors of an erased person from all runs, since they hold the name."""
    conn.execute("""
        UPDATE sync_runs
           SET errors = (
                   SELECT coalesce(jsonb_agg(error), '[]')
                     FROM jsonb_array_elements(errors) AS error
                    WHERE error -> 'user_id' <> to_jsonb(%(user_id)s::integer))
         WHERE errors @> jsonb_build_array(jsonb_build_object('user_id', %(user_id)s::integer))
        """, {"user_id": user_id})


def delete_old_runs(conn: Connection, *, keep: timedelta) -> int:
    """Delete runs that ended longer ago than `keep` and return how many. Their totals stay in deleted_runs.

    The last run of each trigger and the last that succeeded stay. A killed run ended when it began, as far as is known.
    """
    return value(conn, """
        WITH ended AS (
             SELECT id, trigger, status, coalesce(finished_at, started_at) AS ended_at
               FROM sync_run_reports
              WHERE status NOT IN ('waiting', 'running')),
             deleted AS (
             DELETE FROM sync_runs
              USING ended
              WHERE ended.id = sync_runs.id
                AND ended.ended_at < now() - %(keep)s
                AND ended.id NOT IN (SELECT max(id) FROM ended GROUP BY trigger)
                AND ended.id IS DISTINCT FROM (SELECT max(id) FROM ended WHERE status = 'succeeded')
          RETURNING ended.status, sync_runs.finished_at - sync_runs.started_at AS duration, sync_runs.plex_requests),
             added AS (
             INSERT INTO deleted_runs (number, label, total)
             SELECT 'runs', status, count(*)
               FROM deleted
           GROUP BY status
          UNION ALL
             SELECT 'seconds', status, coalesce(sum(extract(epoch FROM duration)), 0)
               FROM deleted
           GROUP BY status
          UNION ALL
             SELECT 'plex_requests', counted.key, sum(counted.value::integer)
               FROM deleted
              CROSS JOIN LATERAL jsonb_each_text(plex_requests) AS counted
           GROUP BY counted.key
                 ON CONFLICT (number, label) DO UPDATE SET total = deleted_runs.total + excluded.total)
        SELECT count(*) FROM deleted
        """, {"keep": keep})


def get_run(conn: Connection, *, run_id: int) -> SyncRun:
    """Return the run. Raises NotFound."""
    run = row(conn, SyncRun, "SELECT * FROM sync_run_reports WHERE id = %(run_id)s", {"run_id": run_id})
    if run is None:
        raise NotFound(f"No sync run has id {run_id}.")
    return run


def list_adders(conn: Connection, *, run_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Return the runs that found new wishes, each with the name of a person whose wishes these are."""
    return conn.execute("""
        SELECT run.id, person.name
          FROM sync_runs AS run
         CROSS JOIN LATERAL unnest(run.added_by) AS added (user_id)
          JOIN plex_user_reports AS person ON person.id = added.user_id
         WHERE run.id = ANY (%(run_ids)s)
      ORDER BY run.id, person.name
        """, {"run_ids": list(run_ids)}).fetchall()


def find_running_run(conn: Connection) -> SyncRun | None:
    """Return the running run, the latest of several; one that waits if none runs."""
    return row(conn, SyncRun, """
        SELECT *
          FROM sync_run_reports
         WHERE id IN (SELECT id FROM sync_runs WHERE status IN ('waiting', 'running'))
           AND status IN ('waiting', 'running')
      ORDER BY status, id DESC
         LIMIT 1
        """)


def find_requested_run(conn: Connection) -> SyncRun | None:
    """Return the run that somebody asked for and that waits or runs."""
    return row(conn, SyncRun, """
        SELECT *
          FROM sync_run_reports
         WHERE id IN (SELECT id FROM sync_runs WHERE status IN ('waiting', 'running'))
           AND status IN ('waiting', 'running')
           AND trigger IN ('manual', 'command')
      ORDER BY id DESC
         LIMIT 1
        """)


def find_last_run(conn: Connection) -> SyncRun | None:
    """Return the last run that has ended."""
    return row(conn, SyncRun, """
        SELECT *
          FROM sync_run_reports
         WHERE status NOT IN ('waiting', 'running')
      ORDER BY id DESC
         LIMIT 1
        """)


def list_runs(conn: Connection, *, limit: int, offset: int) -> list[SyncRun]:
    """Return runs, newest first."""
    return rows(conn, SyncRun, """
        SELECT *
          FROM sync_run_reports
      ORDER BY id DESC
         LIMIT %(limit)s
        OFFSET %(offset)s
        """, {"limit": limit, "offset": offset})


def count_runs(conn: Connection) -> int:
    """Return how many runs there are."""
    return value(conn, "SELECT count(*) FROM sync_runs")


def find_last_success(conn: Connection) -> datetime | None:
    """Return when an active person's watchlist was last read completely."""
    return value(conn, "SELECT max(last_success_at) FROM plex_users WHERE active")


def find_next_run(conn: Connection) -> datetime | None:
    """Return when the next watchlist is due; None if no person is active."""
    return value(conn, "SELECT min(next_sync_at) FROM plex_users WHERE active")
