"""A program that follows /api/changes, and what it can tell from them."""

from typing import Any

from flask.testing import FlaskClient

from tests.support.household import Household


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
