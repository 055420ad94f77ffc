"""Plex's records of titles, as tests renew them."""

from typing import Any

from tests.support.fake_plex import Row, row
from tests.support.household import Household
from tests.support.titles import ids


def film(key: str, title: str = "Lantern", *, media_type: str = "movie", **known: str) -> Row:
    """A row of a list with these external ids; without any, `Guid` is empty."""
    return row(key, title, media_type=media_type, year=2021, Guid=ids(**known))


def uid(key: str, media_type: str = "movie") -> str:
    """The uid of a row of this key."""
    return f"plex://{media_type}/{key:0>24}"


def read_again(household: Household) -> None:
    """A sync that reads every list in full."""
    household.conn.execute("UPDATE plex_users SET list_etag = NULL")
    household.sync()


def items(household: Household) -> list[dict[str, Any]]:
    """The titles of the database, the oldest first."""
    return household.conn.execute("SELECT * FROM wishlist_items ORDER BY id").fetchall()


def only_item(household: Household) -> dict[str, Any]:
    """The only title."""
    [found] = items(household)
    return found


def records_of(household: Household, item_id: int) -> set[str]:
    """The records of a title."""
    found = household.conn.execute("SELECT uid FROM wishlist_records WHERE item_id = %s", [item_id])
    return {record["uid"] for record in found}


def shown_ids(household: Household) -> tuple[str | None, int | None, int | None]:
    """The external ids that the only title shows."""
    found = only_item(household)
    return found["imdb_id"], found["tmdb_id"], found["tvdb_id"]


def kinds(household: Household) -> list[tuple[str, str]]:
    """The history: who, and what happened."""
    found = household.conn.execute(
        """
        SELECT person.name, event.kind
          FROM wishlist_events AS event
          JOIN plex_users AS person ON person.id = event.user_id
      ORDER BY event.id
        """
    )
    return [(event["name"], event["kind"]) for event in found]
