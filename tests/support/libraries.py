"""A household, its media server and a webhook, as tests of what came there see them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.fake_media_server import FakeMediaServer, Library
from tests.support.fake_plex import Row
from tests.support.household import Household, token_of
from tests.support.media_servers import look
from tests.support.receivers import Receiver
from tests.support.tellers import Teller


@dataclass
class Arrivals:
    """Titles come and go, a scheduler looks, and another one tells what is new."""

    household: Household
    server: FakeMediaServer
    webhook: Receiver
    films: Library = field(init=False)
    shows: Library = field(init=False)

    def __post_init__(self) -> None:
        self.films, self.shows = self.server.library("movie", "Films"), self.server.library("show", "Shows")
        self.teller = Teller(self.household, self.webhook.address)

    def want(self, **lists: list[Row]) -> None:
        """People have these watchlists, and are read. They have wanted new titles since 3 May."""
        for name, rows in lists.items():
            person = self.household.plex.people.get(token_of(name)) or self.household.add(name, rows)
            person.rows = rows
        self.household.sync()
        may = datetime(datetime.now(UTC).year, 5, 3, 12, tzinfo=UTC)
        self.household.conn.execute(
            "UPDATE wishlist_item_sources SET first_added_at = %s WHERE removed_at IS NULL", [may]
        )

    def come(self, title: Row, *, library: Library | None = None, **facts: Any) -> None:
        """The media server gets a title."""
        ids = [known["id"] for known in title.get("Guid", [])]
        to = library or (self.films if title["type"] == "movie" else self.shows)
        self.server.add_title(to, title["guid"], *ids, **facts)

    def leave(self, title: Row) -> None:
        """The media server loses a title."""
        for library in self.server.libraries.values():
            library.rows = [row for row in library.rows if row["guid"] != title["guid"]]

    def grow(self, show: Row, seasons: int) -> None:
        """A show has so many seasons there."""
        for row in self.shows.rows:
            if row["guid"] == show["guid"]:
                row["childCount"] = seasons

    def look(self, **settings: Any) -> list[str]:
        """A scheduler looks, and the household is told; return what it is told now."""
        count = len(self.webhook.messages)
        look(self.household, self.server, **settings)
        self.teller.look()
        return [body for body in self.webhook.bodies[count:] if " wants " not in body.split(".")[0]]

    def months_pass(self) -> None:
        """What left the media server did so long ago."""
        self.household.conn.execute("UPDATE library_titles SET left_at = left_at - interval '31 days'")
