"""REMOVE_AFTER_SYNC, as tests drive it."""

import threading
from dataclasses import replace

from tests.support.fake_plex import row
from tests.support.household import Household
from wishlist_service.write_back.worker import WriteBack

ALPHA, BETA, GAMMA = row("1", "Alpha"), row("2", "Beta", media_type="show"), row("3", "Gamma")
FILMS = [row(f"{n:x}", f"Film {n:02}") for n in range(16, 28)]


def turn(household: Household) -> None:
    """A turn of a scheduler that has just started, after Plex was asked when the new wishes were made."""
    times_are_asked(household)
    turn_at_once(household)


def times_are_asked(household: Household) -> None:
    household.conn.execute("UPDATE sync_runs SET times_due = false")


def turn_at_once(household: Household) -> None:
    """A turn of a scheduler that has just started."""
    config = replace(household.config, remove_after_sync=True)
    WriteBack(config, household.cipher, stop=threading.Event(), retry_seconds=0.01).turn()


def kept(household: Household, name: str = "Ann") -> list[str]:
    """The titles that are kept for the person, in alphabetical order."""
    rows = household.conn.execute(
        """
        SELECT item.title
          FROM wishlist_item_sources AS source
          JOIN wishlist_items AS item ON item.id = source.item_id
          JOIN plex_users AS person ON person.id = source.user_id
         WHERE person.name = %s AND source.kept_at IS NOT NULL AND source.removed_at IS NULL
      ORDER BY item.title
        """,
        [name],
    ).fetchall()
    return [found["title"] for found in rows]


def events(household: Household) -> list[str]:
    found = household.conn.execute("SELECT kind FROM wishlist_events ORDER BY id").fetchall()
    return [event["kind"] for event in found]


def two_hours_pass(household: Household) -> None:
    household.conn.execute("UPDATE wishlist_item_sources SET kept_at = kept_at - interval '2 hours'")
