"""A program that follows /api/changes, and what it can tell from them."""

from typing import Any

from flask.testing import FlaskClient

from tests.support.household import API_KEY, Household
from tests.support.processes import Answer, request


def ask(client: FlaskClient, after: str | None = None, *, limit: int = 50) -> dict[str, Any]:
    query = {"limit": limit} | ({"after": after} if after else {})
    reply = client.get("/api/changes", query_string=query)
    assert reply.status_code == 200, reply.text
    assert reply.json["next"]
    return reply.json


def follow(client: FlaskClient, after: str | None = None, *, limit: int = 50) -> tuple[list[dict[str, Any]], str]:
    """All events after the cursor as a program gets them, and the cursor it is left with."""
    told: list[dict[str, Any]] = []
    while True:
        reply = ask(client, after, limit=limit)
        told += reply["items"]
        after = reply["next"]
        assert len(reply["items"]) == limit or not reply["more"]
        if not reply["more"]:
            return told, reply["next"]


def changes(address: str, after: str = "") -> Answer:
    """A page of /api/changes from a service at this address."""
    query = f"limit=500{f'&after={after}' if after else ''}"
    return request("GET", f"{address}/api/changes?{query}", headers={"X-API-Key": API_KEY})


def all_changes(address: str) -> list[dict[str, Any]]:
    """All events from the beginning."""
    told: list[dict[str, Any]] = []
    page = changes(address).json
    while page["items"]:
        told += page["items"]
        page = changes(address, page["next"]).json
    return told


def play(told: list[dict[str, Any]]) -> set[tuple[int, str]]:
    """Who wants what after all these events."""
    wanted: set[tuple[int, str]] = set()
    for event in told:
        wish = (event["user"]["id"], event["item"]["uid"])
        assert (wish in wanted) == (event["kind"] == "removed"), "an event that changes nothing"
        wanted ^= {wish}
    return wanted


def present_wishes(household: Household) -> set[tuple[int, str]]:
    rows = household.conn.execute(
        """
        SELECT user_id, uid
          FROM wishlist_item_sources
          JOIN wishlist_items ON id = item_id
         WHERE removed_at IS NULL
        """
    )
    return {(found["user_id"], found["uid"]) for found in rows}


def half_written(household: Household) -> list[str]:
    """The people whose stored list is not as long as it was when it was read."""
    rows = household.conn.execute(
        """
        SELECT name
          FROM plex_users AS person
         WHERE wishlist_size <> (SELECT count(*)
                                   FROM wishlist_item_sources AS source
                                  WHERE source.user_id = person.id AND removed_at IS NULL)
        """
    )
    return [found["name"] for found in rows]
