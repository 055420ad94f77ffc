"""Ann with her Plex Home and friends."""

from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from psycopg import Connection

from tests.support.fake_friends import Friends
from tests.support.fake_home import Home
from tests.support.fake_plex import FakePlex, Person, row
from tests.support.household import Household

ANN = "token-of-ann-0123456789"


@dataclass
class Neighbours:
    """Ann is person 1 and has a token; the others are at Plex only: two members of her Home, a friend, an other."""

    api: FlaskClient
    household: Household
    conn: Connection[dict[str, Any]]
    plex: FakePlex
    home: Home
    friends: Friends
    ann: Person
    ben: Person
    kim: Person
    fay: Person
    oz: Person

    def add(self, person: Person, *, via: int = 1, **more: Any) -> Any:
        """The reply to adding this account."""
        return self.api.post("/api/users", json={"via": via, "plex_uuid": person.uuid} | more)


def meet(api: FlaskClient, household: Household) -> Neighbours:
    """Ann, and whom Plex shows her: Ben (Home, with a PIN), Kim (managed), Fay (friend), Oz (access to her server)."""
    plex = household.plex
    ann = household.add("Ann", [row("1", "Alpha")])
    home, friends = Home(plex, ann), Friends(plex)
    ben = home.join("Ben", [row("2", "Beta")], pin="7391")
    kim = home.join("Kim", [row("3", "Gamma")], managed=True)
    fay = plex.add("token-of-fay-0123456789", username="fay", rows=[row("4", "Delta")])
    oz = plex.add("token-of-oz-0123456789", username="oz")
    friends.befriend(ann, fay)
    home.others = [oz]
    return Neighbours(api, household, household.conn, plex, home, friends, ann, ben, kim, fay, oz)
