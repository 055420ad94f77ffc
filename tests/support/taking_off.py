"""Taking the title Alpha off watchlists, as tests do it."""

from typing import Any

from flask.testing import FlaskClient

from tests.support.household import Household

ALPHA = f"{1:024x}"
PATH = f"/api/wishlist/{ALPHA}/watchlists"


def take_off(api: FlaskClient, path: str = PATH, **query: Any) -> list[tuple[str, str, str | None]]:
    """Name, outcome and state of each row of the reply."""
    reply = api.delete(path, query_string=query)
    assert reply.status_code == 200, reply.text
    return [(row["name"], row["outcome"], row["state"]) for row in reply.json["items"]]


def wanted_by(api: FlaskClient) -> list[str]:
    return sorted(person["name"] for person in api.get(f"/api/wishlist/{ALPHA}").json["wanted_by"])


def events(household: Household) -> list[tuple[str, int | None]]:
    """Kind and run of each event of Alpha's after it was added."""
    rows = household.conn.execute(
        """
        SELECT kind, run_id
          FROM wishlist_events AS event
          JOIN wishlist_items AS item ON item.id = event.item_id
         WHERE item.title = 'Alpha' AND kind <> 'added'
      ORDER BY event.id
        """
    ).fetchall()
    return [tuple(row.values()) for row in rows]
